/// A graph that has been checked against a model: every site found, every shape known, every node given its pass.
///
/// Making one computes nothing of the graph, so it also answers what a graph would cost.
public struct TraceProgram: Sendable {
    public let graph: InterventionGraph
    /// Forward passes that the order of the nodes needs.
    public let passes: Int
    /// Bytes of all saved values.
    public let savedBytes: Int
    /// The prompts that take part in each pass, side by side.
    public let rows: [[Int]]
    let nodes: [PlannedNode]
    let lastOnly: Bool
    let backward: BackwardPlan
    /// Of each prompt.
    let tokens: [Int]

    /// The shape that a saved value will have, at its first step.
    public func shape(_ name: String) -> [Int]? { graph.saves[name].map { nodes[$0].shape } }

    /// The shape that a saved value will have at a step; nil where it has none.
    public func shape(_ name: String, step: Int) -> [Int]? {
        guard let id = graph.saves[name], steps(name)?.contains(step) == true else { return nil }
        return StepShapes(graph: graph, nodes: nodes, tokens: tokens).shapes(at: step)[id]
    }

    /// The steps in which a saved value is kept.
    func steps(_ name: String) -> Range<Int>? {
        guard let id = graph.saves[name] else { return nil }
        let (node, end) = (nodes[id], graph.steps)
        return node.isStepwise ? node.steps.from..<min(node.steps.to ?? end, end) : 0..<1
    }
}

/// What is known of a node before it runs.
struct PlannedNode: Sendable {
    var shape: [Int] = []
    var place = ""
    var entry: SiteScan.Entry?
    /// The steps in which it has a value.
    var steps = StepSelection.first
    /// Whether it has a value for each of several steps.
    var isStepwise = false
    var isLive = false
    var pass = 0
    /// Whether its value is there in a backward pass only.
    var isBackward = false
    /// Of such a value: the first of the sites, in the order of the model, that a gradient must arrive at for it.
    var firstArrival: Int?
    /// Of a value that an earlier graph saved: its place among the steps in which that was kept.
    var savedPlace = 0
}

/// Makes a program, in three sweeps over the nodes: sites and shapes, what is needed, passes.
struct TraceCompiler<Model: TraceableModel> {
    let model: Model
    let limits: TraceLimits
    /// The graphs of the session before this one.
    var earlier: [TraceProgram] = []

    /// Kernels take eight, of which the engine needs one or two itself.
    private static var maximumRank: Int { 6 }

    func program(_ graph: InterventionGraph) throws -> TraceProgram {
        try checkCounts(graph)
        let tokens = try model.tokenCounts(graph.prompts)
        try checkPositions(graph, tokens)
        var nodes: [PlannedNode] = []
        if !graph.prompts.isEmpty || !graph.nodes.isEmpty {
            let resolver = SiteResolver(try model.scan(graph.prompts), model.aliases)
            for (index, node) in graph.nodes.enumerated() {
                nodes.append(try planned(node, index, graph, nodes, tokens, resolver))
            }
        }
        try checkSaves(graph, nodes)
        try SkippedLayers.check(graph, nodes)
        let sizes = StepSizes(graph, nodes, tokens: tokens)
        var costs = TraceCosts(limits: limits)
        costs.earlierBytes = earlier.reduce(0) { $0 + $1.savedBytes }
        let saved = try costs.savedBytes(graph, sizes)
        markLive(graph, &nodes)
        var passes = try PassScheduler(graph: graph, limits: limits).schedule(&nodes)
        // Tokens are wanted even where nothing is saved.
        if graph.steps > 1 && !graph.prompts.isEmpty { passes = max(passes, 1) }
        let rows = rows(graph, nodes, passes)
        let lastOnly = readsLastOnly(graph, nodes)
        if lastOnly { costs.lastOnly = model.headPaths }
        try costs.check(graph, nodes, sizes, rows: rows, tokens: tokens)
        return TraceProgram(
            graph: graph, passes: passes, savedBytes: saved, rows: rows, nodes: nodes,
            lastOnly: lastOnly, backward: BackwardPlan(graph, nodes), tokens: tokens)
    }

    private func checkCounts(_ graph: InterventionGraph) throws {
        func check(_ isRight: Bool, _ place: String, _ expected: String, _ found: Int) throws {
            if !isRight { throw TraceError(.limit, place, expected: expected, found: "\(found)") }
        }
        try check(
            graph.prompts.count <= limits.prompts, "graph.prompts", "at most \(limits.prompts)", graph.prompts.count)
        try check(graph.nodes.count <= limits.nodes, "graph.nodes", "at most \(limits.nodes)", graph.nodes.count)
        let most = min(limits.steps, model.maximumSteps)
        try check((1...max(most, 1)).contains(graph.steps), "graph.steps", "1 to \(most)", graph.steps)
    }

    /// The last token that a run reads is the one before the last that it adds.
    private func checkPositions(_ graph: InterventionGraph, _ tokens: [Int]) throws {
        guard let most = model.maximumTokens else { return }
        for (index, count) in tokens.enumerated() where count > most - (graph.steps - 1) {
            throw TraceError(
                .limit, "prompt \(index)",
                expected: "at most \(most) tokens, the model's positions, with those that \(graph.steps) steps read",
                found: "\(count) and \(graph.steps - 1) more", advice: "take fewer steps, or a shorter prompt")
        }
    }

    // MARK: - Sites and shapes

    private func planned(
        _ node: Node, _ index: Int, _ graph: InterventionGraph, _ before: [PlannedNode], _ tokens: [Int],
        _ resolver: SiteResolver
    ) throws -> PlannedNode {
        let place = node.place(index)
        let inputs = node.inputs ?? []
        let count = node.operation.inputCount
        guard count.map({ $0 == inputs.count }) ?? !inputs.isEmpty else {
            throw TraceError(
                .operation, place, expected: "\(count.map(String.init) ?? "one or more") inputs",
                found: "\(inputs.count)")
        }
        if let wrong = inputs.first(where: { !(0..<index).contains($0) || !graph.nodes[$0].operation.hasValue }) {
            throw TraceError(.order, place, expected: "inputs among the values before it", found: "node \(wrong)")
        }
        var plan = PlannedNode(place: place)
        try inheritSteps(inputs, before, &plan)
        try inheritDirection(node, inputs, graph, before, &plan)
        switch node.operation {
        case .get, .set, .setGradient, .arrivingGradient: try planSite(node, graph, before, tokens, resolver, &plan)
        case .gradient: try planGradient(inputs, graph, before, &plan)
        case .unembed:
            guard let shape = model.unembeddedShape(before[inputs[0]].shape) else {
                throw TraceError(
                    .shape, place, expected: "residuals [..., width] of a model with a head",
                    found: "\(before[inputs[0]].shape)")
            }
            plan.shape = shape
        case .saved:
            try planSaved(node, &plan)
        default: plan.shape = try ShapeRule.shape(node, inputs.map { before[$0].shape }, place)
        }
        guard !plan.shape.contains(0), plan.shape.count <= Self.maximumRank else {
            throw TraceError(
                .shape, place, expected: "a value with elements, of at most \(Self.maximumRank) axes",
                found: "shape \(plan.shape)")
        }
        guard let elements = TensorLiteral.count(plan.shape), elements <= limits.valueBytes / 4 else {
            throw TraceError(
                .limit, place, expected: "a value of at most \(limits.valueBytes) bytes", found: "shape \(plan.shape)",
                advice: "select tokens, heads or channels")
        }
        return plan
    }

    /// A value computed from values of several steps has a value for each of them.
    private func inheritSteps(_ inputs: [Int], _ before: [PlannedNode], _ plan: inout PlannedNode) throws {
        for input in inputs where before[input].isStepwise {
            let other = before[input].steps
            guard plan.isStepwise else {
                (plan.steps, plan.isStepwise) = (other, true)
                continue
            }
            let to = [plan.steps.to, other.to].compactMap { $0 }.min()
            plan.steps = StepSelection(from: max(plan.steps.from, other.from), to: to)
        }
        if let to = plan.steps.to, to <= plan.steps.from {
            throw TraceError(.order, plan.place, expected: "inputs that share a step", found: "none")
        }
    }

    /// What is computed from arriving gradients is there on the way back only, where `setGradient` takes it.
    private func inheritDirection(
        _ node: Node, _ inputs: [Int], _ graph: InterventionGraph, _ before: [PlannedNode], _ plan: inout PlannedNode
    ) throws {
        plan.isBackward = node.operation == .arrivingGradient || inputs.contains { before[$0].isBackward }
        plan.firstArrival = inputs.compactMap { before[$0].firstArrival }.min()
        guard plan.isBackward, node.operation == .set || node.operation == .gradient else { return }
        throw TraceError(
            .order, plan.place, expected: "values of the forward pass",
            found: "some that are made of arriving gradients", advice: "those are for setGradient")
    }

    private func planSite(
        _ node: Node, _ graph: InterventionGraph, _ before: [PlannedNode], _ tokens: [Int], _ resolver: SiteResolver,
        _ plan: inout PlannedNode
    ) throws {
        guard let prompt = node.prompt, graph.prompts.indices.contains(prompt), let site = node.site else {
            throw TraceError(
                .operation, plan.place, expected: "a site, and a prompt below \(graph.prompts.count)",
                found: "prompt \(node.prompt ?? -1)")
        }
        let steps = node.steps ?? .first
        guard (0..<graph.steps).contains(steps.from), (steps.to ?? graph.steps) <= graph.steps,
            steps.to ?? .max > steps.from
        else {
            throw TraceError(
                .order, plan.place, expected: "steps below \(graph.steps)",
                found: "\(steps.from) to \(steps.to.map(String.init) ?? "the end")")
        }
        let entry = try resolver.entry(site, plan.place)
        let whole = entry.shape(tokens: tokens[prompt], step: steps.from)
        let box = try ShapeRule.box(node.selection ?? [], of: whole, plan.place) { entry.axis($0) }
        let own = box.shape(of: whole)
        if node.operation != .get && node.operation != .set { try planBackward(node, graph, before, entry, &plan) }
        if node.operation == .set || node.operation == .setGradient, let input = node.inputs?.first {
            guard !entry.isShared else {
                throw TraceError(
                    .unsupported, plan.place, expected: "a site with a value for each prompt", found: "one for all",
                    advice: "write the site that it is added to")
            }
            let value = before[input]
            guard ShapeRule.broadcast(value.shape, own) == own else {
                throw TraceError(.shape, plan.place, expected: "a value for \(own)", found: "\(value.shape)")
            }
            if value.isStepwise {
                let covers =
                    value.steps.from <= steps.from
                    && value.steps.to ?? .max >= min(steps.to ?? graph.steps, graph.steps)
                guard covers else {
                    throw TraceError(
                        .order, plan.place, expected: "a value in each of its steps",
                        found: "one from step \(value.steps.from)")
                }
            }
        }
        (plan.entry, plan.shape, plan.steps, plan.isStepwise) = (entry, own, steps, steps.isMany && graph.steps > 1)
        guard plan.isStepwise, steps.from + 1 < min(steps.to ?? .max, graph.steps) else { return }
        // Further steps have one token; what depends on the number of keys so far is checked when it is there.
        let later = entry.shape(tokens: tokens[prompt], step: steps.from + 1)
        _ = try ShapeRule.box(node.selection ?? [], of: later, plan.place + ", further steps") { entry.axis($0) }
    }

    /// Of what is done to gradients at a site.
    private func planBackward(
        _ node: Node, _ graph: InterventionGraph, _ before: [PlannedNode], _ entry: SiteScan.Entry,
        _ plan: inout PlannedNode
    ) throws {
        guard graph.steps == 1 else {
            throw TraceError(.unsupported, plan.place, expected: "one step", found: "\(graph.steps)")
        }
        guard !entry.isShared else {
            throw TraceError(
                .unsupported, plan.place, expected: "a site with a value for each prompt", found: "one for all")
        }
        if node.operation == .arrivingGradient { plan.firstArrival = entry.order }
        guard node.operation == .setGradient, let earliest = node.inputs?.first.flatMap({ before[$0].firstArrival })
        else { return }
        guard earliest >= entry.order else {
            throw TraceError(
                .order, plan.place, expected: "gradients that arrive at this site or at later ones",
                found: "one of an earlier site", advice: "gradients come from the end of the model")
        }
    }

    /// A value that was kept in several steps is one of them, which the node names.
    private func planSaved(_ node: Node, _ plan: inout PlannedNode) throws {
        guard let graph = node.graph, let name = node.name, earlier.indices.contains(graph),
            let kept = earlier[graph].steps(name)
        else {
            throw TraceError(
                .order, plan.place, expected: "a value saved by an earlier graph of the session",
                found: "\"\(node.name ?? "")\" of graph \(node.graph ?? -1)")
        }
        guard kept.count > 1 || node.steps != nil else {
            plan.shape = earlier[graph].shape(name) ?? []
            return
        }
        guard let steps = node.steps, kept.contains(steps.from), steps.to == steps.from + 1 else {
            throw TraceError(
                .order, plan.place,
                expected: "one of the steps \(kept.lowerBound) to \(kept.upperBound - 1) in which \"\(name)\" was"
                    + " kept, as \"steps\": {\"from\": \(kept.upperBound - 1), \"to\": \(kept.upperBound)}",
                found: node.steps.map { "\($0.from) to \($0.to.map(String.init) ?? "the end")" } ?? "no step")
        }
        guard let shape = earlier[graph].shape(name, step: steps.from) else {
            throw TraceError(
                .shape, plan.place, expected: "a value of a known shape", found: "one that only the run can tell")
        }
        (plan.shape, plan.savedPlace) = (shape, steps.from - kept.lowerBound)
    }

    private func planGradient(
        _ inputs: [Int], _ graph: InterventionGraph, _ before: [PlannedNode], _ plan: inout PlannedNode
    ) throws {
        guard graph.steps == 1 else {
            throw TraceError(.unsupported, plan.place, expected: "one step", found: "\(graph.steps)")
        }
        guard TensorLiteral.count(before[inputs[0]].shape) == 1 else {
            throw TraceError(
                .shape, plan.place, expected: "a single number to differentiate", found: "\(before[inputs[0]].shape)",
                advice: "sum it or select one element")
        }
        guard graph.nodes[inputs[1]].operation == .get, before[inputs[1]].entry?.isShared == false else {
            throw TraceError(
                .operation, plan.place, expected: "a get of a prompt's own value as the second input",
                found: graph.nodes[inputs[1]].operation.rawValue)
        }
        plan.shape = before[inputs[1]].shape
    }

    // MARK: - What is needed

    private func checkSaves(_ graph: InterventionGraph, _ nodes: [PlannedNode]) throws {
        for (name, id) in graph.saves.sorted(by: { $0.key < $1.key }) {
            guard graph.nodes.indices.contains(id), graph.nodes[id].operation.hasValue, !nodes[id].isBackward else {
                throw TraceError(.operation, "save \"\(name)\"", expected: "the number of a value", found: "\(id)")
            }
        }
    }

    /// Values that saves need, the sets that reach those values, and all sets where tokens are generated.
    private func markLive(_ graph: InterventionGraph, _ nodes: inout [PlannedNode]) {
        var pending = Array(graph.saves.values)
        if graph.steps > 1 { pending += graph.nodes.indices.filter { graph.nodes[$0].operation == .set } }
        // Edits of gradients up to here are asked for already.
        var editsSeen = -1
        // By prompt: the sets that nothing has asked for yet.
        var idle = Dictionary(grouping: graph.nodes.indices.filter { graph.nodes[$0].operation == .set }) {
            graph.nodes[$0].prompt ?? 0
        }
        while let id = pending.popLast() {
            guard !nodes[id].isLive else { continue }
            nodes[id].isLive = true
            pending += graph.nodes[id].inputs ?? []
            if graph.nodes[id].operation == .gradient, id > editsSeen {
                pending += (editsSeen + 1..<id).filter { graph.nodes[$0].operation == .setGradient }
                editsSeen = id
            }
            guard graph.nodes[id].operation == .get, graph.steps == 1, let prompt = graph.nodes[id].prompt,
                let sets = idle[prompt], let end = nodes[id].entry?.order
            else { continue }
            let reaching = sets.filter { $0 < id && nodes[$0].entry?.order ?? 0 <= end }
            guard !reaching.isEmpty else { continue }
            pending += reaching
            idle[prompt] = sets.filter { !($0 < id && nodes[$0].entry?.order ?? 0 <= end) }
        }
    }

    private func rows(_ graph: InterventionGraph, _ nodes: [PlannedNode], _ passes: Int) -> [[Int]] {
        var rows = [Set<Int>](repeating: [], count: passes)
        var last = [Int](repeating: 0, count: graph.prompts.count)
        for (id, node) in graph.nodes.enumerated() where nodes[id].isLive {
            guard let prompt = node.prompt else { continue }
            if node.operation == .get { rows[nodes[id].pass].insert(prompt) }
            if node.operation == .set { last[prompt] = max(last[prompt], nodes[id].pass) }
        }
        if graph.steps > 1 { for (prompt, pass) in last.enumerated() where pass < passes { rows[pass].insert(prompt) } }
        return rows.map { $0.sorted() }
    }

    /// Whether the head need only look at the last token.
    private func readsLastOnly(_ graph: InterventionGraph, _ nodes: [PlannedNode]) -> Bool {
        zip(graph.nodes, nodes).allSatisfy { node, plan in
            guard plan.isLive, let entry = plan.entry, model.headPaths.contains(entry.path) else { return true }
            return node.selection?.contains { entry.axis($0.axis) == 0 && $0.start == -1 && $0.count == 1 } ?? false
        }
    }
}
