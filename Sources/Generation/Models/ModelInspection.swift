import DiffusionModels
import Foundation
import Layers
import TensorCore
import TextModels
import Weights

/// What a model file or folder is: its kind, its parts, their sizes and types, its hashes.
public struct ModelInspection: Sendable, Codable, Equatable {
    public struct Part: Sendable, Codable, Equatable {
        public var name: String
        public var tensors: Int
        public var parameters: Int
        /// Parameters of each type, such as `float16`.
        public var types: [String: Int]
    }

    public var path: String
    /// Such as `Stable Diffusion XL`, or what else the keys look like.
    public var kind: String
    /// What stacks call the family, such as `sdxl`; nil for a shape of its own.
    public var family: ModelFamily?
    public var parts: [Part]
    /// The SHA-256 of the file, or of the folder's list of files.
    public var hash: String
    /// Keys that belong to no part.
    public var strayKeys: Int
    /// What the file says of itself.
    public var metadata: [String: String]

    /// The first ten digits of the hash, which A1111 and model sites call AutoV2.
    public var shortHash: String { String(hash.prefix(10)) }

    /// Inspects a model that can be drawn with.
    public init(_ store: any ModelStore) throws {
        path = store.path
        let unet = try store.configuration(UNet2DConditionConfiguration.self, of: "unet")
        kind = Self.kind(of: store, unet) + (unet.inChannels == 9 ? ", for inpainting" : "")
        family = ModelFamily(unet)
        parts = try ["text_encoder", "text_encoder_2", "unet", "vae"].filter(store.holds).map { name in
            try Part(name, store.weights(of: name, floatingPoint: nil))
        }
        hash = try store.hash()
        strayKeys = store.strayKeys.count
        metadata = [:]
    }

    /// Inspects one safetensors file or torch checkpoint, whatever it holds.
    public init(file path: String, as store: (any ModelStore)?) throws {
        let (names, part, metadata) = try Self.read(path)
        if let store {
            self = try ModelInspection(store)
        } else {
            self.path = path
            kind = CheckpointFamily.describe(Set(names))
            parts = [part]
            hash = try fileHash(path)
            strayKeys = 0
        }
        self.metadata = metadata
    }

    /// Inspects a language model's GGUF file: its header, and its bytes for the hash.
    public init(gguf path: String) throws {
        let header = try GGUFFile(path: path).header
        self.path = path
        kind = "a language model, \(header.values["general.architecture"]?.text ?? "of an unknown architecture")"
        parts = [Part(header.entries.map { ($0.dtype.rawValue, $0.shape) })]
        hash = try fileHash(path)
        strayKeys = 0
        metadata = header.values.compactMapValues(\.text)
    }

    private static func read(_ path: String) throws -> (names: [String], part: Part, metadata: [String: String]) {
        if TensorFile.isTorch(path) {
            let checkpoint = try TorchCheckpoint(path: path)
            let tensors = checkpoint.names.compactMap { checkpoint[$0] }
            var metadata: [String: String] = [:]
            if case .dictionary(let members) = checkpoint.contents {
                for (key, value) in members { metadata[key] = "\(value)" }
            }
            return (checkpoint.names, Part(tensors.map { ($0.dtype.rawValue, $0.shape) }), metadata)
        }
        let file = try SafetensorsFile(path: path)
        return (file.names, Part(file.header.entries.map { ($0.dtype.rawValue, $0.shape) }), file.header.metadata)
    }

    private static func kind(of store: any ModelStore, _ unet: UNet2DConditionConfiguration) -> String {
        if let single = store as? SingleFileModel { return single.family.rawValue }
        if unet.additionEmbedType == "text_time" {
            return store.holds("text_encoder") ? CheckpointFamily.sdxl.rawValue : CheckpointFamily.sdxlRefiner.rawValue
        }
        return switch unet.crossAttentionDim {
        case .all(768): CheckpointFamily.stableDiffusion1.rawValue
        case .all(1024): CheckpointFamily.stableDiffusion2.rawValue
        default: "latent diffusion in the layout of Stable Diffusion"
        }
    }
}

extension ModelInspection.Part {
    fileprivate init(_ name: String, _ source: any WeightSource) throws {
        self.init(name: name, tensors: source.keys.count, parameters: 0, types: [:])
        for key in source.keys {
            guard let tensor = try source.tensor(key, shape: nil, initial: nil) else { continue }
            parameters += tensor.count
            types[tensor.dtype.rawValue, default: 0] += tensor.count
        }
    }

    /// All tensors of a file that is no model.
    fileprivate init(_ tensors: [(type: String, shape: [Int])]) {
        self.init(name: "file", tensors: tensors.count, parameters: 0, types: [:])
        for (type, shape) in tensors {
            let count = shape.reduce(1, *)
            parameters += count
            types[type, default: 0] += count
        }
    }
}
