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
        kind = try Self.kind(of: store)
        parts = try ["text_encoder", "text_encoder_2", "unet", "vae"].filter(store.holds).map { name in
            try Part(name, store.weights(of: name, floatingPoint: nil))
        }
        hash = try store.hash()
        strayKeys = store.strayKeys.count
        metadata = [:]
    }

    /// Inspects one safetensors file, whatever it holds.
    public init(file path: String, as store: (any ModelStore)?) throws {
        let file = try SafetensorsFile(path: path)
        if let store {
            self = try ModelInspection(store)
        } else {
            self.path = path
            kind = CheckpointFamily.describe(Set(file.names))
            parts = [try Part("file", file)]
            hash = try fileHash(path)
            strayKeys = 0
        }
        metadata = file.header.metadata
    }

    private static func kind(of store: any ModelStore) throws -> String {
        if let single = store as? SingleFileModel { return single.family.rawValue }
        let unet = try store.configuration(UNet2DConditionConfiguration.self, of: "unet")
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

    fileprivate init(_ name: String, _ file: SafetensorsFile) throws {
        self.init(name: name, tensors: file.names.count, parameters: 0, types: [:])
        for entry in file.header.entries {
            let count = entry.shape.reduce(1, *)
            parameters += count
            types[entry.dtype.rawValue, default: 0] += count
        }
    }
}
