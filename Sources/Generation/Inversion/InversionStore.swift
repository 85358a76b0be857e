public import Foundation
import Recipes
import Synchronization
import TensorCore
import Weights

/// Inverted pictures by the hash of all that determines them: in memory within a number of bytes, and in a folder, where
/// the next edit of the same picture finds its beginning.
///
/// A file `KEY.safetensors` holds `latents` and perhaps `unconditional_contexts`, float32, and says its key and the hash of
/// both. One that is gone, broken or of another key is made again: any of them may be removed at any time.
public final class InversionStore: Sendable {
    public struct Statistics: Sendable, Hashable {
        /// Inversions that were computed.
        public var made = 0
        /// Inversions that were read from files.
        public var read = 0
        /// Files that were there and could not be used.
        public var broken = 0
        /// Files that could not be written; their inversions are found again next time.
        public var unwritten = 0
    }

    private struct Note: Codable {
        let key: String
        let hash: String
        let firstEvaluation: Int
    }

    private static let mark = "atelier.inversion"

    private let folder: URL?
    private let kept: ContentCache<InvertedPicture>
    private let counts = Mutex(Statistics())

    /// - Parameters:
    ///   - folder: nil keeps them in memory only. It is made when the first file is written.
    ///   - byteBudget: of what is kept in memory.
    public init(folder: URL?, byteBudget: Int = 64 << 20) {
        self.folder = folder
        kept = ContentCache(byteBudget: byteBudget) { inverted in
            4 * (inverted.latents.count + (inverted.unconditionalContexts?.count ?? 0))
        }
    }

    public var statistics: Statistics { counts.withLock { $0 } }
    /// Of what is in memory.
    public var memoryStatistics: ContentCache<InvertedPicture>.Statistics { kept.statistics }

    /// The inverted picture of a key, found by `make` where it is neither in memory nor in the folder.
    public func inverted(_ key: String, _ make: () throws -> InvertedPicture) rethrows -> InvertedPicture {
        try kept.value(key) {
            if let read = read(key) {
                counts.withLock { $0.read += 1 }
                return read
            }
            let made = try make()
            counts.withLock { $0.made += 1 }
            if !write(made, key) { counts.withLock { $0.unwritten += 1 } }
            return made
        }
    }

    private func file(_ key: String) -> URL? { folder?.appending(path: key + ".safetensors") }

    private func read(_ key: String) -> InvertedPicture? {
        guard let path = file(key)?.path, FileManager.default.fileExists(atPath: path) else { return nil }
        // Copies: another run may replace the file.
        func copied(_ tensor: Tensor) -> Tensor { Tensor(tensor.floats, shape: tensor.shape) }
        if let stored = try? SafetensorsFile(path: path), let text = stored.header.metadata[Self.mark],
            let note = try? JSONDecoder().decode(Note.self, from: Data(text.utf8)), note.key == key,
            let tensors = try? stored.tensors(), let latents = tensors["latents"],
            tensors.values.allSatisfy({ $0.dtype == .float32 })
        {
            let found = InvertedPicture(
                latents: copied(latents), firstEvaluation: note.firstEvaluation,
                unconditionalContexts: tensors["unconditional_contexts"].map(copied))
            if Self.hash(of: found) == note.hash { return found }
        }
        counts.withLock { $0.broken += 1 }
        return nil
    }

    /// - Returns: whether the file is written, or none is wanted.
    private func write(_ inverted: InvertedPicture, _ key: String) -> Bool {
        guard let folder, let path = file(key)?.path else { return true }
        var tensors = ["latents": inverted.latents]
        tensors["unconditional_contexts"] = inverted.unconditionalContexts
        do {
            let note = Note(key: key, hash: Self.hash(of: inverted), firstEvaluation: inverted.firstEvaluation)
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            try writeSafetensors(
                tensors, metadata: [Self.mark: String(decoding: canonicalJSON(of: note), as: UTF8.self)], to: path)
            return true
        } catch {
            return false
        }
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

    /// The inverted picture that this one begins with; nil where it does not begin with one.
    ///
    /// - Parameters:
    ///   - store: where it is looked up, and kept; nil finds it anew.
    ///   - progress: is shown the run before each step; what it throws ends the run.
    public func inverted(
        by model: StableDiffusion, _ store: InversionStore?, progress: (InversionRun) throws -> Void = { _ in }
    ) throws -> InvertedPicture? {
        guard let key = try inversionKey() else { return nil }
        func make() throws -> InvertedPicture {
            guard var run = try inversionRun(with: model) else { preconditionFailure("inversion: a key without a run") }
            while !run.isComplete {
                try progress(run)
                run.advance()
            }
            try progress(run)
            return run.inverted
        }
        return try store?.inverted(key, make) ?? make()
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
        (key.request.styles, key.request.directions, key.request.hires, key.request.seed) = (nil, nil, nil, 0)
        (key.request.vaeTiling, key.request.vaeTileSize) = (nil, nil)
        if inversion.tuning == nil {
            // The prompt's row alone is asked.
            (key.request.guidanceScale, key.request.negativePrompt, key.request.guidanceRescale) = (1, nil, nil)
        }
        return try canonicalHash(of: key)
    }
}
