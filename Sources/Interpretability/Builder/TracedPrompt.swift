/// A prompt of a graph being written; its sites are read and written by subscript.
public struct TracedPrompt {
    let builder: TraceBuilder
    public let index: Int

    /// The value at a site, or a part of it; assigning puts another value there, which is broadcast to the part.
    ///
    ///     corrupted["layers.3.resid_post", token: -1] = clean["layers.3.resid_post", token: -1]
    ///     prompt["layers.5.attn.z", head: 2] *= 0
    ///
    /// - Parameters:
    ///   - token: one token, of queries in attention; negative numbers count from the end. The axis disappears.
    ///   - tokens: neighbouring tokens.
    ///   - steps: in which steps of a generation; the first, which reads the prompt, unless told otherwise.
    public subscript(
        site: String, token token: Int? = nil, tokens tokens: Range<Int>? = nil, head head: Int? = nil,
        key key: Int? = nil, keys keys: Range<Int>? = nil, channel channel: Int? = nil,
        steps steps: StepSelection = .first
    ) -> TracedValue {
        get {
            read(site, Self.selection(token, tokens, head, key, keys, channel), steps: steps)
        }
        nonmutating set {
            write(newValue, site, Self.selection(token, tokens, head, key, keys, channel), steps: steps)
        }
    }

    private static func selection(
        _ token: Int?, _ tokens: Range<Int>?, _ head: Int?, _ key: Int?, _ keys: Range<Int>?, _ channel: Int?
    ) -> [AxisSelection] {
        [
            token.map { AxisSelection.at($0, axis: "token") }, tokens.map { AxisSelection.places($0, axis: "token") },
            head.map { AxisSelection.at($0, axis: "head") }, key.map { AxisSelection.at($0, axis: "key") },
            keys.map { AxisSelection.places($0, axis: "key") }, channel.map { AxisSelection.at($0, axis: "channel") },
        ].compactMap { $0 }
    }

    public func read(_ site: String, _ selection: [AxisSelection] = [], steps: StepSelection = .first) -> TracedValue {
        builder.add(node(.get, site, selection, steps))
    }

    public func write(
        _ value: TracedValue, _ site: String, _ selection: [AxisSelection] = [], steps: StepSelection = .first
    ) {
        var node = node(.set, site, selection, steps)
        node.inputs = [value.id]
        builder.add(node)
    }

    /// The gradient that arrives at a site on the way back; for `setGradient`.
    public func arrivingGradient(_ site: String, token: Int? = nil, head: Int? = nil) -> TracedValue {
        builder.add(node(.arrivingGradient, site, Self.selection(token, nil, head, nil, nil, nil), .first))
    }

    /// Puts a value in the place of the gradient that arrives at a site, or at a part of it, for the gradients that are
    /// asked for after this. What lies before the site gets the new one, and so does a gradient at the site itself.
    ///
    ///     prompt.setGradient("layers.3.attn.z", head: 1, to: prompt.arrivingGradient("layers.3.attn.z", head: 1) * 0.5)
    public func setGradient(
        _ site: String, token: Int? = nil, tokens: Range<Int>? = nil, head: Int? = nil, channel: Int? = nil,
        to value: TracedValue
    ) {
        var node = node(.setGradient, site, Self.selection(token, tokens, head, nil, nil, channel), .first)
        node.inputs = [value.id]
        builder.add(node)
    }

    /// Lets nothing back through a site, or through a part of it.
    public func stopGradient(_ site: String, token: Int? = nil, head: Int? = nil) {
        setGradient(site, token: token, head: head, to: builder.constant(0))
    }

    /// Multiplies the gradient that goes back through a site, or through a part of it.
    public func scaleGradient(_ site: String, token: Int? = nil, head: Int? = nil, by factor: Double) {
        setGradient(
            site, token: token, head: head, to: arrivingGradient(site, token: token, head: head) * factor)
    }

    private func node(
        _ operation: Operation, _ site: String, _ selection: [AxisSelection], _ steps: StepSelection
    ) -> Node {
        var node = Node(operation)
        (node.site, node.prompt) = (site, index)
        node.selection = selection.isEmpty ? nil : selection
        node.steps = steps == .first ? nil : steps
        return node
    }

    /// What takes the place of an ablated value.
    public enum Ablation {
        case zero
        /// The mean over other prompts, which must have as many tokens unless one is selected.
        case mean(of: [TracedPrompt])
        /// The value of another prompt.
        case resample(from: TracedPrompt)
    }

    /// Takes away what a site says about this prompt.
    public func ablate(_ site: String, token: Int? = nil, head: Int? = nil, _ ablation: Ablation = .zero) {
        let value: TracedValue
        switch ablation {
        case .zero: value = builder.constant(0)
        case .mean(let prompts):
            let values = prompts.map { $0[site, token: token, head: head] }
            value = builder.stacked(values).mean([0])
        case .resample(let other): value = other[site, token: token, head: head]
        }
        self[site, token: token, head: head] = value
    }

    /// Passes a layer by: the stream after it is the stream before it.
    public func skip(layer: Int) { self["layers.\(layer).resid_post"] = self["layers.\(layer).resid_pre"] }

    /// Cuts edges of attention: a query no longer sees a key, as if the mask said so.
    ///
    ///     scores[head, query, key] = -infinity
    ///
    /// - Parameter head: one head, or all.
    public func knockOut(layer: Int, from query: Int, to keys: Range<Int>, head: Int? = nil) {
        self["layers.\(layer).attn.scores", token: query, head: head, keys: keys] = builder.constant(-.infinity)
    }
}
