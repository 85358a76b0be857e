import Foundation
public import Imaging
import Recipes
import Samplers
public import TensorCore

/// What a picture carries so that it can be made again, and compared with what was made.
public struct PictureRecipe: Codable, Sendable, Hashable {
    public var schema = 1
    public var engine: String
    /// How the model was named; a path or the name of an embedded one.
    public var model: String
    public var modelHash: String
    /// Files that took the place of a part of the model, or added to one.
    public var additions: [ModelAddition]?
    /// Adapters that act while it is drawn.
    public var adapters: [AdapterUse]?
    public var precision: Precision
    /// The GPU that computed it; nil for the CPU, whose bytes differ in their last bits.
    public var device: String?
    /// Where the random numbers come from: `torch cpu float32` or `torch cuda float32`.
    public private(set) var noise: String
    public var request: GenerationRequest { didSet { noise = Self.noise(of: request) } }
    /// The picture that it began with.
    public var start: Start?
    /// The sampler that was used, by its canonical name.
    public var sampler: String?
    /// The schedule that was used, by its canonical name; nil where the model's timesteps served as they are.
    public var schedule: String?
    /// The SHA-256 of the final latents, float32, little-endian, row-major.
    public var latentsHash: String?
    /// The final latents, nearly; nil in recipes of JPEG files.
    public var latents: StoredLatents?

    /// A file that a picture was made from.
    public struct InputFile: Codable, Sendable, Hashable {
        public var path: String
        /// The file's SHA-256; for a folder that of the sorted list of its files and their hashes.
        public var hash: String

        public init(path: String) throws {
            self.path = path
            var isFolder: ObjCBool = false
            let exists = FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
            hash = try exists && isFolder.boolValue ? folderHash(path) : sha256Hex(ofFile: path)
        }
    }

    /// A starting picture by its files.
    public struct Start: Codable, Sendable, Hashable {
        public var picture: InputFile
        public var mask: InputFile?
        public var strength: Double
        /// How its noise was found; nil where it was drawn.
        public var inversion: Inversion?

        public init(picture: InputFile, mask: InputFile?, strength: Double, inversion: Inversion? = nil) {
            self.picture = picture
            self.mask = mask
            self.strength = strength
            self.inversion = inversion
        }
    }

    public init(engine: String, model: String, modelHash: String, precision: Precision, request: GenerationRequest) {
        self.engine = engine
        self.model = model
        self.modelHash = modelHash
        self.precision = precision
        noise = Self.noise(of: request)
        self.request = request
    }

    private static func noise(of request: GenerationRequest) -> String { "torch \(request.noiseSource) float32" }

    /// Notes what came out of the request.
    public mutating func note(_ denoising: Denoising) {
        note(latents: denoising.latents, sampler: denoising.samplerName, schedule: denoising.scheduleName)
    }

    mutating func note(latents: Tensor, sampler: String, schedule: String? = nil) {
        self.schedule = schedule
        latentsHash = Self.hash(of: latents)
        self.latents = StoredLatents(latents)
        self.sampler = sampler
    }

    /// The SHA-256 of latents.
    public static func hash(of latents: Tensor) -> String {
        sha256Hex(of: latents.floats.withUnsafeBytes { Data($0) })
    }

    private static let keyword = "atelier"

    /// The texts of a picture file: `parameters` as A1111-style readers parse it, and the whole recipe as JSON.
    ///
    /// - Parameter format: of the file; a JPEG has no room for latents.
    public func metadata(for format: ImageFormat? = .png) throws -> ImageMetadata {
        var recipe = self
        if format == .jpeg { recipe.latents = nil }
        let json = try recipe.json()
        var metadata = ImageMetadata()
        metadata["parameters"] = infotext.text
        metadata.entries.append(.init(keyword: Self.keyword, text: json, isInternational: true))
        return metadata
    }

    /// The whole recipe in one line, its keys sorted.
    public func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }

    /// The recipe that a picture carries, or nil when it carries none.
    ///
    /// - Throws: `GenerationError` when it carries one that cannot be read.
    public init?(_ metadata: ImageMetadata, path: String) throws {
        guard let text = metadata[Self.keyword] else { return nil }
        struct Version: Decodable { let schema: Int }
        let data = Data(text.utf8)
        let version = try? JSONDecoder().decode(Version.self, from: data).schema
        guard version == 1 else {
            throw GenerationError(
                path, expected: "a recipe of schema 1",
                found: version.map { "schema \($0), from a newer version" } ?? "none")
        }
        do {
            self = try JSONDecoder().decode(PictureRecipe.self, from: data)
        } catch {
            throw GenerationError(path, expected: "a recipe of schema 1", found: "one with fields missing")
        }
    }

    /// A1111's name of a sampler.
    private static func title(ofSampler name: String) -> String {
        (try? SamplingMethod.find(name).method.title) ?? name
    }

    /// A1111's name of a schedule.
    private static func title(ofSchedule name: String) -> String {
        (try? SamplingSchedule.find(name)?.title) ?? name
    }

    /// What other programs read.
    public var infotext: Infotext {
        let scale = request.guidanceScale
        var fields = [
            Infotext.Field("Steps", String(request.steps)),
            Infotext.Field("Sampler", Self.title(ofSampler: sampler ?? request.sampler ?? "default")),
            Infotext.Field("CFG scale", Int(exactly: scale).map(String.init) ?? String(scale)),
            Infotext.Field("Seed", String(request.seed)),
            Infotext.Field("Size", "\(request.width)x\(request.height)"),
            Infotext.Field("Model hash", String(modelHash.prefix(10))),
            Infotext.Field("Model", URL(filePath: model).deletingPathExtension().lastPathComponent),
        ]
        if let schedule = sampler == nil ? request.schedule : schedule {
            fields.insert(Infotext.Field("Schedule type", Self.title(ofSchedule: schedule)), at: 2)
        }
        if let clipSkip = request.clipSkip { fields.append(Infotext.Field("Clip skip", String(clipSkip))) }
        if let start { fields.append(Infotext.Field("Denoising strength", String(start.strength))) }
        if let hires = request.hires {
            fields.append(Infotext.Field("Denoising strength", String(hires.denoisingStrength)))
            fields.append(Infotext.Field("Hires upscale", String(hires.scale)))
            if let steps = hires.steps { fields.append(Infotext.Field("Hires steps", String(steps))) }
            fields.append(Infotext.Field("Hires upscaler", hires.upscaler.rawValue))
        }
        if let path = additions?.path(of: .autoencoder) {
            fields.append(Infotext.Field("VAE", URL(filePath: path).lastPathComponent))
        }
        var prompt = request.prompt
        for style in request.styles ?? [] {
            fields.append(Infotext.Field("Style guidance", "\(style.name)=\(style.strength)@\(style.start)"))
        }
        // Adapters of a style's branch mean something else than a tag would.
        if let adapters = adapters?.filter({ $0.styleBranch == nil }), !adapters.isEmpty {
            prompt += adapters.map { " <lora:\($0.name):\($0.weight)>" }.joined()
            let hashes = adapters.map { "\($0.name): \($0.file.hash.prefix(12))" }
            fields.append(Infotext.Field("Lora hashes", hashes.joined(separator: ", ")))
        }
        fields += [
            Infotext.Field("RNG", request.noiseSource.infotextName), Infotext.Field("Version", "atelier \(engine)"),
        ]
        return Infotext(prompt: prompt, negativePrompt: request.negativePrompt, fields: fields)
    }
}
