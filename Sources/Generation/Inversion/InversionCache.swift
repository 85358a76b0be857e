public import Foundation
import Recipes
import TensorCore
import Weights

/// Inverted pictures in a folder, by the hash of everything that determines them: the next edit of the same picture begins
/// at once.
///
/// A file that is gone, or is not what its name says, costs time and nothing else; any of them may be removed at any time.
public struct InversionCache: Sendable {
    public let folder: URL

    public init(folder: URL) { self.folder = folder }

    private static let key = "atelier.inversion"

    private func file(_ key: String) -> URL { folder.appending(path: "inversion-\(key).safetensors") }

    /// The inverted picture of a key; nil where there is none that can be read.
    public func read(_ key: String) -> InvertedPicture? {
        struct Note: Decodable {
            let key: String
            let hash: String
            let firstEvaluation: Int
        }
        guard FileManager.default.fileExists(atPath: file(key).path),
            let stored = try? SafetensorsFile(path: file(key).path), let text = stored.header.metadata[Self.key],
            let note = try? JSONDecoder().decode(Note.self, from: Data(text.utf8)), note.key == key,
            let tensors = try? stored.tensors(), let latents = tensors["latents"]
        else { return nil }
        // Copies, so that nobody can cut the file off under them.
        func copied(_ tensor: Tensor) -> Tensor { Tensor(tensor.floats, shape: tensor.shape) }
        let found = InvertedPicture(
            latents: copied(latents), firstEvaluation: note.firstEvaluation,
            unconditionalContexts: tensors["unconditional_contexts"].map(copied))
        return Self.hash(of: found) == note.hash ? found : nil
    }

    /// Keeps an inverted picture. A folder that cannot be written keeps nothing, which is no error.
    public func write(_ inverted: InvertedPicture, _ key: String) {
        var tensors = ["latents": inverted.latents]
        tensors["unconditional_contexts"] = inverted.unconditionalContexts
        let note =
            #"{"firstEvaluation":\#(inverted.firstEvaluation),"hash":"\#(Self.hash(of: inverted))","key":"\#(key)"}"#
        try? FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try? writeSafetensors(tensors, metadata: [Self.key: note], to: file(key).path)
    }

    private static func hash(of inverted: InvertedPicture) -> String {
        PictureRecipe.hash(of: inverted.latents)
            + (inverted.unconditionalContexts.map { "-" + PictureRecipe.hash(of: $0) } ?? "")
    }
}

extension PictureRecipe {
    /// The inversion of the picture that this one begins with; nil where it does not begin with an inverted one.
    ///
    /// - Throws: `ImageError` when the file is gone; `GenerationError` for what cannot be inverted.
    public func inversionRun(with model: StableDiffusion) throws -> InversionRun? {
        guard start?.inversion != nil, let picture = try startingPicture() else { return nil }
        return try InversionRun(of: picture, request, model: model)
    }

    /// The inverted picture that this one begins with, from a cache where it was found before; nil where it does not
    /// begin with one.
    ///
    /// - Parameter progress: is shown the run before each step; what it throws ends the run.
    public func inverted(
        by model: StableDiffusion, cache: InversionCache?, progress: (InversionRun) throws -> Void = { _ in }
    ) throws -> InvertedPicture? {
        guard let key = try inversionKey() else { return nil }
        if let found = cache?.read(key) { return found }
        guard var run = try inversionRun(with: model) else { return nil }
        while !run.isComplete {
            try progress(run)
            run.advance()
        }
        try progress(run)
        let inverted = run.inverted
        cache?.write(inverted, key)
        return inverted
    }

    /// The hash of everything that determines the inversion, by content: not of the sliders, and of no path.
    func inversionKey() throws -> String? {
        guard let start, let inversion = start.inversion else { return nil }
        var key = self
        (key.model, key.adapters, key.sampler, key.latentsHash) = ("", nil, nil, nil)
        key.additions = additions?.map { addition in
            var copy = addition
            copy.file.path = ""
            return copy
        }
        key.start?.picture.path = ""
        (key.request.styles, key.request.directions, key.request.seed) = (nil, nil, 0)
        (key.request.vaeTiling, key.request.vaeTileSize) = (nil, nil)
        if inversion.tuning == nil {
            // The prompt's row alone is asked.
            (key.request.guidanceScale, key.request.negativePrompt, key.request.guidanceRescale) = (1, nil, nil)
        }
        return try canonicalHash(of: key)
    }
}
