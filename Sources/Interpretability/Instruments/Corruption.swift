internal import TensorCore

/// How a prompt is spoilt, so that what brings its answer back can be looked for.
public enum Corruption: Sendable, Hashable {
    /// Another prompt of as many tokens.
    case prompt([Int])
    /// Normal noise on the embeddings of some tokens.
    case noise(Range<Int>, deviation: Double, seed: UInt64)
    /// The embeddings of some tokens are zero.
    case zero(Range<Int>)
    /// The embeddings of some tokens are the mean over all tokens of some texts; over the prompt's own without any.
    case mean(Range<Int>, over: [[Int]])
    /// What a graph does to its first prompt.
    case graph(InterventionGraph)

    /// A prompt of `t` that is spoilt.
    ///
    /// - Parameter width: of the model's residual stream.
    func prompt(_ t: TraceBuilder, clean: [Int], width: Int) -> TracedPrompt {
        if case .prompt(let tokens) = self { return t.prompt(tokens) }
        let prompt = t.prompt(clean)
        switch self {
        case .prompt: break
        case .noise(let tokens, let deviation, let seed):
            let noise = t.normal([tokens.count, width], seed: seed, deviation: deviation)
            prompt["embed", tokens: tokens] = prompt["embed", tokens: tokens] + noise
        case .zero(let tokens): prompt["embed", tokens: tokens] = t.constant(0)
        case .mean(let tokens, let texts):
            let others = texts.isEmpty ? [clean] : texts
            let rows = others.map { t.prompt($0)["embed"] }
            prompt["embed", tokens: tokens] = (rows.count == 1 ? rows[0] : t.concatenated(rows, axis: 0)).mean([0])
        case .graph(let graph): prompt.apply(graph)
        }
        return prompt
    }

    /// The tokens that the spoilt prompt has.
    func tokens(_ clean: [Int]) -> [Int] {
        if case .prompt(let tokens) = self { return tokens }
        return clean
    }

    /// - Throws: `TraceError` where the corruption does not fit a prompt.
    func check(_ clean: [Int]) throws {
        switch self {
        case .prompt(let tokens):
            guard tokens.count != clean.count else { return }
            throw TraceError(
                .input, "corrupted", expected: "\(clean.count) tokens, as the clean prompt has",
                found: "\(tokens.count)", advice: "choose another subject of as many tokens")
        case .noise(let tokens, _, _), .zero(let tokens), .mean(let tokens, _):
            guard tokens.isEmpty || tokens.lowerBound < 0 || tokens.upperBound > clean.count else { return }
            throw TraceError(.input, "corrupted", expected: "tokens within 0..<\(clean.count)", found: "\(tokens)")
        case .graph(let graph):
            guard graph.steps != 1 || graph.prompts.isEmpty else { return try graph.checkNumbers("corruption, ") }
            throw TraceError(
                .input, "corrupted",
                expected: "a graph of one step, whose first prompt stands for the one that is spoilt",
                found: "\(graph.steps) steps, \(graph.prompts.count) prompts")
        }
    }
}

extension TracedPrompt {
    /// Does to this prompt what a graph does to its first one. Further prompts of the graph run beside it; what it saves is
    /// not kept.
    public func apply(_ edit: InterventionGraph) {
        let helpers = edit.prompts.dropFirst().map { builder.prompt($0).index }
        let start = builder.graph.nodes.count
        for node in edit.nodes {
            var moved = node.moved(by: start)
            moved.prompt = node.prompt.map { number in
                number == 0 ? index : edit.prompts.indices.contains(number) ? helpers[number - 1] : -1
            }
            builder.add(moved)
        }
    }
}
