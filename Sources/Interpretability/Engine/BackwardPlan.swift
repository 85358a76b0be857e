/// What backward passes need of the forward ones: whose history is kept, where gradients are gathered, which edits act.
///
/// A loss may be made of values of several passes, and so may the values that were put into one of them. So the history
/// of every pass that a loss depends on is kept until its gradients are there, and a gradient at a site is the sum over
/// those passes in which the site had the value that was read:
///
///     gradient(loss, site) = Σ over passes q of ∂loss/∂site(q)
struct BackwardPlan: Sendable {
    /// Of each pass that gradients depend on: the pass in which the last of them is taken.
    private var lastUse: [Int: Int] = [:]
    /// Of each `get` that gradients are asked for at: the passes in which its site has the value that it read.
    private var leaves: [Int: Set<Int>] = [:]
    /// Of each gradient: the edits that stand before it.
    private var edits: [Int: [Int]] = [:]

    init(_ graph: InterventionGraph, _ nodes: [PlannedNode]) {
        let live = graph.nodes.indices.filter { nodes[$0].isLive }
        let sets = Dictionary(grouping: live.filter { graph.nodes[$0].operation == .set }) {
            graph.nodes[$0].prompt ?? 0
        }
        var before: [Int] = []
        var byLoss: [Int: Set<Int>] = [:]
        for id in live {
            if graph.nodes[id].operation == .setGradient { before.append(id) }
            guard graph.nodes[id].operation == .gradient, let inputs = graph.nodes[id].inputs else { continue }
            edits[id] = before
            let needed = byLoss[inputs[0]] ?? Self.passes(of: inputs[0], graph, nodes, sets)
            byLoss[inputs[0]] = needed
            for pass in needed { lastUse[pass] = max(lastUse[pass] ?? 0, nodes[id].pass) }
            // Where an earlier site has been set since, the value is another one.
            let site = inputs[1]
            let own = sets[graph.nodes[site].prompt ?? 0, default: []].filter { set in
                set > site && (nodes[set].entry?.order ?? 0) < (nodes[site].entry?.order ?? 0)
            }
            let end = own.map { nodes[$0].pass }.min() ?? .max
            leaves[site, default: []].formUnion(needed.filter { $0 >= nodes[site].pass && $0 < end })
        }
    }

    /// The passes whose values a node depends on.
    private static func passes(
        of node: Int, _ graph: InterventionGraph, _ nodes: [PlannedNode], _ sets: [Int: [Int]]
    ) -> Set<Int> {
        var (found, seen, pending) = (Set<Int>(), Set<Int>(), [node])
        while let id = pending.popLast() {
            // Gradients are constants.
            guard seen.insert(id).inserted, graph.nodes[id].operation != .gradient else { continue }
            pending += graph.nodes[id].inputs ?? []
            guard graph.nodes[id].operation == .get else { continue }
            found.insert(nodes[id].pass)
            for set in sets[graph.nodes[id].prompt ?? 0, default: []] where nodes[set].pass <= nodes[id].pass {
                pending += graph.nodes[set].inputs ?? []
            }
        }
        return found
    }

    /// Whether values of a pass keep their history.
    func isTracked(_ pass: Int) -> Bool { lastUse[pass] != nil }

    /// Whether history must outlive a pass, for a loss that a later one completes.
    func keepsHistory(after pass: Int) -> Bool { lastUse.contains { $0.key <= pass && $0.value > pass } }

    func isLeaf(_ get: Int, in pass: Int) -> Bool { leaves[get]?.contains(pass) ?? false }

    /// The edits of gradients that a gradient sees.
    func edits(of gradient: Int) -> [Int] { edits[gradient] ?? [] }
}
