import DiffusionModels
import Imaging
import Layers
public import TensorCore
public import World

/// The latents of the training pictures, encoded once, with the scenes that they show.
///
/// Captions are not stored: each use of a scene words it anew.
public struct CaptionedLatents: Sendable {
    public let scenes: [Scene]
    /// `[pictures, channels, height, width]`, multiplied by the scaling factor: about unit variance.
    public let latents: Tensor

    /// Renders and encodes scenes `0..<count`.
    ///
    /// - Parameters:
    ///   - scalingFactor: that a model has learnt with; nil takes `1 / std(latents)`.
    ///   - progress: gets the number of pictures done.
    /// - Returns: the latents and their scaling factor.
    static func encode(
        sampler: SceneSampler, count: Int, size: Int, autoencoder: AutoencoderKL, scalingFactor: Double? = nil,
        batch: Int = 32, progress: (Int) throws -> Void
    ) throws -> (data: CaptionedLatents, scalingFactor: Double) {
        let scenes = (0..<count).map { sampler.sample(index: $0) }
        let starts = Array(stride(from: 0, to: count, by: batch))
        let parts = try ComputeThread.shared.concurrently(
            starts.count, progress: { try progress(min($0 * batch, count)) }
        ) { index in
            let part = scenes[starts[index]..<min(starts[index] + batch, count)]
            let pictures = Tensor(images: part.map { render($0, size: size) })
            return autoencoder.encode(pictures, Pass()).mean.contiguous()
        }
        let latents = concatenated(parts, axis: 0)
        let scale = scalingFactor ?? 1 / Double(variance(latents).item).squareRoot()
        return (CaptionedLatents(scenes: scenes, latents: latents * scale), scale)
    }

    /// How much the error of each place counts, with a mean of 1 over the places of all pictures.
    ///
    ///     w = 1 + Σ over parts (weight - 1) · coverage, then divided by its mean
    ///
    /// - Returns: `[pictures, 1, height, width]`.
    func placeWeights(_ weights: BaseRecipe.DetailWeights) -> Tensor {
        let (rows, columns) = (latents.size(2), latents.size(3))
        let values = scenes.flatMap { scene in
            scene.details.reduce(into: [Float](repeating: 1, count: rows * columns)) { cells, detail in
                for (cell, share) in detail.coverage(rows: rows, columns: columns).enumerated() {
                    cells[cell] += Float((weights[detail.part] - 1) * share)
                }
            }
        }
        let map = Tensor(values).reshaped([scenes.count, 1, rows, columns])
        return map / mean(map)
    }

    /// The latents of some pictures: `[indices, channels, height, width]`.
    func rows(_ indices: [Int]) -> Tensor {
        embedding(Tensor(indices.map(Int64.init)), latents)
    }
}
