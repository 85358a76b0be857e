import Foundation
public import Optimizers
public import TensorCore
import Weights

/// What a training step changes: parameters, optimiser moments, their moving average, the random stream, the count.
///
/// Saved and loaded as a whole, so a resumed training continues as if it had never stopped.
public struct Learner: Sendable {
    public private(set) var parameters: [String: Tensor]
    public private(set) var average: ExponentialMovingAverage
    public var random: TorchGenerator
    /// Steps done.
    public private(set) var step: Int
    private var optimizer: AdamW
    private let recipe: BaseRecipe.OptimizerRecipe
    private let totalSteps: Int

    public init(
        parameters: [String: Tensor], recipe: BaseRecipe.OptimizerRecipe, totalSteps: Int, random: TorchGenerator
    ) {
        self.parameters = parameters
        self.recipe = recipe
        self.totalSteps = totalSteps
        self.random = random
        step = 0
        optimizer = AdamW(beta2: recipe.beta2, weightDecay: recipe.weightDecay)
        average = ExponentialMovingAverage(parameters, decay: recipe.emaDecay)
    }

    public var learningRate: Double {
        LearningRateSchedule.cosine(warmupSteps: recipe.warmupSteps, totalSteps: totalSteps)
            .factor(step: step) * recipe.learningRate
    }

    /// Takes one clipped AdamW step; throws, unchanged, when a gradient is not finite.
    ///
    /// - Returns: the norm of all gradients before clipping.
    @discardableResult
    public mutating func update(gradients: [String: Tensor]) throws -> Double {
        let norm = globalNorm(gradients.values)
        guard norm.isFinite else {
            throw TrainingError.notFinite(what: "the gradient", step: step, kept: "in the output folder")
        }
        let scale = clippingScale(norm: norm, maximum: recipe.clipNorm)
        parameters = optimizer.step(
            parameters: parameters, gradients: gradients, learningRate: learningRate, gradientScale: scale)
        average.update(parameters)
        step += 1
        return norm
    }
}
