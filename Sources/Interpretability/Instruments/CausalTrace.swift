public import Imaging
internal import TensorCore

/// Where a fact is, by restoring what the model knew of it: the causal tracing of ROME.
///
/// The subject is corrupted, and then one activation of the clean run is put back:
///
///     p = P(answer | clean)     p* = P(answer | corrupted)     IE(site) = P(answer | corrupted, site clean) - p*
public struct CausalTrace: TraceReport {
    /// How the subject is spoilt.
    public enum Corruption: Sendable, Hashable {
        /// Normal noise of a deviation on the embeddings of the subject, averaged over draws.
        case noise(deviation: Double, draws: Int, seed: UInt64)
        /// Another subject of as many tokens.
        case swap(tokens: [Int])
        /// Any other way.
        case other(Interpretability.Corruption)
    }

    /// What is put back.
    public enum Kind: String, Sendable, Hashable, CaseIterable, Codable {
        /// The residual stream after one layer.
        case residual
        /// What feed-forward parts or attention of a window of layers add to the stream.
        case mlp, attention
        /// Of a Mamba: what the mixers of a window of layers add to the stream, or inside them the convolution, the gate
        /// and what the recurrence gives (with its direct path).
        case mixer, conv, gate
        case scan = "ssm"

        var site: String {
            switch self {
            case .residual: "resid_post"
            case .mlp: "mlp.out"
            case .attention: "attn.out"
            case .mixer: "mixer.out"
            case .conv: "mixer.conv"
            case .gate: "mixer.gate"
            case .scan: "mixer.s"
            }
        }

        /// The kinds that a model has.
        public static func known(to model: TracedTextModel) -> [Kind] {
            allCases.filter { model.aliases.layer[$0.site] != nil }
        }
    }

    public struct Options: Sendable, Hashable {
        public var kind = Kind.residual
        /// Layers of a window, for `mlp` and `attention`.
        public var window = 10
        /// All when nil.
        public var layers: [Int]?
        /// All when nil.
        public var tokens: [Int]?
        /// What is held at its corrupted value in the later layers of the restored token (a part of a layer), so that the
        /// difference to the plain trace is what goes through it.
        public var severed: Kind?
        /// How many runs go side by side.
        public var rows = 32

        public init() {}
    }

    public let tokens: [String]
    public let subject: Range<Int>
    public let answer: String
    public let kind: Kind
    public let cleanProbability: Double
    public let corruptedProbability: Double
    public let layers: [Int]
    public let places: [Int]
    /// Probabilities of the answer after restoration, by layer and place.
    public let restored: [[Double]]

    /// - Parameters:
    ///   - subject: the tokens that name what the prompt is about.
    ///   - answer: the model's likeliest next token when nil.
    public init(
        _ model: TracedTextModel, _ prompt: PromptInput, subject: Range<Int>, corruption: Corruption,
        answer: Int? = nil, _ options: Options = Options()
    ) throws {
        for kind in [options.kind] + [options.severed].compactMap({ $0 }) where !Kind.known(to: model).contains(kind) {
            let known = Kind.known(to: model).map(\.rawValue).joined(separator: ", ")
            throw TraceError(.unsupported, "kind", expected: "one of \(known)", found: kind.rawValue)
        }
        let ids = try model.tokens(prompt)
        let run = try CausalRun(model, ids, subject: subject, corruption: corruption, answer: answer)
        let wanted = try model.checked(layers: options.layers)
        let places = options.tokens ?? Array(ids.indices)
        if let wrong = places.first(where: { !ids.indices.contains($0) }) {
            throw TraceError(.input, "tokens", expected: "tokens below \(ids.count)", found: "\(wrong)")
        }
        let cells = wanted.flatMap { layer in places.map { CausalRun.Cell(layer: layer, token: $0) } }
        let probabilities = try run.restored(cells, options, layers: model.layers)
        (tokens, self.subject, kind) = (model.labels(ids), subject, options.kind)
        (layers, self.places) = (wanted, places)
        self.answer = model.label(run.answer)
        (cleanProbability, corruptedProbability) = (run.cleanProbability, run.corruptedProbability)
        let columns = places.count
        restored = wanted.indices.map { Array(probabilities[$0 * columns..<($0 + 1) * columns]) }
    }

    /// `IE`, by layer and place.
    public var effects: [[Double]] { restored.map { $0.map { $0 - corruptedProbability } } }

    /// The effects as a grid of places and layers.
    public var grid: ScoreGrid {
        ScoreGrid(
            title: "Restoring \(kind.rawValue): P(\(answer)) over \(TextTable.number(corruptedProbability))"
                + " (clean \(TextTable.number(cleanProbability)))",
            rows: places.map { (subject.contains($0) ? "*" : "") + tokens[$0] }, columns: layers.map { "\($0)" },
            values: places.indices.map { place in effects.map { $0[place] } }, columnAxis: "layer")
    }

    public var table: String { grid.table }
    public func picture() -> Image { grid.picture() }
}

/// The clean run and the corrupted ones of one fact.
struct CausalRun {
    struct Cell {
        var layer: Int
        var token: Int
    }

    let model: TracedTextModel
    let clean: [Int]
    let subject: Range<Int>
    let corruption: CausalTrace.Corruption
    let answer: Int
    let cleanProbability: Double
    let corruptedProbability: Double

    init(
        _ model: TracedTextModel, _ clean: [Int], subject: Range<Int>, corruption: CausalTrace.Corruption, answer: Int?
    ) throws {
        guard !subject.isEmpty, subject.lowerBound >= 0, subject.upperBound <= clean.count else {
            throw TraceError(.input, "subject", expected: "tokens within 0..<\(clean.count)", found: "\(subject)")
        }
        if case .swap(let tokens) = corruption, tokens.count != subject.count {
            throw TraceError(
                .input, "subject", expected: "another subject of \(subject.count) tokens", found: "\(tokens.count)",
                advice: "or corrupt by noise")
        }
        if case .other(let other) = corruption { try other.check(clean) }
        let draws = Self.draws(corruption)
        let result = try model.trace { t in
            t.save("clean", t.prompt(clean)["logits", token: -1].softmax())
            for draw in 0..<draws {
                let prompt = Self.corrupted(t, clean, subject, corruption, draw, width: model.width)
                t.save("\(draw)", prompt["logits", token: -1].softmax())
            }
        }
        let probabilities = try result.value("clean").floats
        let chosen = answer ?? probabilities.indices.max { probabilities[$0] < probabilities[$1] } ?? 0
        guard probabilities.indices.contains(chosen) else {
            throw TraceError(.input, "answer", expected: "a token below \(probabilities.count)", found: "\(chosen)")
        }
        let spoilt = try (0..<draws).map { Double(try result.value("\($0)").floats[chosen]) }
        (self.model, self.clean, self.subject, self.corruption, self.answer) = (
            model, clean, subject, corruption, chosen
        )
        cleanProbability = Double(probabilities[chosen])
        corruptedProbability = spoilt.reduce(0, +) / Double(draws)
    }

    private static func draws(_ corruption: CausalTrace.Corruption) -> Int {
        if case .noise(_, let draws, _) = corruption { return max(draws, 1) }
        return 1
    }

    /// A prompt whose subject is spoilt.
    private static func corrupted(
        _ t: TraceBuilder, _ clean: [Int], _ subject: Range<Int>, _ corruption: CausalTrace.Corruption, _ draw: Int,
        width: Int
    ) -> TracedPrompt {
        switch corruption {
        case .other(let other): return other.prompt(t, clean: clean, width: width)
        case .swap(let tokens):
            return t.prompt(Array(clean[..<subject.lowerBound]) + tokens + Array(clean[subject.upperBound...]))
        case .noise(let deviation, _, let seed):
            let prompt = t.prompt(clean)
            let noise = t.normal([subject.count, width], seed: seed &+ UInt64(draw), deviation: deviation)
            prompt["embed", tokens: subject] = prompt["embed", tokens: subject] + noise
            return prompt
        }
    }

    /// The probability of the answer after each restoration, averaged over draws.
    ///
    /// - Parameter layers: how many the model has.
    func restored(_ cells: [Cell], _ options: CausalTrace.Options, layers: Int) throws -> [Double] {
        let draws = Self.draws(corruption)
        let size = max(options.rows / draws, 1)
        var result: [Double] = []
        for start in stride(from: 0, to: cells.count, by: size) {
            let part = cells[start..<min(start + size, cells.count)]
            let traced = try model.trace { t in
                let source = t.prompt(clean)
                let spoilt =
                    options.severed == nil
                    ? [] : (0..<draws).map { Self.corrupted(t, clean, subject, corruption, $0, width: model.width) }
                for (index, cell) in part.enumerated() {
                    for draw in 0..<draws {
                        let prompt = Self.corrupted(t, clean, subject, corruption, draw, width: model.width)
                        for layer in window(cell.layer, options, layers) {
                            let site = "layers.\(layer).\(options.kind.site)"
                            prompt[site, token: cell.token] = source[site, token: cell.token]
                        }
                        if let severed = options.severed {
                            for layer in min(cell.layer + 1, layers)..<layers {
                                let site = "layers.\(layer).\(severed.site)"
                                prompt[site, token: cell.token] = spoilt[draw][site, token: cell.token]
                            }
                        }
                        t.save("\(index).\(draw)", prompt["logits", token: -1].softmax().at(answer, axis: 0))
                    }
                }
            }
            for index in part.indices.map({ $0 - start }) {
                let values = try (0..<draws).map { Double(try traced.value("\(index).\($0)").item) }
                result.append(values.reduce(0, +) / Double(draws))
            }
        }
        return result
    }

    /// As many layers as the options say around one, ROME's `l - ⌊w/2⌋ ..< l + ⌈w/2⌉` within the model; for the residual
    /// stream one layer.
    private func window(_ layer: Int, _ options: CausalTrace.Options, _ layers: Int) -> Range<Int> {
        guard options.kind != .residual else { return layer..<layer + 1 }
        let before = options.window / 2
        return max(0, layer - before)..<min(layers, layer + max(options.window - before, 1))
    }
}
