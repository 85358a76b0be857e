import Foundation
import Layers
import TensorCore
import TestSupport
import TextModels
import Testing
import Tokenizers
import Weights

/// A real model beside transformers loading the same file; skipped where `make models` has not fetched it.
@Suite(.serialized, .enabled(if: SmolLM2.isThere, "SmolLM2 is missing: run make models"))
struct SmolLM2Tests {
    struct Golden: Decodable {
        struct Prompt: Decodable {
            var prompt: String
            var ids: [Int]
            var continuation: [Int]
        }
        var prompts: [Prompt]
        var chat: String
    }

    @Test func twentyPrompts() throws {
        let golden = try JSONDecoder().decode(Golden.self, from: Fixtures.data("smollm2.json"))
        #expect(golden.prompts.count == 20)
        let text = try TextModel(path: SmolLM2.path)
        #expect(text.report.unused == [])
        for row in golden.prompts {
            #expect(text.tokens(of: row.prompt) == row.ids, "\(row.prompt)")
            let tokens = Array(TokenStream(text.model, prompt: row.ids, limit: 32))
            #expect(tokens == row.continuation, "\(row.prompt)")
        }
        let template = try ChatTemplate(try #require(text.chatTemplate))
        let chat = try template.render([ChatMessage(role: "user", content: "What is the capital of Italy?")])
        #expect(chat == golden.chat)
    }

    /// Quantised weights give what the same weights as fp32 give, with gradients by activations in either case.
    @Test func quantisedAndFull() throws {
        let (stored, full) = (
            try TextModel(path: SmolLM2.path), try TextModel(path: SmolLM2.path, floatingPoint: .float32)
        )
        let batch = TokenBatch([stored.tokens(of: "The capital of France is")])
        let (a, b) = (stored.model(batch).logits, full.model(batch).logits)
        #expect(relativeL2(a, b) < 1e-4)
        var slopes: [Tensor] = []
        for text in [stored, full] {
            let site = try #require(text.sites["model.layers.10"])
            let leaf = Tensor.zeros([1, batch.length, 576]).tracked()
            var plan = SitePlan()
            plan.add(.replace { $0 + leaf }, at: site)
            let logits = text.model(batch, Pass(plan: plan)).logits
            slopes.append(try #require(gradients(of: sum(logSoftmax(logits).narrowed(2, start: 10, count: 1)))[leaf]))
        }
        #expect(relativeL2(slopes[0], slopes[1]) < 1e-3)
    }
}

/// Where the file is looked for.
enum SmolLM2 {
    static let path: String = {
        let environment = ProcessInfo.processInfo.environment
        let home = FileManager.default.homeDirectoryForCurrentUser.appending(path: ".cache/atelier").path
        return (environment["ATELIER_CACHE"] ?? home) + "/SmolLM2-135M-Instruct.Q4_1.gguf"
    }()

    static var isThere: Bool { FileManager.default.fileExists(atPath: path) }
}
