import Foundation
public import Imaging

/// What a picture carries so that it can be made again.
public struct PictureRecipe: Codable, Sendable, Hashable {
    public var schema = 1
    public var engine: String
    public var model: String
    public var modelHash: String
    public var precision: Precision
    public var request: GenerationRequest

    public init(engine: String, model: String, modelHash: String, precision: Precision, request: GenerationRequest) {
        self.engine = engine
        self.model = model
        self.modelHash = modelHash
        self.precision = precision
        self.request = request
    }

    /// The text chunks of a PNG: `parameters` as A1111-style readers parse it, and the whole recipe as JSON.
    public func metadata() throws -> ImageMetadata {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let json = String(decoding: try encoder.encode(self), as: UTF8.self)
        return ["parameters": parameters, "atelier": json]
    }

    private var parameters: String {
        var lines = [request.prompt]
        if !request.negativePrompt.isEmpty { lines.append("Negative prompt: " + request.negativePrompt) }
        let scale = request.guidanceScale
        let schedule = request.schedule.map { "Schedule type: \($0), " } ?? ""
        lines.append(
            "Steps: \(request.steps), Sampler: \(request.sampler ?? "default"), \(schedule)"
                + "CFG scale: \(scale == scale.rounded() ? String(Int(scale)) : String(scale)), Seed: \(request.seed), "
                + "Size: \(request.width)x\(request.height), Model hash: \(modelHash.prefix(10)), Model: \(model), "
                + "RNG: CPU, Version: atelier \(engine)")
        return lines.joined(separator: "\n")
    }
}
