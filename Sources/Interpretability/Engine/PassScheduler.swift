/// Gives each node the forward pass in which it acts.
///
/// Within a pass all its prompts run side by side, and a value is there from the moment its site has been visited. So
///
/// - a set is in the pass of its value if that is there in time, else in the next one;
/// - a get is in the latest pass of the sets upstream that stand before it in the graph, which it must see;
/// - a set is in a later pass than the gets downstream that stand before it, which must not see it; a get and a set that both
///   act in each of some steps are compared within a step, for the steps after it go on from what was written, as they do
///   with a hook that stays;
/// - a gradient is there at the end of the pass of what it is of and of what it is edited by.
struct PassScheduler {
    let graph: InterventionGraph
    let limits: TraceLimits

    /// When a value is there: in a pass, at a fixed moment, and at an order within each step.
    private struct Availability {
        var pass = 0
        var moment = Moment(step: -1, order: -1)
        var orderInStep = -1
    }

    private struct Moment: Comparable {
        var step: Int
        var order: Int

        static func < (a: Moment, b: Moment) -> Bool { (a.step, a.order) < (b.step, b.order) }
    }

    /// - Returns: the number of passes.
    func schedule(_ nodes: inout [PlannedNode]) throws -> Int {
        try sweep(&nodes)
        return (nodes.filter(\.isLive).map(\.pass).max() ?? -1) + 1
    }

    private func tooManyPasses(_ place: String) -> TraceError {
        TraceError(
            .order, place, expected: "an order that \(limits.passes) forward passes can follow",
            found: "one that needs more",
            advice: "write sets in the order of the model's sites")
    }

    private func sweep(_ nodes: inout [PlannedNode]) throws {
        var there = [Availability](repeating: Availability(), count: nodes.count)
        var gets: [Int: [Int]] = [:]
        var sets: [Int: [Int]] = [:]
        var editPass = 0
        for (id, node) in graph.nodes.enumerated() where nodes[id].isLive {
            var own = combined((node.inputs ?? []).map { there[$0] })
            switch node.operation {
            case .get:
                guard let entry = nodes[id].entry, let prompt = node.prompt else { break }
                let seen = sets[prompt, default: []].filter { isUpstream($0, of: id, nodes, orEqual: true) }
                own = Availability(pass: seen.map { nodes[$0].pass }.max() ?? 0)
                if nodes[id].isStepwise {
                    own.orderInStep = entry.order
                } else {
                    own.moment = Moment(step: nodes[id].steps.from, order: entry.order)
                }
                gets[prompt, default: []].append(id)
            case .set:
                guard let entry = nodes[id].entry, let prompt = node.prompt else { break }
                let moment = Moment(step: nodes[id].steps.from, order: entry.order)
                let isInTime = own.moment <= moment && own.orderInStep <= entry.order
                own.pass += isInTime ? 0 : 1
                for get in gets[prompt, default: []] where mustNotSee(get, id, nodes) {
                    own.pass = max(own.pass, there[get].pass + 1)
                }
                sets[prompt, default: []].append(id)
            case .setGradient: editPass = max(editPass, own.pass)
            case .gradient:
                own.pass = max(own.pass, editPass)
                own.moment = Moment(step: .max, order: .max)
            default: break
            }
            guard own.pass < limits.passes else { throw tooManyPasses(nodes[id].place) }
            there[id] = own
            nodes[id].pass = own.pass
        }
    }

    private func combined(_ inputs: [Availability]) -> Availability {
        let pass = inputs.map(\.pass).max() ?? 0
        let latest = inputs.filter { $0.pass == pass }
        return Availability(
            pass: pass, moment: latest.map(\.moment).max() ?? Moment(step: -1, order: -1),
            orderInStep: latest.map(\.orderInStep).max() ?? -1)
    }

    /// Whether a get that stands before a set is downstream of it.
    private func mustNotSee(_ get: Int, _ set: Int, _ nodes: [PlannedNode]) -> Bool {
        guard nodes[get].isStepwise, nodes[set].isStepwise, overlap(nodes[get].steps, nodes[set].steps) else {
            return isUpstream(set, of: get, nodes, orEqual: false)
        }
        guard let a = nodes[set].entry, let b = nodes[get].entry else { return false }
        return a.order < b.order
    }

    private func overlap(_ a: StepSelection, _ b: StepSelection) -> Bool {
        max(a.from, b.from) < min(a.to ?? .max, b.to ?? .max)
    }

    /// Whether what a set does can reach a get of the same prompt.
    private func isUpstream(_ set: Int, of get: Int, _ nodes: [PlannedNode], orEqual: Bool) -> Bool {
        guard let a = nodes[set].entry, let b = nodes[get].entry else { return false }
        let lastStep = (nodes[get].steps.to ?? graph.steps) - 1
        if nodes[set].steps.from < lastStep { return true }
        return nodes[set].steps.from == lastStep && (a.order < b.order || (orEqual && a.order == b.order))
    }
}
