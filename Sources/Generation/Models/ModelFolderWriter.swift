public import Foundation
public import Samplers
public import TensorCore
public import Tokenizers
import Weights

/// Writes a model in the diffusers layout, as `DiffusionPipeline.from_pretrained` and `ModelFolder` read it.
///
/// The folder appears as a whole: everything is written beside it first, and an old one is replaced only then.
public struct ModelFolderWriter {
    private let folder: URL
    private let staging: URL
    private let floatingPoint: DType?
    private let metadata: [String: String]
    private var index: [String: [String?]] = [:]

    /// - Parameters:
    ///   - floatingPoint: the type that weights are stored in; nil keeps each tensor's own.
    ///   - metadata: for the header of each weight file.
    public init(folder: URL, floatingPoint: DType?, metadata: [String: String] = [:]) {
        self.folder = folder
        self.floatingPoint = floatingPoint
        self.metadata = metadata.merging(["format": "pt"]) { given, _ in given }
        staging = folder.deletingLastPathComponent()
            .appending(path: ".\(folder.lastPathComponent)-\(UUID().uuidString)")
    }

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
        let file = isText ? "model" : "diffusion_pytorch_model"
        try writeSafetensors(
            tensors, floatingPoint: keepsFloatingPoint ? nil : floatingPoint, metadata: metadata,
            to: staging.appending(path: "\(part)/\(file).safetensors").path)
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
        let manager = FileManager.default
        // A folder cannot be renamed over another one: the old one steps aside first, and comes back on failure.
        guard manager.fileExists(atPath: folder.path) else { return try manager.moveItem(at: staging, to: folder) }
        let aside = folder.deletingLastPathComponent()
            .appending(path: ".\(folder.lastPathComponent)-old-\(UUID().uuidString)")
        try manager.moveItem(at: folder, to: aside)
        do {
            try manager.moveItem(at: staging, to: folder)
        } catch {
            try? manager.moveItem(at: aside, to: folder)
            throw error
        }
        try? manager.removeItem(at: aside)
    }

    /// Removes what was written so far.
    public func abandon() { try? FileManager.default.removeItem(at: staging) }

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
