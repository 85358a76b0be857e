import Layers
import TensorCore
import TestSupport
import Testing
import Weights

@testable import TextModels

/// GGUF's spelling of every family, beside the folder that it was written from.
@Suite struct GGUFModelTests {
    @Test(arguments: ["llama", "gemma2", "gemma3", "gpt2", "gpt-neox", "mamba"])
    func translation(_ name: String) throws {
        let folder = try LanguageModelGoldenTests.load(name, isFrozen: true)
        let gguf = try GGUFModel(GGUFFile(path: Fixtures.path("gguf/\(name).gguf")))
        #expect(gguf.unused == [])
        var configuration = gguf.configuration
        if var gemma = configuration as? GemmaConfiguration {
            // What the format cannot say.
            gemma.queryScalar = 10
            if name == "gemma3" { gemma.layerTypes = [.sliding, .full, .sliding] }
            configuration = gemma
        }
        let (model, report) = try ScopedWeights.load(gguf.source, root: "") { try configuration.model($0) }
        #expect(report.unused == [])
        #expect(Set(gguf.source.keys) == Set(folder.parameters.keys))
        for (key, parameter) in folder.parameters {
            let tensor = try #require(try gguf.source.tensor(key, shape: nil, initial: nil))
            #expect(maximumDifference(tensor, parameter) <= 1e-6, "\(key)")
        }
        let ids = TokenBatch([[5, 9, 20, 31, 8, 4, 77, 12]])
        #expect(maximumDifference(model(ids).logits, folder.model(ids).logits) <= 1e-5)
    }

    @Test func refusals() throws {
        #expect {
            _ = try GGUFModel(GGUFFile(path: Fixtures.path("gguf/blocks.gguf")))
        } throws: {
            "\($0)".contains("general.architecture") && "\($0)".contains("\"test\"")
        }
    }
}
