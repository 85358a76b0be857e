public import TensorCore

/// Writes a graph: what looks like computing records a node.
///
/// Values are symbolic and immutable; only what is saved comes out.
public final class TraceBuilder {
    public private(set) var graph = InterventionGraph()

    public init() {}

    /// How many steps are taken; see `InterventionGraph.steps`.
    public var steps: Int {
        get { graph.steps }
        set { graph.steps = newValue }
    }

    public func prompt(_ text: String) -> TracedPrompt { prompt(PromptInput(text: text)) }
    public func prompt(_ tokens: [Int]) -> TracedPrompt { prompt(PromptInput(tokens: tokens)) }
    public func prompt(_ input: PromptInput) -> TracedPrompt {
        graph.prompts.append(input)
        return TracedPrompt(builder: self, index: graph.prompts.count - 1)
    }

    /// Keeps a value under a name.
    public func save(_ name: String, _ value: TracedValue) { graph.saves[name] = value.id }

    /// Numbers that the graph carries with it.
    public func constant(_ tensor: Tensor) -> TracedValue {
        var node = Node(.constant)
        node.values = TensorLiteral(tensor)
        return add(node)
    }

    public func constant(_ value: Float) -> TracedValue { constant(Tensor(scalar: value)) }

    /// Numbers from the normal distribution with mean 0.
    public func normal(_ shape: [Int], seed: UInt64, deviation: Double = 1) -> TracedValue {
        var node = Node(.normal)
        (node.shape, node.seed, node.number) = (shape, seed, deviation)
        return add(node)
    }

    /// What an earlier graph of the session saved.
    ///
    /// - Parameter step: which of the steps, for what was kept in several.
    public func saved(_ name: String, graph: Int, step: Int? = nil) -> TracedValue {
        var node = Node(.saved)
        (node.name, node.graph, node.steps) = (name, graph, step.map { .only($0) })
        return add(node)
    }

    /// The gradient of a single number at a value that was read from a site.
    ///
    ///     t.gradient(of: loss, at: prompt["layers.3.resid_post"])
    public func gradient(of loss: TracedValue, at site: TracedValue) -> TracedValue {
        add(Node(.gradient, inputs: [loss.id, site.id]))
    }

    public func stacked(_ values: [TracedValue]) -> TracedValue { add(Node(.stack, inputs: values.map(\.id))) }

    public func concatenated(_ values: [TracedValue], axis: Int) -> TracedValue {
        var node = Node(.concatenate, inputs: values.map(\.id))
        node.axes = [axis]
        return add(node)
    }

    @discardableResult
    func add(_ node: Node) -> TracedValue {
        graph.nodes.append(node)
        return TracedValue(builder: self, id: graph.nodes.count - 1)
    }
}

extension InterventionGraph {
    /// The graph that `build` writes.
    public static func written(_ build: (TraceBuilder) throws -> Void) rethrows -> InterventionGraph {
        let builder = TraceBuilder()
        try build(builder)
        return builder.graph
    }
}
