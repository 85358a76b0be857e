internal import TensorCore

/// A prompt and the same prompt spoilt, and the answers that they should have.
public struct ContrastPair: Sendable, Hashable {
    public let clean: [Int]
    public let corruption: Corruption
    /// The token that the clean prompt is followed by, and the one of the corrupted prompt.
    public let answer: Int
    public let other: Int
    /// The metric of both prompts; see `metric`.
    public let cleanMetric: Double
    public let corruptedMetric: Double
    private let width: Int

    /// Two prompts of equal length that differ in what decides the answer.
    public init(
        _ model: TracedTextModel, clean: PromptInput, corrupted: PromptInput, answer: Int? = nil, other: Int? = nil
    ) throws {
        try self.init(
            model, clean: clean, .prompt(try model.tokens(corrupted, "corrupted")), answer: answer, other: other)
    }

    /// Runs the clean prompt and the spoilt one once. Answers that are not given are the model's likeliest next tokens;
    /// where the spoilt prompt has the clean one's, its second likeliest.
    public init(
        _ model: TracedTextModel, clean: PromptInput, _ corruption: Corruption, answer: Int? = nil, other: Int? = nil
    ) throws {
        let clean = try model.tokens(clean, "clean")
        try corruption.check(clean)
        let result = try model.trace { t in
            t.save("clean", t.prompt(clean)["logits", token: -1])
            t.save("corrupted", corruption.prompt(t, clean: clean, width: model.width)["logits", token: -1])
        }
        let (x, y) = (try result.value("clean").floats, try result.value("corrupted").floats)
        func likeliest(_ logits: [Float]) -> Int { logits.indices.max { logits[$0] < logits[$1] } ?? 0 }
        for id in [answer, other].compactMap({ $0 }) where !x.indices.contains(id) {
            throw TraceError(.input, "answer", expected: "a token below \(x.count)", found: "\(id)")
        }
        let right = answer ?? likeliest(x)
        var rest = y
        if case .prompt = corruption {} else { rest[right] = -.infinity }
        let wrong = other ?? likeliest(rest)
        guard right != wrong else {
            throw TraceError(
                .input, "answers", expected: "prompts with different answers", found: "\(model.label(right)) for both",
                advice: "name the answers, or choose prompts that the model tells apart")
        }
        (self.clean, self.corruption, self.answer, self.other) = (clean, corruption, right, wrong)
        width = model.width
        cleanMetric = Double(x[right] - x[wrong])
        corruptedMetric = Double(y[right] - y[wrong])
        guard cleanMetric != corruptedMetric else {
            throw TraceError(
                .input, "answers", expected: "a corruption that moves the preference for \(model.label(right))",
                found: "the same with and without it", advice: "corrupt what the answer depends on")
        }
    }

    /// The spoilt prompt, in a graph being written.
    public func corrupted(_ t: TraceBuilder) -> TracedPrompt { corruption.prompt(t, clean: clean, width: width) }

    /// How far the last token of a prompt prefers the clean answer: `logit(answer) - logit(other)`.
    func metric(_ prompt: TracedPrompt) -> TracedValue {
        let logits = prompt["logits", token: -1]
        return logits.at(answer, axis: 0) - logits.at(other, axis: 0)
    }

    /// 0 for the corrupted prompt, 1 for the clean one.
    func normalized(_ metric: Double) -> Double { (metric - corruptedMetric) / (cleanMetric - corruptedMetric) }
}

/// How much of the clean answer comes back when one activation of the clean run is put into the corrupted one.
///
///     score(layer, place) = (m(patched) - m(corrupted)) / (m(clean) - m(corrupted))
///
/// with `m` the difference of the logits of both answers.
public enum ActivationPatching {
    /// By layer and token, at a site `[tokens, ...]` such as `resid_post`, `attn.out` or `mlp.out`.
    ///
    /// - Parameter rows: how many patches run side by side.
    public static func tokens(
        _ model: TracedTextModel, _ pair: ContrastPair, site: String = "resid_post", layers: [Int]? = nil,
        rows: Int = 32
    ) throws -> ScoreGrid {
        let wanted = try model.checked(layers: layers)
        let cells = wanted.flatMap { layer in pair.clean.indices.map { (layer, $0) } }
        let scores = try scores(model, pair, cells.count, rows) { index, clean, corrupted in
            let (layer, token) = cells[index]
            corrupted["layers.\(layer).\(site)", token: token] = clean["layers.\(layer).\(site)", token: token]
        }
        return ScoreGrid(
            title: "Patching \(site): the share of the clean answer that comes back", rows: wanted.map { "\($0)" },
            columns: model.labels(pair.clean), values: grid(scores, columns: pair.clean.count), rowAxis: "layer")
    }

    /// By layer and head, what each head reads (`attn.z`) at all tokens.
    public static func heads(
        _ model: TracedTextModel, _ pair: ContrastPair, layers: [Int]? = nil, rows: Int = 32
    ) throws -> ScoreGrid {
        try model.requireAttention()
        let wanted = try model.checked(layers: layers)
        let graph = InterventionGraph.written { t in
            t.save("heads", t.prompt(pair.clean)["layers.\(wanted[0]).attn.z"])
        }
        let heads = try model.program(graph).shape("heads")?[1] ?? 0
        let scores = try scores(model, pair, wanted.count * heads, rows) { index, clean, corrupted in
            let (layer, head) = (wanted[index / heads], index % heads)
            corrupted["layers.\(layer).attn.z", head: head] = clean["layers.\(layer).attn.z", head: head]
        }
        return ScoreGrid(
            title: "Patching heads: the share of the clean answer that comes back", rows: wanted.map { "\($0)" },
            columns: (0..<heads).map { "\($0)" }, values: grid(scores, columns: heads), rowAxis: "layer",
            columnAxis: "head")
    }

    /// Scores of patches, each in a row of its own beside one clean row.
    private static func scores(
        _ model: TracedTextModel, _ pair: ContrastPair, _ count: Int, _ rows: Int,
        patch: (_ index: Int, _ clean: TracedPrompt, _ corrupted: TracedPrompt) -> Void
    ) throws -> [Double] {
        var scores: [Double] = []
        for start in stride(from: 0, to: count, by: max(rows, 1)) {
            let part = start..<min(start + max(rows, 1), count)
            let result = try model.trace { t in
                let clean = t.prompt(pair.clean)
                for index in part {
                    let corrupted = pair.corrupted(t)
                    patch(index, clean, corrupted)
                    t.save("\(index)", pair.metric(corrupted))
                }
            }
            scores += try part.map { pair.normalized(Double(try result.value("\($0)").item)) }
        }
        return scores
    }

    private static func grid(_ scores: [Double], columns: Int) -> [[Double]] {
        stride(from: 0, to: scores.count, by: max(columns, 1)).map {
            Array(scores[$0..<min($0 + columns, scores.count)])
        }
    }
}
