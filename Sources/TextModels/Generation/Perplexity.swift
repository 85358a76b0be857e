internal import Foundation
internal import Layers
internal import TensorCore

/// How well a model foretells a text.
public struct Perplexity: Sendable, Equatable {
    /// The mean of `-log p(token | tokens before)`, in nats.
    public let meanLogLoss: Double
    /// Tokens that were foretold: all but the first of each window.
    public let tokens: Int

    public var perplexity: Double { exp(meanLogLoss) }

    /// Windows follow each other without overlap; each begins with `beginToken` where there is one.
    ///
    /// - Returns: nil for fewer than two tokens, or where `progress` says to stop.
    public init?(
        of ids: [Int], by model: any LanguageModel, window: Int, beginToken: Int? = nil,
        progress: (_ done: Int) -> Bool = { _ in true }
    ) {
        let own = max(min(window, model.maximumTokens ?? .max) - (beginToken == nil ? 0 : 1), 1)
        var (sum, count) = (0.0, 0)
        for start in stride(from: 0, to: ids.count, by: own) {
            let tokens = (beginToken.map { [$0] } ?? []) + ids[start..<min(start + own, ids.count)]
            guard tokens.count > 1 else { break }
            sum += ComputeThread.shared.run {
                let logits = model(TokenBatch([Array(tokens.dropLast())])).logits
                let targets = Tensor(tokens.dropFirst().map { Int64($0) }, shape: [1, tokens.count - 1, 1])
                return Double(-TensorCore.sum(gather(logSoftmax(logits), indices: targets, axis: 2)).item)
            }
            count += tokens.count - 1
            guard progress(min(start + own, ids.count)) else { return nil }
        }
        guard count > 0 else { return nil }
        meanLogLoss = sum / Double(count)
        tokens = count
    }
}
