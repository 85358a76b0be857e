public import Layers
import TensorCore
public import TextModels
public import Tokenizers
import Weights

/// From prompts to what the UNet reads: one text encoder, or two side by side (SDXL).
///
/// Emphasis scales the states of a token and then brings the chunk back to its old mean, as A1111 does; long prompts are
/// encoded in chunks that follow each other along the tokens.
public struct TextConditioner: Sendable {
    /// A tokenizer with its encoder.
    public struct Encoder: Sendable {
        public let tokenizer: CLIPTokenizer
        public let model: CLIPTextModel
        let words: AddedWords
    }

    public let encoders: [Encoder]
    /// Which layer is read unless the user says otherwise, counted from the last, which is 1.
    public let defaultClipSkip: Int
    /// Whether the states go through the encoder's final norm (Stable Diffusion 1 and 2, not SDXL).
    public let appliesFinalNorm: Bool
    /// Texts that were read before; nil reads each anew.
    var memory: TextMemory?

    /// Reads the text encoders that a model has.
    ///
    /// - Parameters:
    ///   - inversions: words to add to the vocabularies.
    ///   - unused: gets the keys that no layer asked for.
    init(
        _ store: any ModelStore, inversions: [TextualInversion], sites: SiteIndex, precision: Precision,
        unused: inout [String]
    ) throws {
        var encoders: [Encoder] = []
        let isOnly = !(store.holds("text_encoder") && store.holds("text_encoder_2"))
        for (part, tokenizer) in [("text_encoder", "tokenizer"), ("text_encoder_2", "tokenizer_2")]
        where store.holds(part) {
            let configuration = try store.configuration(CLIPTextConfiguration.self, of: part)
            let source = try store.weights(of: part, precision: precision)
            let (model, report) = try ScopedWeights.load(
                source, root: part, sites: sites, ignoring: ["*.position_ids"]
            ) { try CLIPTextModel(configuration, weights: $0) }
            unused += report.unused.map { "\(part).\($0)" }
            let reader = try store.tokenizer(tokenizer)
            let words = try AddedWords(
                inversions, for: configuration, key: part == "text_encoder" ? "clip_l" : "clip_g", isOnly: isOnly,
                capacity: reader.modelMaxLength - 2)
            let encoder = Encoder(tokenizer: reader, model: model, words: words)
            try encoder.check(store.path, tokenizer)
            encoders.append(encoder)
        }
        guard !encoders.isEmpty else {
            throw GenerationError(store.path, expected: "a part `text_encoder`", found: "none")
        }
        self.encoders = encoders
        let isXL = store.holds("text_encoder_2")
        defaultClipSkip = isXL ? 2 : 1
        appliesFinalNorm = !isXL
    }

    /// The width of the context.
    public var width: Int { encoders.map(\.model.configuration.hiddenSize).reduce(0, +) }

    /// The width of the pooled text, or nil where the last encoder has no projection.
    public var pooledWidth: Int? {
        encoders.last.flatMap { $0.model.configuration.hasProjection ? $0.model.configuration.projectionSize : nil }
    }

    /// The number of layers that every encoder has, the most that can be skipped.
    public var layers: Int { encoders.map(\.model.configuration.layers).min() ?? 0 }

    /// Encodes one prompt.
    ///
    /// - Parameter clipSkip: the layer that is read, counted from the last, which is 1; nil takes the model's own.
    public func callAsFunction(_ prompt: String, clipSkip: Int? = nil, _ pass: Pass = Pass()) -> TextConditioning {
        let skip = min(clipSkip ?? defaultClipSkip, layers)
        // A plan wants to see the pass.
        guard let memory, pass.plan == nil else { return read(prompt, skip, pass) }
        return memory.conditioning(prompt, clipSkip: skip, pass) { read(prompt, skip, pass) }
    }

    private func read(_ prompt: String, _ skip: Int, _ pass: Pass) -> TextConditioning {
        let text = WeightedText(prompt)
        var pooled: Tensor?
        var contexts: [Tensor] = []
        for encoder in encoders {
            var states: [Tensor] = []
            for (index, chunk) in encoder.tokenizer.chunks(of: text, words: encoder.words).enumerated() {
                let tokens = Tensor(chunk.tokens.map(Int64.init), shape: [1, chunk.tokens.count])
                let output = encoder.model(tokens, added: encoder.words.vectors, pass)
                states.append(emphasized(read(output, encoder.model, skip, pass), chunk.weights))
                if index == 0 { pooled = output.projected }
            }
            contexts.append(concatenated(states, axis: 1))
        }
        // Encoders with other vocabularies could cut a prompt into other chunks; the shorter one is padded with zeros.
        let tokens = contexts.map { $0.size(1) }.max() ?? 0
        contexts = contexts.map { context in
            context.size(1) == tokens
                ? context : padded(context, before: [0, 0, 0], after: [0, tokens - context.size(1), 0])
        }
        return TextConditioning(context: concatenated(contexts, axis: 2), pooled: pooled)
    }

    /// The places in the context of every occurrence of some words in a prompt, in rising order; empty where the prompt
    /// has not all of them, one after the other.
    public func places(of words: String, in prompt: String) -> [Int] {
        let encoder = encoders[0]
        let wanted = encoder.words.units(of: words, encoder.tokenizer).flatMap { $0 }
        guard !wanted.isEmpty else { return [] }
        let chunks = encoder.tokenizer.chunks(of: WeightedText(prompt), words: encoder.words)
        let tokens = chunks.flatMap(\.tokens)
        let starts = tokens.indices.filter { tokens[$0...].starts(with: wanted) }
        return Set(starts.flatMap { $0..<$0 + wanted.count }).sorted()
    }

    /// The tokens of a prompt as the first encoder reads them, one a place of the context.
    func tokens(of prompt: String) -> [Int] {
        let encoder = encoders[0]
        let chunks = encoder.tokenizer.chunks(of: WeightedText(prompt), words: encoder.words)
        return chunks.flatMap { $0.tokens.map { Int($0) } }
    }

    private func read(_ output: CLIPTextOutput, _ model: CLIPTextModel, _ skip: Int, _ pass: Pass) -> Tensor {
        if skip == 1 && appliesFinalNorm { return output.lastHiddenState }
        let state = output.hiddenStates[output.hiddenStates.count - skip]
        return appliesFinalNorm ? model.normalized(state, pass) : state
    }

    /// Scales each token's state, then the whole chunk so that its mean is what it was.
    private func emphasized(_ states: Tensor, _ weights: [Double]) -> Tensor {
        guard weights.contains(where: { $0 != 1 }) else { return states }
        let before = mean(states).item
        let scaled = states * Tensor(weights.map(Float.init), shape: [1, weights.count, 1])
        let after = mean(scaled).item
        return after == 0 ? scaled : scaled * Double(before / after)
    }
}

extension TextConditioner.Encoder {
    /// Checks that tokenizer and encoder belong together.
    fileprivate func check(_ path: String, _ part: String) throws {
        let configuration = model.configuration
        guard tokenizer.vocabularySize <= configuration.vocabularySize else {
            throw GenerationError(
                "\(path)/\(part)", expected: "at most \(configuration.vocabularySize) tokens",
                found: "\(tokenizer.vocabularySize)")
        }
        guard tokenizer.modelMaxLength <= configuration.maximumTokens else {
            throw GenerationError(
                "\(path)/\(part)", expected: "at most \(configuration.maximumTokens) tokens a prompt",
                found: "\(tokenizer.modelMaxLength)")
        }
    }
}
