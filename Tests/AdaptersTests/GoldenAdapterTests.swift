@testable import Adapters
import DiffusionModels
import Layers
import TensorCore
import TestSupport
import Testing
import TextModels
import Weights

/// Files of every kind beside PEFT, diffusers and LyCORIS: each change, and the output of the adapted UNet.
@Suite struct GoldenAdapterTests {
    private let expected: [String: Tensor]

    init() throws { expected = try Fixtures.tensors("adapters/expected.safetensors") }

    @Test(arguments: goldenAdapters) func everyChange(_ name: String, _ file: String) throws {
        let unet = try AdaptedUNet()
        let adapter = try unet.adapter(file)
        let deltas = tensors(expected, under: "\(name)/delta/")
        #expect(deltas.count >= 2)
        for (path, delta) in deltas {
            let layer = try #require(adapter.layers["unet.\(path)"], "\(path)")
            let base = try Fixtures.require(unet.weights, "\(path).weight")
            let own = try #require(try layer.dense(base: base))
            #expect(largestError(own, delta) <= 1e-5, "\(path)")
        }
        for (path, delta) in tensors(expected, under: "\(name)/bias/") {
            #expect(try isBitEqual(#require(adapter.layers["unet.\(path)"]?.biasDifference), delta))
        }
    }

    /// Beside the layers, in copies of the weights, and merged for good.
    @Test(arguments: goldenAdapters, [AdapterStack.Application.beside, .folded, .automatic])
    func adaptedOutput(_ golden: (name: String, file: String), _ application: AdapterStack.Application) throws {
        let unet = try AdaptedUNet()
        let adapter = try unet.adapter(golden.file)
        let output = try unet.run([StackEntry(adapter)], application: application)
        let target = try Fixtures.require(expected, "\(golden.name)/output")
        #expect(maximumDifference(target, try unet.run()) > 1e-3)
        #expect(largestError(output, target) <= 1e-4)
    }

    @Test(arguments: goldenAdapters) func mergedOutput(_ name: String, _ file: String) throws {
        let unet = try AdaptedUNet()
        let merged = try MergedSource(DictionarySource(unet.weights), part: "unet", [(unet.adapter(file), 1)])
        let output = try unet.run(model: unet.rebuilt(merged))
        #expect(largestError(output, try Fixtures.require(expected, "\(name)/output")) <= 1e-4)
    }

    @Test(arguments: ["diffusers", "diffusers-old"]) func olderSpellings(_ name: String) throws {
        let adapter = try AdaptedUNet().adapter("\(name).safetensors")
        let deltas = tensors(expected, under: "\(name)/delta/")
        #expect(adapter.layers.count == 1 && deltas.count == 1)
        for (path, delta) in deltas {
            #expect(try largestError(#require(try adapter.layers["unet.\(path)"]?.dense()), delta) <= 1e-6)
        }
    }

    @Test func textEncoder() throws {
        let configuration = try CLIPTextConfiguration.decode(
            Fixtures.data("tiny-clip/config.json"), path: "tiny-clip/config.json")
        let source = DictionarySource(try Fixtures.tensors("tiny-clip/model.safetensors"))
        let sites = SiteIndex()
        let model = try CLIPTextModel(configuration, weights: ScopedWeights(source, root: "text_encoder", sites: sites))
        let isBare = source.keys.contains { $0.hasPrefix("encoder.") }
        let modules = ModuleTable(
            try ModuleTable(part: "text_encoder", source: source).modules.map {
                AdaptableModule(part: $0.part, name: isBare ? "text_model.\($0.name)" : $0.name, shape: $0.shape)
            })
        let adapter = try Adapter(path: Fixtures.path("adapters/text.safetensors"), modules: modules)
        let stack = try AdapterStack([StackEntry(adapter)], sites: sites)
        let output = model(try Fixtures.require(expected, "text/tokens"), Pass(adaptation: stack)).lastHiddenState
        #expect(maximumDifference(output, try Fixtures.require(expected, "text/output")) <= 1e-5)
    }

    /// The loss of an adapted UNet with respect to PEFT's factors, plainly and with blocks computed again.
    @Test(arguments: ["peft-lora", "peft-dora"], [CheckpointPolicy.none, .blocks])
    func gradientsOfFactors(_ name: String, _ checkpointing: CheckpointPolicy) throws {
        let unet = try AdaptedUNet()
        let golden = try Fixtures.tensors("adapters/gradients-\(name).safetensors")
        let stored = try unet.adapter("\(name)/adapter_model.safetensors")
        let leaves = stored.parameters.mapValues { $0.converted(to: .float32).tracked() }
        let stack = try AdapterStack(
            [StackEntry(stored.replacing(parameters: leaves), isTrainable: true)], sites: unet.sites)
        let output = try unet.run(Pass(adaptation: stack, checkpointing: checkpointing))
        let loss = meanSquaredError(output, try Fixtures.require(golden, "target"))
        #expect(abs(loss.item / (try Fixtures.require(golden, "loss")).item - 1) <= 1e-5)
        let result = gradients(of: loss)
        let names = [
            ".lora_A.weight": ".lora_down.weight", ".lora_B.weight": ".lora_up.weight",
            ".lora_magnitude_vector.weight": ".dora_scale",
        ]
        var wanted: [String: Tensor] = [:]
        for (key, tensor) in tensors(golden, under: "base_model.model.") {
            for (theirs, ours) in names where key.hasSuffix(theirs) {
                wanted["unet.\(key.dropLast(theirs.count))\(ours)"] = tensor
            }
        }
        #expect(wanted.count == leaves.count)
        let differences = gradientDifferences(golden: wanted, limit: 1e-4) { path in
            leaves[path].flatMap { result[$0] }.flatMap { gradient in
                wanted[path].map { gradient.reshaped($0.shape) }
            }
        }
        #expect(differences == [])
    }
}
