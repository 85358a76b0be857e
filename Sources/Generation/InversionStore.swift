public import Foundation
import Recipes
import Synchronization
public import TensorCore
import Weights

/// Latents that pictures were inverted to, by all that determines them: in memory within a number of bytes, and in a
/// folder.
///
/// A file `KEY.safetensors` holds `latents`, float32, and says its key and the SHA-256 of the latents. A file that is
/// broken, or of another key, is made again.
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

    private static let mark = "atelier.inversion"

    private let folder: URL?
    private let kept: ContentCache<Tensor>
    private let counts = Mutex(Statistics())

    /// - Parameters:
    ///   - folder: nil keeps them in memory only. It is made when the first file is written.
    ///   - byteBudget: of what is kept in memory.
    public init(folder: URL?, byteBudget: Int = 64 << 20) {
        self.folder = folder
        kept = ContentCache(byteBudget: byteBudget) { 4 * $0.count }
    }

    public var statistics: Statistics { counts.withLock { $0 } }
    /// Of what is in memory.
    public var memoryStatistics: ContentCache<Tensor>.Statistics { kept.statistics }

    /// The latents of a key, found by `make` where they are neither in memory nor in the folder.
    public func latents(_ key: String, _ make: () -> Tensor) -> Tensor {
        kept.value(key) {
            if let read = read(key) {
                counts.withLock { $0.read += 1 }
                return read
            }
            let made = make()
            counts.withLock { $0.made += 1 }
            if !write(made, key) { counts.withLock { $0.unwritten += 1 } }
            return made
        }
    }

    private func file(_ key: String) -> URL? { folder?.appending(path: key + ".safetensors") }

    private func read(_ key: String) -> Tensor? {
        guard let path = file(key)?.path, FileManager.default.fileExists(atPath: path) else { return nil }
        if let file = try? SafetensorsFile(path: path), file.header.metadata[Self.mark] == key,
            let mapped = try? file.tensors()["latents"], mapped.dtype == .float32
        {
            // A copy: another run may replace the file.
            let latents = Tensor(mapped.floats, shape: mapped.shape)
            if PictureRecipe.hash(of: latents) == file.header.metadata["sha256"] { return latents }
        }
        counts.withLock { $0.broken += 1 }
        return nil
    }

    /// - Returns: whether the file is written, or none is wanted.
    private func write(_ latents: Tensor, _ key: String) -> Bool {
        guard let folder, let path = file(key)?.path else { return true }
        do {
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            try writeSafetensors(
                ["latents": latents], metadata: [Self.mark: key, "sha256": PictureRecipe.hash(of: latents)], to: path)
            return true
        } catch {
            return false
        }
    }
}

/// Where the inversion of one recipe is kept.
struct KeptInversion: Sendable {
    let store: InversionStore
    let key: String
}

extension PictureRecipe {
    private struct InversionKey: Encodable {
        let engine: String
        let model: String
        let additions: [ModelAddition]?
        let adapters: [AdapterUse]
        let precision: Precision
        let device: String?
        let request: GenerationRequest
        let picture: String
        let strength: Double
        let inversion: Inversion
    }

    /// The hash of what determines the inversion; nil for a recipe without one.
    ///
    /// The inversion follows the prompt's row alone: styles, guidance, negative prompt and seed leave it as it is, and
    /// pictures that differ in those share it.
    func inversionKey() throws -> String? {
        guard let start, let inversion = start.inversion else { return nil }
        var plain = request
        (plain.negativePrompt, plain.guidanceScale, plain.guidanceRescale) = (nil, 1, nil)
        (plain.styles, plain.directions, plain.hires) = (nil, nil, nil)
        (plain.vaeTiling, plain.vaeTileSize, plain.seed) = (nil, nil, 0)
        return try canonicalHash(
            of: InversionKey(
                engine: engine, model: modelHash, additions: additions,
                adapters: (adapters ?? []).filter { $0.styleBranch == nil }, precision: precision, device: device,
                request: plain, picture: start.picture.hash, strength: start.strength, inversion: inversion))
    }
}
