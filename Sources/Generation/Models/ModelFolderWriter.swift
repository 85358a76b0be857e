public import Foundation
public import Samplers
public import TensorCore
public import Tokenizers
import Weights

/// Writes a model in the diffusers layout, as `DiffusionPipeline.from_pretrained` and `ModelFolder` read it.
///
/// The folder appears as a whole: everything is written beside it first. What stands there is never removed: a folder of
/// others is refused, and of a model that was written here before, the files of the same names are replaced.
public struct ModelFolderWriter {
    private let output: OutputFolder
    private let floatingPoint: DType?
    private let metadata: [String: String]
    private var index: [String: [String?]] = [:]

    /// - Parameters:
    ///   - floatingPoint: the type that weights are stored in; nil keeps each tensor's own.
    ///   - metadata: for the header of each weight file; a training's names its `recipe`.
    /// - Throws: `GenerationError` when something stands there that was not written here.
    public init(folder: URL, floatingPoint: DType?, metadata: [String: String] = [:]) throws {
        output = try OutputFolder(folder, isOfTraining: metadata["recipe"] != nil)
        self.floatingPoint = floatingPoint
        self.metadata = metadata.merging(["format": "pt"]) { given, _ in given }
    }

    private var staging: URL { output.staging }

    /// Adds a network: its `config.json` and its weights.
    ///
    /// - Parameters:
    ///   - className: the class that diffusers or transformers loads it with.
    ///   - keepsFloatingPoint: whether this part keeps its type all the same.
    public mutating func add(
        _ part: String, className: String, configuration: some Encodable, tensors: [String: Tensor],
        keepsFloatingPoint: Bool = false
    ) throws {
        let isText = part.hasPrefix("text_encoder")
        var fields = try object(configuration)
        if isText {
            fields["architectures"] = [className]
            fields["model_type"] = "clip_text_model"
        } else {
            fields["_class_name"] = className
            fields["_diffusers_version"] = Self.diffusersVersion
        }
        // Only of use to a model that starts from scratch; written as the whole number 1, transformers refuses it.
        fields["initializer_factor"] = nil
        try writeJSON(fields, to: staging.appending(path: "\(part)/config.json"))
        let file = "\(part)/\(isText ? "model" : "diffusion_pytorch_model").safetensors"
        let final = output.folder.appending(path: file).path
        let items = tensors.map { name, tensor in
            SafetensorsItem(
                name: name, tensor: tensor, floatingPoint: keepsFloatingPoint ? nil : floatingPoint, path: final)
        }
        try writeSafetensors(items, metadata: metadata, to: staging.appending(path: file).path)
        index[part] = [isText ? "transformers" : "diffusers", className]
    }

    public mutating func add(_ part: String, _ tokenizer: CLIPTokenizer) throws {
        try tokenizer.write(to: staging.appending(path: part))
        index[part] = ["transformers", "CLIPTokenizer"]
    }

    public mutating func add(_ scheduler: SchedulerConfiguration) throws {
        let className = scheduler.className ?? "DDIMScheduler"
        var fields = try object(scheduler)
        fields["_class_name"] = className
        fields["_diffusers_version"] = Self.diffusersVersion
        try writeJSON(fields, to: staging.appending(path: "scheduler/scheduler_config.json"))
        index["scheduler"] = ["diffusers", className]
    }

    public func add(_ defaults: SamplingDefaults) throws {
        try writeJSON(try object(defaults), to: staging.appending(path: SamplingDefaults.fileName))
    }

    /// Writes `model_index.json` and puts the folder in its place.
    ///
    /// - Parameter options: what else the pipeline's class wants to know.
    public func commit(className: String, options: [String: Any] = [:]) throws {
        var fields: [String: Any] = ["_class_name": className, "_diffusers_version": Self.diffusersVersion]
        for (part, entry) in index { fields[part] = entry.map { $0 as Any } }
        fields.merge(options) { _, new in new }
        try writeJSON(fields, to: staging.appending(path: "model_index.json"))
        try output.commit()
    }

    /// Removes what was written so far.
    public func abandon() { output.discard() }

    private static let diffusersVersion = "0.30.0"

    private func object(_ value: some Encodable) throws -> [String: Any] {
        try JSONSerialization.jsonObject(with: JSONEncoder().encode(value)) as? [String: Any] ?? [:]
    }

    private func writeJSON(_ object: [String: Any], to path: URL) throws {
        try FileManager.default.createDirectory(
            at: path.deletingLastPathComponent(), withIntermediateDirectories: true)
        let data = try JSONSerialization.data(
            withJSONObject: object, options: [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes])
        try data.write(to: path, options: .atomic)
    }
}
