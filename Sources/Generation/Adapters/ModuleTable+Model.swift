public import Adapters
import DiffusionModels
import TextModels
import Weights

extension ModuleTable {
    /// The layers of a model on disk that adapters can change.
    public init(_ store: any ModelStore) throws {
        var table = try ModuleTable(
            unet: store.configuration(UNet2DConditionConfiguration.self, of: "unet"),
            store.weights(of: "unet", floatingPoint: nil))
        for part in ["text_encoder", "text_encoder_2"] where store.holds(part) {
            table = table + (try ModuleTable(textEncoder: part, store.weights(of: part, floatingPoint: nil)))
        }
        self = table
    }

    fileprivate init(unet configuration: UNet2DConditionConfiguration, _ source: any WeightSource) throws {
        let names = try KeyTable.ldmUNet(configuration).inverse
        try self.init(part: "unet", source: source) { names.translated($0) }
    }

    /// Some folders leave `text_model.` out of their keys; layers have it in their paths either way.
    fileprivate init(textEncoder part: String, _ source: any WeightSource) throws {
        let stored = try ModuleTable(part: part, source: source)
        self.init(
            stored.modules.map { module in
                let isBare = module.name.hasPrefix("encoder.")
                return isBare
                    ? AdaptableModule(part: part, name: "text_model.\(module.name)", shape: module.shape) : module
            })
    }
}

extension StandardArchitecture {
    /// The layers that adapters can change.
    public func modules() throws -> ModuleTable {
        let shapes = ShapeSource()
        _ = try UNet2DConditionModel(unet, weights: ScopedWeights(shapes))
        var table = try ModuleTable(unet: unet, shapes)
        for (part, configuration) in zip(["text_encoder", "text_encoder_2"], textEncoders) {
            let shapes = ShapeSource()
            _ = try CLIPTextModel(configuration, weights: ScopedWeights(shapes))
            table = table + (try ModuleTable(textEncoder: part, shapes))
        }
        return table
    }
}
