internal import Foundation

/// How the next token is chosen.
public struct SamplingOptions: Sendable, Equatable {
    /// Logits are divided by it; 0 always takes the likeliest token.
    public var temperature: Float = 0
    /// Only the likeliest tokens count; 0 for all.
    public var topK = 0
    /// Only the likeliest tokens count that together have this probability.
    public var topP: Float = 1
    /// Logits of tokens that occurred are divided by it, or multiplied where they are negative.
    public var repetitionPenalty: Float = 1
    public var seed: UInt64 = 42

    public init() {}
}

/// Draws tokens from logits, reproducibly.
///
/// The steps and their order are transformers': penalty, temperature, top-k, top-p.
public struct TokenSampler: Sendable {
    public let options: SamplingOptions
    private var state: UInt64

    public init(_ options: SamplingOptions) {
        self.options = options
        state = options.seed
    }

    /// - Parameters:
    ///   - logits: one for each token of the vocabulary.
    ///   - history: tokens that occurred, of the prompt too.
    public mutating func next(_ logits: [Float], history: some Sequence<Int>) -> Int {
        var logits = logits
        if options.repetitionPenalty != 1 {
            for id in Set(history) where logits.indices.contains(id) {
                logits[id] =
                    logits[id] < 0
                    ? logits[id] * options.repetitionPenalty : logits[id] / options.repetitionPenalty
            }
        }
        if options.temperature <= 0 { return Self.likeliest(logits) }
        let ranked = candidates(logits)
        var target = uniform()
        for (id, probability) in ranked {
            target -= Double(probability)
            if target < 0 { return id }
        }
        return ranked.last?.id ?? Self.likeliest(logits)
    }

    /// The first of the largest.
    private static func likeliest(_ logits: [Float]) -> Int {
        var best = 0
        for id in logits.indices where logits[id] > logits[best] { best = id }
        return best
    }

    /// The tokens that count, likeliest first, with probabilities that sum to 1.
    func candidates(_ logits: [Float]) -> [(id: Int, probability: Float)] {
        let scaled = logits.map { $0 / options.temperature }
        let largest = scaled.max() ?? 0
        var order = Array(scaled.indices)
        if options.topK > 0, options.topK < order.count {
            let bound = scaled.sorted(by: >)[options.topK - 1]
            order = order.filter { scaled[$0] >= bound }
        }
        order.sort { scaled[$0] == scaled[$1] ? $0 < $1 : scaled[$0] > scaled[$1] }
        let weights = order.map { exp(scaled[$0] - largest) }
        let total = weights.reduce(0, +)
        var kept: [(id: Int, probability: Float)] = []
        var sum: Float = 0
        for (id, weight) in zip(order, weights) {
            kept.append((id, weight / total))
            sum += weight / total
            if sum >= options.topP { break }
        }
        return kept.map { ($0.id, $0.probability / sum) }
    }

    /// SplitMix64, as a number in `[0, 1)`.
    private mutating func uniform() -> Double {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return Double((z ^ (z >> 31)) >> 11) * 0x1p-53
    }
}
