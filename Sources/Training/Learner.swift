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
    private var optimizer: any Optimizer
    private let schedule: LearningRateSchedule
    private let recipe: OptimizerRecipe

    public init(
        parameters: [String: Tensor], recipe: OptimizerRecipe, totalSteps: Int, random: TorchGenerator,
        groups: [ParameterGroup] = []
    ) {
        self.parameters = parameters
        self.recipe = recipe
        self.random = random
        step = 0
        schedule = recipe.rates(totalSteps: totalSteps)
        optimizer = recipe.optimizer(groups: groups)
        average = ExponentialMovingAverage(parameters, decay: recipe.emaDecay)
    }

    public var learningRate: Double { recipe.learningRate * schedule.factor(step: step) }

    /// Takes one clipped AdamW step; throws, unchanged, when a gradient is not finite.
    ///
    /// - Parameter constraint: what the parameters are held to after the step, before they enter their average.
    /// - Returns: the norm of all gradients before clipping.
    @discardableResult
    public mutating func update(
        gradients: [String: Tensor], constraint: ([String: Tensor]) -> [String: Tensor] = { $0 }
    ) throws -> Double {
        let norm = globalNorm(gradients.values)
        guard norm.isFinite else {
            throw TrainingError.notFinite(what: "the gradient", step: step, kept: "in the output folder")
        }
        let scale = clippingScale(norm: norm, maximum: recipe.clipNorm)
        parameters = constraint(
            optimizer.step(
                parameters: parameters, gradients: gradients, learningRate: learningRate, gradientScale: scale))
        average.update(parameters)
        step += 1
        return norm
    }

    /// The same learner with its parameters on a device, where moments and averages follow them.
    func moved(to device: any Backend) -> Learner {
        var learner = self
        learner.parameters = parameters.mapValues { $0.moved(to: device) }
        return learner
    }

    /// Everything that is a tensor, by name.
    var stateTensors: [String: Tensor] {
        ParameterSet(parameters).prefixed("parameter")
            .merging(average.stateTensors) { first, _ in first }
            .merging(optimizer.stateTensors) { first, _ in first }
    }

    /// The learner that `stateTensors` was taken from.
    ///
    /// - Throws: `TrainingError.checkpointMismatch` when a parameter is missing or has another shape.
    func restored(_ tensors: [String: Tensor], step: Int, random: TorchGenerator, origin: String) throws -> Learner {
        var learner = self
        for (path, tensor) in parameters {
            let found = tensors["parameter.\(path)"]
            guard let found, found.shape == tensor.shape else {
                throw TrainingError.checkpointMismatch(
                    path: "\(origin): parameter.\(path)", expected: "\(tensor.shape)",
                    found: found.map { "\($0.shape)" } ?? "nothing")
            }
            learner.parameters[path] = found
        }
        try learner.average.restore(tensors)
        try learner.optimizer.restore(tensors, for: parameters)
        learner.random = random
        learner.step = step
        return learner
    }
}
