@testable import Adapters
import DiffusionModels
import Layers
import TensorCore
import TestSupport
import Testing
import TextModels
import Weights

/// The tiny UNet of the golden files, its layers as adapters know them, and its golden inputs.
struct AdaptedUNet {
    let model: UNet2DConditionModel
    let weights: [String: Tensor]
    let modules: ModuleTable
    let sites: SiteIndex
    let inputs: [String: Tensor]
    private let configuration: UNet2DConditionConfiguration

    init(_ name: String = "tiny-unet-sd1") throws {
        configuration = try .decode(Fixtures.data("\(name)/config.json"), path: "\(name)/config.json")
        weights = try Fixtures.tensors("\(name)/diffusion_pytorch_model.safetensors")
        let source = DictionarySource(weights)
        let sites = SiteIndex()
        let configuration = configuration
        (model, _) = try ScopedWeights.load(source, root: "unet", sites: sites) {
            try UNet2DConditionModel(configuration, weights: $0)
        }
        self.sites = sites
        modules = try ModuleTable(part: "unet", source: source)
        inputs = tensors(try Fixtures.tensors("\(name)/golden_forward.safetensors"), under: "input/")
    }

    /// The model built from other weights.
    func rebuilt(_ source: any WeightSource) throws -> UNet2DConditionModel {
        try UNet2DConditionModel(configuration, weights: ScopedWeights(source, root: "unet"))
    }

    func run(_ pass: Pass = Pass(), model other: UNet2DConditionModel? = nil, row: Int? = nil) throws -> Tensor {
        func input(_ name: String) throws -> Tensor {
            let tensor = try Fixtures.require(inputs, name)
            return row.map { tensor.narrowed(0, start: $0, count: 1) } ?? tensor
        }
        return (other ?? model)(
            try input("sample"), timesteps: try input("timestep"), context: try input("encoder_hidden_states"), pass)
    }

    func run(_ entries: [StackEntry], application: AdapterStack.Application = .automatic) throws -> Tensor {
        try run(Pass(adaptation: AdapterStack(entries, sites: sites, application: application)))
    }

    func adapter(_ name: String, allowsUnmatched: Bool = false) throws -> Adapter {
        try Adapter(path: Fixtures.path("adapters/\(name)"), modules: modules, allowsUnmatched: allowsUnmatched)
    }

    /// A LoRA with random factors on the layers whose path passes a test.
    func random(
        seed: UInt64, rank: Int = 3, alpha: Double = 2, spread: Double = 0.3,
        where isIncluded: (String) -> Bool = { _ in true }
    ) -> Adapter {
        var generator = TorchGenerator(seed: seed)
        let layers = modules.modules.filter { isIncluded($0.name) }.map { module in
            LayerAdapter(
                module,
                LowRankDelta(
                    down: generator.normal([rank] + module.shape.dropFirst()) * spread,
                    up: generator.normal([module.outputs, rank]) * spread, scale: alpha / Double(rank)))
        }
        return Adapter(name: "random \(seed)", layers: layers)
    }
}

/// Files of the golden folder as trainers write them, by the name of their expected values.
let goldenAdapters: [(name: String, file: String)] =
    [
        "locon", "locon-tucker", "dora-rows", "dora-columns", "loha", "loha-tucker", "loha-dora", "lokr", "lokr-both",
        "lokr-full", "lokr-tucker", "full",
    ].map { ($0, "\($0).safetensors") }
    + ["peft-lora", "peft-rslora", "peft-dora", "peft-loha", "peft-lokr"].map {
        ($0, "\($0)/adapter_model.safetensors")
    } + [
        ("peft-lora", "diffusers-lora.safetensors"), ("slider-bf16", "slider-bf16.pt"), ("slider-f16", "slider-f16.pt"),
    ]
