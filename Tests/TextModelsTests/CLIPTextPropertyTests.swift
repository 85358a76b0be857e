import Foundation
import Layers
import TensorCore
import TestSupport
import TextModels
import Testing
import Weights

@Suite struct CLIPTextPropertyTests {
    struct Family: Sendable, CustomStringConvertible {
        var name: String
        var json: String
        var tensors: Int
        var parameters: Int
        var description: String { name }
    }

    /// Tensors and parameters of the published encoders.
    static let families = [
        Family(
            name: "CLIP-L", json: #"{"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12}"#,
            tensors: 196, parameters: 123_060_480),
        Family(
            name: "OpenCLIP-H",
            json: """
                {"hidden_size": 1024, "intermediate_size": 4096, "num_attention_heads": 16, "num_hidden_layers": 23,
                 "hidden_act": "gelu"}
                """,
            tensors: 372, parameters: 340_387_840),
        Family(
            name: "OpenCLIP-bigG",
            json: """
                {"hidden_size": 1280, "intermediate_size": 5120, "num_attention_heads": 20, "num_hidden_layers": 32,
                 "hidden_act": "gelu", "projection_dim": 1280, "architectures": ["CLIPTextModelWithProjection"]}
                """,
            tensors: 517, parameters: 694_659_840),
    ]

    @Test(arguments: families) func publishedEncoders(_ family: Family) throws {
        let configuration = try CLIPTextConfiguration.decode(Data(family.json.utf8), path: "config.json")
        let source = CountingSource()
        _ = try CLIPTextModel(configuration, weights: ScopedWeights(source))
        #expect(source.tensorCount == family.tensors)
        #expect(source.parameterCount == family.parameters)
        #expect(try CLIPTextConfiguration.decode(configuration.json(), path: "config.json") == configuration)
    }

    private static func tiny(endTokenID: Int, hasProjection: Bool = false) throws -> CLIPTextModel {
        var configuration = CLIPTextConfiguration()
        configuration.vocabularySize = 20
        configuration.hiddenSize = 8
        configuration.intermediateSize = 12
        configuration.projectionSize = 5
        configuration.layers = 1
        configuration.heads = 2
        configuration.maximumTokens = 6
        configuration.endTokenID = endTokenID
        if hasProjection { configuration.architectures = ["CLIPTextModelWithProjection"] }
        return try CLIPTextModel(configuration, weights: ScopedWeights(InitializingSource(seed: 3)))
    }

    /// The pooled row: the first end token, or, under the old rule, the first of the largest number.
    @Test(
        arguments: [
            (10, [1, 10, 19, 10, 0, 0], 1), (10, [1, 3, 3, 3, 3, 10], 5), (10, [1, 3, 4, 5, 6, 7], 0),
            (2, [1, 10, 19, 19, 0, 0], 2), (2, [2, 2, 2, 2, 2, 2], 0),
        ] as [(Int, [Int64], Int)])
    func pooledRow(_ end: Int, _ tokens: [Int64], _ place: Int) throws {
        let output = try Self.tiny(endTokenID: end)(Tensor(tokens, shape: [1, 6]), Pass())
        #expect(isBitEqual(output.pooled, output.lastHiddenState.selected(1, place)))
    }

    @Test func projection() throws {
        let tokens = Tensor([1, 10, 0, 1, 4, 10] as [Int64], shape: [2, 3])
        let output = try Self.tiny(endTokenID: 10, hasProjection: true)(tokens, Pass())
        #expect(output.projected?.shape == [2, 5])
        #expect(try Self.tiny(endTokenID: 10)(tokens, Pass()).projected == nil)
    }

    /// Later tokens change nothing before them.
    @Test func causality() throws {
        let model = try Self.tiny(endTokenID: 10)
        let a = model(Tensor([1, 5, 6, 7, 8, 9] as [Int64], shape: [1, 6]), Pass()).lastHiddenState
        let b = model(Tensor([1, 5, 6, 3, 2, 1] as [Int64], shape: [1, 6]), Pass()).lastHiddenState
        #expect(isBitEqual(a.narrowed(1, start: 0, count: 3), b.narrowed(1, start: 0, count: 3)))
        #expect(maximumDifference(a, b) > 0.01)
    }
}
