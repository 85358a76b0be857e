import DiffusionModels
import Layers
import TensorCore
import TestSupport
import Weights

/// A tiny model of the golden files with the leaves of its parameters.
struct TinyUNet {
    let configuration: UNet2DConditionConfiguration
    let model: UNet2DConditionModel
    let parameters: [String: Tensor]
    let sites: SiteIndex
    let golden: [String: Tensor]
    let name: String

    /// - Parameters:
    ///   - isTrainable: whether the parameters are leaves.
    ///   - backend: where the parameters are, and so where the model computes.
    init(
        _ name: String, isTrainable: Bool = false, golden file: String = "golden_forward",
        on backend: any Backend = CPUBackend.shared
    ) throws {
        self.name = name
        configuration = try .decode(Fixtures.data("\(name)/config.json"), path: "\(name)/config.json")
        let stored = try Fixtures.tensors("\(name)/diffusion_pytorch_model.safetensors")
            .mapValues { $0.moved(to: backend) }
        let parameters = isTrainable ? stored.mapValues { $0.tracked() } : stored
        let sites = SiteIndex()
        let configuration = configuration
        (model, _) = try ScopedWeights.load(DictionarySource(parameters), root: "", sites: sites) {
            try UNet2DConditionModel(configuration, weights: $0)
        }
        self.parameters = parameters
        self.sites = sites
        golden = try Fixtures.tensors("\(name)/\(file).safetensors")
    }

    func input(_ key: String) throws -> Tensor { try Fixtures.require(golden, "input/\(key)") }

    var added: AddedConditioning? {
        guard let text = golden["input/text_embeds"] else { return nil }
        return AddedConditioning(pooledText: text, timeIDs: golden["input/time_ids"])
    }
}
