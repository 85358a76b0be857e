import DiffusionModels
import TensorCore

/// How far a decoded picture is from the original, in parts that can be logged.
struct ReconstructionLoss {
    let total: Tensor
    let absolute: Tensor
    let divergence: Tensor

    /// - Parameters:
    ///   - original, decoded: `[batch, 3, height, width]` in -1...1.
    init(original: Tensor, decoded: Tensor, posterior: DiagonalGaussian, stage: BaseRecipe.AutoencoderStage) {
        absolute = mean(abs(original - decoded))
        divergence = mean(posterior.divergenceFromStandard) / Double(posterior.mean.count / posterior.mean.size(0))
        var total = absolute + stage.klWeight * divergence
        if stage.squaredWeight > 0 { total = total + stage.squaredWeight * meanSquaredError(original, decoded) }
        if stage.edgeWeight > 0 {
            for axis in [2, 3] {
                let edges = mean(abs(difference(original, axis) - difference(decoded, axis)))
                total = total + stage.edgeWeight * edges
            }
        }
        if stage.coarseWeight > 0 {
            for size in [2, 4] {
                let coarse = mean(
                    abs(
                        resample(original, .averagePool(size: size)) - resample(decoded, .averagePool(size: size))))
                total = total + stage.coarseWeight * coarse
            }
        }
        if let weight = stage.textureWeight {
            for axis in [2, 3] {
                total = total + weight * mean(abs(texture(original, axis) - texture(decoded, axis)))
            }
        }
        self.total = total
    }
}

/// Each element minus its predecessor along an axis.
private func difference(_ x: Tensor, _ axis: Int) -> Tensor {
    let size = x.size(axis)
    return x.narrowed(axis, start: 1, count: size - 1) - x.narrowed(axis, start: 0, count: size - 1)
}

/// How much neighbours along an axis differ, the mean over squares of 8x8.
private func texture(_ x: Tensor, _ axis: Int) -> Tensor {
    let square = 8
    let steps = abs(difference(x, axis))
    let whole = [2, 3].reduce(steps) { map, axis in
        map.narrowed(axis, start: 0, count: map.size(axis) / square * square)
    }
    return resample(whole, .averagePool(size: square))
}
