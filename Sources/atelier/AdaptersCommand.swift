import Adapters
import ArgumentParser
import Foundation
import Generation
import TensorCore
import Weights

/// `atelier adapters ...`: what adapter files are, their conversion, and arithmetic with them.
struct AdaptersCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "adapters", abstract: "Inspect, convert and combine adapters (LoRA and its kin).",
        subcommands: [
            AdaptersInspect.self, AdaptersConvert.self, AdaptersAdd.self, AdaptersScale.self, AdaptersNegate.self,
            AdaptersInterpolate.self, AdaptersProjectOut.self, AdaptersOrthogonalize.self, AdaptersCompress.self,
            AdaptersMerge.self, AdaptersExtract.self,
        ])
}

/// The model that adapter files are for.
struct AdapterModelOptions: ParsableArguments {
    @Option(
        name: [.short, .long],
        help: "The model the adapter is for (default: Stable Diffusion 1, 2 or XL, or an embedded one, by its layers).")
    var model: String?
    @Flag(help: "Leave out keys that belong to no layer of the model.")
    var allowUnmatched = false
    @Option(help: "The folder with the embedded models.")
    var assets: String?

    func store() throws -> (any ModelStore)? { try model.map { try Assets.store($0, assets: assets) } }

    /// The model that is named, or else the first of those known here that a file fits.
    func base(of file: AdapterFile) throws -> AdapterBase {
        if let model, let store = try store() { return AdapterBase(name: model, modules: try ModuleTable(store)) }
        var candidates = try StandardArchitecture.allCases.map { try AdapterBase($0) }
        if let store = try? Assets.store("mini", assets: assets), let modules = try? ModuleTable(store) {
            candidates.append(AdapterBase(name: "mini", modules: modules))
        }
        return try AdapterBase.of(file, among: candidates, allowsUnmatched: allowUnmatched)
    }

    /// Reads an adapter; where a model is named, DoRA becomes the differences that it makes there.
    func adapter(_ path: String, resolvesDecomposition: Bool = true) throws -> Adapter {
        let file = try AdapterFile(path: path)
        let adapter = try Adapter(file, modules: base(of: file).modules, allowsUnmatched: allowUnmatched)
        let hasDecomposition = adapter.layers.values.contains { $0.decomposition != nil }
        guard resolvesDecomposition, hasDecomposition, let store = try store() else { return adapter }
        return try adapter.resolvingDecomposition(base: ModelWeights(store).weight)
    }
}

/// The weights of a model on disk, by layer.
struct ModelWeights {
    private let sources: [String: any WeightSource]

    init(_ store: any ModelStore) throws {
        var sources: [String: any WeightSource] = [:]
        for part in ["unet", "text_encoder", "text_encoder_2"] where store.holds(part) {
            sources[part] = try store.weights(of: part, floatingPoint: nil)
        }
        self.sources = sources
    }

    /// The weight of a layer, or nil when the model has none of that name.
    func weight(_ module: AdaptableModule) throws -> Tensor? {
        guard let source = sources[module.part] else { return nil }
        let names = [module.name, module.name.replacingOccurrences(of: "text_model.", with: "")]
        for name in names {
            if let tensor = try source.tensor("\(name).weight", shape: nil, initial: nil) { return tensor }
        }
        return nil
    }
}

/// The adapter file that is written.
struct AdapterOutputOptions: ParsableArguments {
    @Option(name: [.short, .long], help: "The file to write, .safetensors.")
    var output: String
    @Option(help: "How keys are spelled: \(AdapterFormat.all.map(\.name).joined(separator: ", ")).")
    var format = "kohya"
    @Option(help: "The number format of the tensors: f32, f16 or bf16 (default: as they are).")
    var dtype: StoredType?

    func validate() throws {
        do { _ = try AdapterFormat.find(format) } catch { throw ValidationError("--\(error)") }
        guard output.hasSuffix(".safetensors") else {
            throw ValidationError("--output \(output): expected a name that ends in .safetensors")
        }
    }

    func write(_ adapter: Adapter) throws {
        try adapter.write(to: output, format: .find(format), floatingPoint: dtype?.dtype)
        print(output)
    }
}
