public import Layers
internal import TensorCore

/// The tokens that a model continues a prompt with, one at a time, as they are asked for.
///
///     for id in TokenStream(model, prompt: ids, options: options, limit: 32, endTokens: [2]) { ... }
///
/// It ends before a token that ends a text, or at the limit. It is a value: a copy goes on from the same place.
public struct TokenStream: Sequence, IteratorProtocol, Sendable {
    private let model: any LanguageModel
    private let pass: Pass
    private let endTokens: Set<Int>
    private var sampler: TokenSampler
    private var pending: [Int]
    private var state = DecodingState()
    private var left: Int
    /// All tokens so far, of the prompt too.
    public private(set) var history: [Int]
    /// The token that ended the text, when one did.
    public private(set) var endToken: Int?

    /// - Parameters:
    ///   - prompt: at least one token.
    ///   - limit: the most tokens to give; fewer where the model has no more positions.
    public init(
        _ model: any LanguageModel, prompt: [Int], options: SamplingOptions = SamplingOptions(), limit: Int,
        endTokens: [Int] = [], _ pass: Pass = Pass()
    ) {
        precondition(!prompt.isEmpty, "TokenStream: an empty prompt")
        self.model = model
        self.pass = pass
        self.endTokens = Set(endTokens)
        sampler = TokenSampler(options)
        pending = prompt
        history = prompt
        left = Swift.min(limit, (model.maximumTokens ?? .max) - prompt.count)
    }

    public mutating func next() -> Int? {
        guard left > 0, endToken == nil else { return nil }
        let (model, tokens, before, pass) = (model, TokenBatch([pending]), state, pass)
        // One hop to the compute thread for the whole call.
        let (logits, after) = ComputeThread.shared.run {
            let output = model(tokens, after: before, logits: .last, pass)
            return (output.logits.floats, output.state)
        }
        state = after ?? DecodingState()
        let id = sampler.next(logits, history: history)
        if endTokens.contains(id) {
            endToken = id
            return nil
        }
        left -= 1
        pending = [id]
        history.append(id)
        return id
    }
}
