import Foundation
import TensorCore
import TestSupport
import Testing

@testable import TextModels

@Suite struct TokenSamplerTests {
    private func options(_ change: (inout SamplingOptions) -> Void) -> SamplingOptions {
        var options = SamplingOptions()
        options.temperature = 1
        change(&options)
        return options
    }

    @Test func greedy() {
        var sampler = TokenSampler(SamplingOptions())
        #expect(sampler.next([1, 3, 3, 2], history: []) == 1)
        var penalised = TokenSampler(options { ($0.temperature, $0.repetitionPenalty) = (0, 2) })
        #expect(penalised.next([1, 3, 2.5, 2], history: [1]) == 2)
        #expect(penalised.next([-1, -3, -2.5], history: [0, 0]) == 0)
    }

    /// transformers' order: temperature, then the k likeliest, then those that reach p.
    @Test func candidates() {
        let logits = [0, 1, 2, 3].map { Float($0) }
        let all = TokenSampler(options { _ in }).candidates(logits)
        #expect(all.map(\.id) == [3, 2, 1, 0])
        #expect(abs(all.map(\.probability).reduce(0, +) - 1) < 1e-6)
        #expect(abs(all[0].probability - 0.6439) < 1e-4)
        #expect(TokenSampler(options { $0.topK = 2 }).candidates(logits).map(\.id) == [3, 2])
        #expect(TokenSampler(options { $0.topP = 0.6 }).candidates(logits).map(\.id) == [3])
        #expect(TokenSampler(options { $0.topP = 0.65 }).candidates(logits).map(\.id) == [3, 2])
        #expect(TokenSampler(options { ($0.topK, $0.topP) = (3, 0.99) }).candidates(logits).count == 3)
        let cold = TokenSampler(options { $0.temperature = 0.1 }).candidates(logits)
        #expect(cold[0].probability > 0.999)
    }

    @Test func drawsFollowProbabilitiesAndSeeds() {
        let logits: [Float] = [0, log(2), log(5)]
        var sampler = TokenSampler(options { $0.seed = 3 })
        var counts = [0, 0, 0]
        let draws = (0..<8000).map { _ in sampler.next(logits, history: []) }
        for draw in draws { counts[draw] += 1 }
        #expect(abs(counts[0] - 1000) < 120 && abs(counts[1] - 2000) < 160 && abs(counts[2] - 5000) < 180)
        var again = TokenSampler(options { $0.seed = 3 })
        #expect(draws.prefix(100) == ArraySlice((0..<100).map { _ in again.next(logits, history: []) }))
    }

    /// A stream ends at its limit, at an end token, and where positions end; a copy goes on by itself.
    @Test func streams() throws {
        let model = try LanguageModelGoldenTests.load("llama", isFrozen: true).model
        let prompt = [5, 9, 20]
        let whole = Array(TokenStream(model, prompt: prompt, limit: 12))
        #expect(whole.count == 12)
        var stream = TokenStream(model, prompt: prompt, limit: 12)
        let first = (0..<4).compactMap { _ in stream.next() }
        var copy = stream
        #expect(first + Array(stream) == whole)
        #expect(copy.next() == whole[4])
        let end = whole[6]
        let stopped = Array(TokenStream(model, prompt: prompt, limit: 12, endTokens: [end]))
        #expect(stopped == Array(whole.prefix { $0 != end }))
        #expect(Array(TokenStream(model, prompt: prompt, limit: 1000)).count == 61)
    }

    @Test func perplexity() throws {
        let model = try LanguageModelGoldenTests.load("llama", isFrozen: true).model
        let ids = (0..<30).map { ($0 * 17 + 3) % 97 }
        let logits = logSoftmax(model(TokenBatch([ids])).logits)
        let expected = (0..<29).reduce(0.0) { $0 - Double(logits.selected(1, $1).floats[ids[$1 + 1]]) } / 29
        let result = try #require(Perplexity(of: ids, by: model, window: 64))
        #expect(abs(result.meanLogLoss - expected) < 1e-4 && result.tokens == 29)
        #expect(Perplexity(of: ids, by: model, window: 10)?.tokens == 27)
        #expect(Perplexity(of: ids, by: model, window: 11, beginToken: 1)?.tokens == 30)
        #expect(Perplexity(of: [4], by: model, window: 8) == nil)
    }
}
