import Foundation
public import Layers
public import Samplers
public import TensorCore
public import Tokenizers
public import Weights

/// A model in the diffusers layout: `model_index.json` and one folder a part.
///
/// Files may be symbolic links, as in a download cache: the user named the folder.
public struct ModelFolder: ModelStore {
    public let path: String
    /// The file variant to take, such as `fp16`; nil takes the plain files, or the only variant.
    public let variant: String?
    private let index: [String: [String?]]
    /// What the index says of a missing negative prompt.
    private let forcesZeros: Bool?
    /// The class of the pipeline.
    private let pipeline: String?

    /// - Throws: `GenerationError` when there is no such folder or its index cannot be read.
    public init(path: String, variant: String? = nil) throws {
        self.path = path
        self.variant = variant
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            throw GenerationError(path, expected: "a model folder", found: "nothing there")
        }
        guard isFolder.boolValue else {
            throw GenerationError(
                path, expected: "a model folder with model_index.json", found: "a file")
        }
        let indexPath = path + "/model_index.json"
        let data = try Self.read(indexPath)
        guard let fields = try? JSONDecoder().decode([String: IndexField].self, from: data) else {
            throw GenerationError(indexPath, expected: "a JSON object", found: "something else")
        }
        index = fields.compactMapValues(\.part)
        forcesZeros = fields["force_zeros_for_empty_prompt"]?.flag
        pipeline = fields["_class_name"]?.text
        guard !index.isEmpty else {
            throw GenerationError(indexPath, expected: "parts such as `unet`", found: fields.keys.sorted().description)
        }
    }

    /// The class that loads a part, such as `UNet2DConditionModel`.
    func className(of part: String) throws -> String {
        guard let entry = index[part], entry.count == 2, let name = entry[1] else {
            throw GenerationError(
                path + "/model_index.json", expected: "a part `\(part)`", found: index.keys.sorted().description)
        }
        return name
    }

    /// The classes that are read here.
    private static let classes = [
        "unet": ["UNet2DConditionModel"], "vae": ["AutoencoderKL"],
        "text_encoder": ["CLIPTextModel", "CLIPTextModelWithProjection"],
        "text_encoder_2": ["CLIPTextModel", "CLIPTextModelWithProjection"],
    ]

    private func require(_ part: String, classes: [String]) throws {
        let found = try className(of: part)
        guard classes.contains(found) else {
            throw GenerationError(
                path + "/model_index.json: \(part)", expected: classes.joined(separator: " or "), found: found)
        }
    }

    public var strayKeys: [String] { [] }

    /// Follows diffusers, whose pipelines of SDXL do so unless the index says otherwise.
    public var zeroesMissingNegative: Bool { holds("text_encoder_2") && forcesZeros ?? true }

    /// - Throws: `GenerationError` for a file with values that cannot be used.
    public func samplingDefaults() throws -> SamplingDefaults {
        let file = "\(path)/\(SamplingDefaults.fileName)"
        guard FileManager.default.fileExists(atPath: file) else { return .standard }
        let defaults = try? JSONDecoder().decode(SamplingDefaults.self, from: Self.read(file))
        guard let defaults, defaults.guidanceScale.isFinite, defaults.guidanceScale >= 0,
            (1...1000).contains(defaults.steps)
        else {
            throw GenerationError(
                file, expected: "guidance_scale from 0 and num_inference_steps from 1 to 1000", found: "something else")
        }
        return defaults
    }

    public func holds(_ part: String) -> Bool { index[part]?.count == 2 && index[part]?[1] != nil }

    public func weights(of part: String, floatingPoint: DType?) throws -> any WeightSource {
        let baseName = part.hasPrefix("text_encoder") ? "model" : "diffusion_pytorch_model"
        return try WeightFiles(in: "\(path)/\(part)", baseName: baseName, variant: variant)
            .source(floatingPoint: floatingPoint)
    }

    public func tokenizer(_ part: String) throws -> CLIPTokenizer { try CLIPTokenizer(folder: url(part)) }

    public func configuration<Configuration: ModelConfiguration>(
        _ type: Configuration.Type, of part: String
    ) throws -> Configuration {
        try require(part, classes: Self.classes[part] ?? [])
        let file = "\(path)/\(part)/config.json"
        return try type.decode(Self.read(file), path: file)
    }

    public func scheduler() throws -> SchedulerConfiguration {
        let file = "\(path)/scheduler/scheduler_config.json"
        do {
            let configuration = try SchedulerConfiguration(json: String(decoding: Self.read(file), as: UTF8.self))
            let isInpainting = pipeline == "StableDiffusionInpaintPipeline"
            return correctsScheduler ? configuration.correctedAsInPipelines(inpainting: isInpainting) : configuration
        } catch let error as SamplerError {
            throw GenerationError(file, expected: "a scheduler's configuration", found: error.description)
        }
    }

    /// As diffusers' pipelines of Stable Diffusion 1 and 2 do; those of SDXL and of consistency models do not.
    private var correctsScheduler: Bool {
        !holds("text_encoder_2") && pipeline?.hasPrefix("StableDiffusion") ?? true
    }

    /// The bytes of a JSON file of sensible size.
    private static func read(_ path: String) throws -> Data {
        let limit = 4 << 20
        guard
            let attributes = try? FileManager.default.attributesOfItem(
                atPath: URL(filePath: path).resolvingSymlinksInPath().path), let size = attributes[.size] as? Int
        else { throw GenerationError(path, expected: "a JSON file", found: "nothing there") }
        guard size <= limit else {
            throw GenerationError(path, expected: "at most \(limit) bytes of JSON", found: "\(size)")
        }
        return try Data(contentsOf: URL(filePath: path))
    }

    /// A value of `model_index.json`: `[library, class]` for a part, anything else for an option.
    private struct IndexField: Decodable {
        let part: [String?]?
        let flag: Bool?
        let text: String?

        init(from decoder: any Decoder) throws {
            let value = try decoder.singleValueContainer()
            part = try? value.decode([String?].self)
            flag = try? value.decode(Bool.self)
            text = try? value.decode(String.self)
        }
    }
}

extension ModelFolder {
    /// A part's folder.
    func url(_ part: String) -> URL { URL(filePath: path, directoryHint: .isDirectory).appending(path: part) }
}
