/// How large the values of a graph are over all steps. Scores and patterns have a key more in each further step, and so
/// has what is computed from them.
///
///     bytes = 4 · (count at the first step + further steps · count at the last one)
///
/// In a further step no axis is shorter than in the one before, so this is at least what a run makes, and just that
/// where shapes stay.
struct StepSizes {
    /// Elements of each node at the last of its steps but the first; those of its only step where there is one.
    let largest: [Int]
    private let graph: InterventionGraph
    private let nodes: [PlannedNode]

    /// - Parameter tokens: of each prompt.
    init(_ graph: InterventionGraph, _ nodes: [PlannedNode], tokens: [Int]) {
        (self.graph, self.nodes) = (graph, nodes)
        let lasts = Set(nodes.compactMap { Self.last($0, graph) }).sorted()
        // Few graphs end their reads in many different steps; there the last of all is beyond each of them.
        let swept = lasts.count > 8 ? lasts.suffix(1) : lasts[...]
        let shapes = StepShapes(graph: graph, nodes: nodes, tokens: tokens)
        var largest = nodes.map { TensorLiteral.count($0.shape) ?? .max }
        for step in swept {
            let found = shapes.shapes(at: step)
            for (id, node) in nodes.enumerated() {
                guard let last = Self.last(node, graph), last == step || lasts.count > 8 else { continue }
                guard let shape = found[id] else {
                    // A shape that does not fit by the foretold number of keys may fit by a smaller one.
                    let inputs = (graph.nodes[id].inputs ?? []).map { largest[$0] }
                    largest[id] = inputs.reduce(largest[id]) { $0.plus($1) }
                    continue
                }
                largest[id] = TensorLiteral.count(shape) ?? .max
            }
        }
        self.largest = largest
    }

    /// The last step of a node that has further ones.
    private static func last(_ node: PlannedNode, _ graph: InterventionGraph) -> Int? {
        let last = min(node.steps.to ?? graph.steps, graph.steps) - 1
        return node.isStepwise && last > node.steps.from ? last : nil
    }

    /// Bytes of a node's values over all its steps; `Int.max` for more than can be counted.
    func bytes(_ id: Int) -> Int {
        let first = TensorLiteral.count(nodes[id].shape) ?? .max
        let further = Self.last(nodes[id], graph).map { $0 - nodes[id].steps.from } ?? 0
        return first.plus(largest[id].times(further)).times(4)
    }

    /// Bytes of any one value of a node.
    func valueBytes(_ id: Int) -> Int {
        max(largest[id], TensorLiteral.count(nodes[id].shape) ?? .max).times(4)
    }
}

/// Of numbers that are not negative: `Int.max` for more than can be counted.
extension Int {
    func plus(_ other: Int) -> Int {
        let (sum, overflows) = addingReportingOverflow(other)
        return overflows ? .max : sum
    }

    func times(_ other: Int) -> Int {
        let (product, overflows) = multipliedReportingOverflow(by: other)
        return overflows ? .max : product
    }
}

/// The shapes that values have in a step.
struct StepShapes {
    let graph: InterventionGraph
    let nodes: [PlannedNode]
    /// Of each prompt.
    let tokens: [Int]

    /// - Returns: by node, also of those that have no value in the step; nil where its shapes do not fit.
    func shapes(at step: Int) -> [[Int]?] {
        var shapes: [[Int]?] = []
        for id in nodes.indices { shapes.append(shape(id, step, shapes)) }
        return shapes
    }

    private func shape(_ id: Int, _ step: Int, _ before: [[Int]?]) -> [Int]? {
        let (node, planned) = (graph.nodes[id], nodes[id])
        guard planned.isStepwise else { return planned.shape }
        if let entry = planned.entry {
            let whole = entry.shape(tokens: tokens[node.prompt ?? 0], step: step)
            return try? ShapeRule.box(node.selection ?? [], of: whole, planned.place) { entry.axis($0) }
                .shape(of: whole)
        }
        let inputs = (node.inputs ?? []).compactMap { before[$0] }
        guard inputs.count == node.inputs?.count else { return nil }
        if node.operation == .unembed { return inputs[0].dropLast() + planned.shape.suffix(1) }
        return try? ShapeRule.shape(node, inputs, planned.place)
    }
}
