import Foundation
import Interpretability
import TensorCore
import TestSupport
import Testing
import TextModels

/// Instruments on a real model; skipped where `make models` has not fetched it.
@Suite(.serialized, .enabled(if: SmolLM2File.isThere, "SmolLM2 is missing: run make models"))
struct SmolLM2TraceTests {
    static let prompt = "The capital of France is the city of"

    @Test func aKnownFact() throws {
        let text = try TextModel(path: SmolLM2File.path)
        let model = try TracedTextModel(text)
        #expect(model.layers == 30 && model.width == 576)
        let subject = try model.tokens(of: "France", in: Self.prompt)
        #expect(subject == 3..<4)
        let lens = try LogitLens(model, PromptInput(text: Self.prompt), layers: [0, 29], top: 1)
        #expect(lens.candidates[1].last?.first?.text == "·Paris")

        // Early sites at the subject, late sites at the last token.
        var options = CausalTrace.Options()
        (options.layers, options.tokens) = ([2, 6, 27, 29], [3, lens.tokens.count - 1])
        let deviation = 3 * (try model.embeddingDeviation(of: text.tokens(of: Self.prompt)))
        let trace = try CausalTrace(
            model, PromptInput(text: Self.prompt), subject: subject,
            corruption: .noise(deviation: deviation, draws: 2, seed: 1), options)
        #expect(trace.cleanProbability > trace.corruptedProbability + 0.1)
        let (early, late) = (trace.effects[0], trace.effects[3])
        #expect(early[0] > early[1] && late[1] > late[0])
    }
}

/// Where the file is looked for.
enum SmolLM2File {
    static let path: String = {
        let environment = ProcessInfo.processInfo.environment
        let home = FileManager.default.homeDirectoryForCurrentUser.appending(path: ".cache/atelier").path
        return (environment["ATELIER_CACHE"] ?? home) + "/SmolLM2-135M-Instruct.Q4_1.gguf"
    }()

    static var isThere: Bool { FileManager.default.fileExists(atPath: path) }
}
