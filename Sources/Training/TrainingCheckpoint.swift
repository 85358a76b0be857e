import Foundation
import Generation
import Optimizers
import TensorCore
import Weights

/// A learner on disk: one safetensors file that is replaced as a whole, so a kill at any moment leaves a good one.
///
/// Tensors: `parameter.<path>`, `average.<path>`, and the optimiser's own. Metadata: the step, the random stream, the
/// numbers that products were made of, and the fingerprint of the recipe, without which a resumed training would silently become another one.
struct TrainingCheckpoint {
    let path: URL
    private let fingerprint: String
    /// The JSON behind the fingerprint, where there is one.
    private let recipe: String?

    private let precision: Precision

    init(folder: URL, fingerprint: String, recipe: String? = nil, precision: Precision = .fp32) {
        path = folder.appending(path: "checkpoint.safetensors")
        self.fingerprint = fingerprint
        self.recipe = recipe
        self.precision = precision
    }

    /// - Parameter extra: what a stage needs besides its learner, saved under `extra.<name>`.
    func save(_ learner: Learner, extra: [String: Tensor] = [:]) throws {
        try FileManager.default.createDirectory(
            at: path.deletingLastPathComponent(), withIntermediateDirectories: true)
        let random = try JSONEncoder().encode(learner.random)
        try writeSafetensors(
            learner.stateTensors.merging(extra.map { ("extra." + $0.key, $0.value) }) { first, _ in first },
            metadata: [
                "step": String(learner.step), "random": String(decoding: random, as: UTF8.self),
                "fingerprint": fingerprint, "precision": precision.rawValue,
            ].merging(recipe.map { ["recipe": $0] } ?? [:]) { first, _ in first },
            to: path.path)
    }

    /// The saved learner with the extra tensors, or nil when there is none yet.
    func load(into learner: Learner) throws -> (learner: Learner, extra: [String: Tensor])? {
        guard FileManager.default.fileExists(atPath: path.path) else { return nil }
        let file = try SafetensorsFile(path: path.path)
        let metadata = file.header.metadata
        guard metadata["fingerprint"] == fingerprint else {
            if let recipe, let before = metadata["recipe"] {
                throw TrainingError.recipeChanged(
                    path: path.path, step: metadata["step"] ?? "?", changes: recipeChanges(from: before, to: recipe))
            }
            throw TrainingError.checkpointMismatch(
                path: path.path, expected: "recipe \(fingerprint.prefix(12))",
                found: "recipe \((metadata["fingerprint"] ?? "unknown").prefix(12))")
        }
        guard let step = metadata["step"].flatMap(Int.init), let state = metadata["random"] else {
            throw TrainingError.checkpointMismatch(
                path: path.path, expected: "metadata `step` and `random`", found: metadata.keys.sorted().description)
        }
        let random = try JSONDecoder().decode(TorchGenerator.self, from: Data(state.utf8))
        // Copies: the file is replaced by the next save while its tensors are in use.
        let tensors = try file.tensors().mapValues { $0 + 0 }
        let extra = tensors.filter { $0.key.hasPrefix("extra.") }
            .map { (String($0.key.dropFirst("extra.".count)), $0.value) }
        return (
            try learner.restored(tensors, step: step, random: random, origin: path.path),
            Dictionary(uniqueKeysWithValues: extra)
        )
    }
}
