public import DiffusionModels
import Layers

/// Which family of models one belongs to, as far as its UNet's shape tells; adapters fit all models of their family.
public enum ModelFamily: String, Sendable, Hashable, Codable, CaseIterable {
    case sd15, sd21, sdxl
    case sdxlRefiner = "sdxl-refiner"
    case mini

    /// Nil for a model of a shape of its own.
    public init?(_ unet: UNet2DConditionConfiguration) {
        switch (unet.additionEmbedType, unet.crossAttentionDim, unet.blockOutChannels) {
        case (nil, .all(768), [320, 640, 1280, 1280]): self = .sd15
        case (nil, .all(1024), [320, 640, 1280, 1280]): self = .sd21
        case ("text_time", .all(2048), [320, 640, 1280]): self = .sdxl
        case ("text_time", .all(1280), [384, 768, 1536, 1536]): self = .sdxlRefiner
        case (nil, .all(128), [96, 192, 192]): self = .mini
        default: return nil
        }
    }

    /// By a name that people and files write: `sdxl`, `SD 1.5`, `Stable Diffusion XL`, `sdxl_base_v1-0`.
    public init?(named name: String) {
        let letters = name.lowercased().filter { $0.isLetter || $0.isNumber }
        var short = Substring(letters.replacing("stablediffusion", with: "sd"))
        if short == "mini" {
            self = .mini
            return
        }
        guard short.hasPrefix("sd") else { return nil }
        short = short.dropFirst(2)
        if short.hasPrefix("xl") {
            self = short.contains("refiner") ? .sdxlRefiner : .sdxl
            return
        }
        if short.hasPrefix("v") { short = short.dropFirst() }
        switch short.first {
        case "1": self = .sd15
        case "2": self = .sd21
        default: return nil
        }
    }

    static var names: String { allCases.map(\.rawValue).joined(separator: ", ") }
}

/// What stacks and adapters say of the model that they are for is compared with this.
public struct ModelIdentity: Sendable, Hashable {
    /// The model's hash.
    public var hash: String
    /// Nil for a model of a shape of its own.
    public var family: ModelFamily?

    public init(hash: String, family: ModelFamily? = nil) {
        self.hash = hash
        self.family = family
    }

    public init(_ store: any ModelStore) throws {
        hash = try store.hash()
        family = ModelFamily(try store.configuration(UNet2DConditionConfiguration.self, of: "unet"))
    }

    /// As messages call it: `sdxl (31e35c80fc4a)`.
    var summary: String { "\(family.map(\.rawValue) ?? "a model of another shape") (\(hash.prefix(12)))" }

    /// Refuses a base that is another model.
    ///
    /// - Parameters:
    ///   - base: the beginning of a hash, or a family's name.
    ///   - subject: who says so, for the message.
    func check(base: String, _ subject: String) throws {
        if let named = ModelFamily(named: base) {
            guard named == family else { throw GenerationError(subject, expected: named.rawValue, found: summary) }
            return
        }
        guard base.isHash else {
            throw GenerationError(
                subject, expected: "the beginning of a model's hash, or one of \(ModelFamily.names)",
                found: "'\(base.prefix(40))'")
        }
        guard hash.hasPrefix(base.lowercased()) else {
            throw GenerationError(subject, expected: "the model \(base.lowercased().prefix(12))", found: summary)
        }
    }
}

extension String {
    /// Whether it is the beginning of a SHA-256 in hexadecimal digits.
    var isHash: Bool { (1...64).contains(count) && allSatisfy { $0.isASCII && $0.isHexDigit } }
}

extension StableDiffusion {
    /// Nil for a model of a shape of its own.
    public var family: ModelFamily? { ModelFamily(unet.configuration) }
}
