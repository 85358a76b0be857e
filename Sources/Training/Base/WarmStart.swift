import DiffusionModels
import Generation
import Layers
import TensorCore
import Tokenizers
import Weights

/// A trained folder whose weights a training starts from, instead of random ones, with a fresh optimiser.
///
/// Parts that the folder does not have (`vae`, `text_encoder`, `unet`) start at random.
public struct WarmStart: Sendable {
    private let store: ModelFolder
    /// The SHA-256 of the folder, part of the training's identity.
    let hash: String

    /// - Throws: `GenerationError` when the folder is no model folder.
    public init(path: String) throws {
        store = try ModelFolder(path: path)
        hash = try store.hash()
    }

    func holds(_ part: String) -> Bool { store.holds(part) }

    /// What the folder's latents are multiplied by.
    func scalingFactor() throws -> Float {
        try store.configuration(AutoencoderKLConfiguration.self, of: "vae").scalingFactor
    }

    /// Replaces the random values of a part by the folder's.
    ///
    /// - Parameters:
    ///   - part: the part's folder.
    ///   - prefix: what the parameters' paths begin with; empty, or with its last dot.
    /// - Throws: `TrainingError.checkpointMismatch` when a parameter is missing or has another shape.
    func replace(_ part: String, prefix: String, in parameters: inout ParameterSet) throws {
        guard holds(part) else { return }
        let source = try store.weights(of: part, floatingPoint: .float32)
        for (key, tensor) in parameters.tensors where key.hasPrefix(prefix) {
            let stored = String(key.dropFirst(prefix.count))
            guard let found = try source.tensor(stored, shape: tensor.shape, initial: nil), found.shape == tensor.shape
            else {
                throw TrainingError.checkpointMismatch(
                    path: "\(store.path)/\(part): \(stored)", expected: "\(tensor.shape)",
                    found: try source.tensor(stored, shape: nil, initial: nil).map { "\($0.shape)" } ?? "nothing")
            }
            // A copy: frozen storage is mapped, and its products are packed for good.
            parameters.tensors[key] = found + 0
        }
    }

    /// A text encoder reads token numbers, so its words must have kept theirs.
    func checkVocabulary(_ tokenizer: CLIPTokenizer) throws {
        guard holds("text_encoder") else { return }
        let stored = try store.tokenizer("tokenizer")
        let isSame =
            stored.vocabularySize == tokenizer.vocabularySize
            && (0..<stored.vocabularySize).allSatisfy { stored.token($0) == tokenizer.token($0) }
        guard isSame else {
            throw TrainingError.checkpointMismatch(
                path: store.path + "/tokenizer",
                expected: "the recipe's vocabulary of \(tokenizer.vocabularySize) tokens",
                found: "another one of \(stored.vocabularySize)")
        }
    }
}
