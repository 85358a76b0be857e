public import TensorCore

/// Adam with weight decay (AdamW); with `isDecayDecoupled` false, Adam with the decay added to the gradient.
///
///     m = beta1 m + (1 - beta1) g,   v = beta2 v + (1 - beta2) g²
///     p = p - rate · decay · p - rate · m / (1 - beta1^n) / (sqrt(v / (1 - beta2^n)) + epsilon)
///
/// `n` counts the steps in which the parameter had a gradient. Follows `torch.optim.AdamW` and `torch.optim.Adam`.
public struct AdamW: Optimizer {
    /// Whether a parameter decays, by its path and shape.
    public typealias DecayRule = @Sendable (_ path: String, _ shape: [Int]) -> Bool

    public var beta1: Double
    public var beta2: Double
    public var epsilon: Double
    public var weightDecay: Double
    public var isDecayDecoupled: Bool
    public var groups: [ParameterGroup]
    private let decays: DecayRule
    private var moments: [String: Moments] = [:]

    private struct Moments: Sendable {
        var first: Tensor
        var second: Tensor
        var steps: Int
    }

    /// - Parameters:
    ///   - groups: factors of the learning rate and of the decay by path.
    ///   - decays: which parameters decay; by default those of rank 2 and more, so norms and biases do not.
    public init(
        beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8, weightDecay: Double = 0.01,
        isDecayDecoupled: Bool = true, groups: [ParameterGroup] = [],
        decays: @escaping DecayRule = { _, shape in shape.count > 1 }
    ) {
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.weightDecay = weightDecay
        self.isDecayDecoupled = isDecayDecoupled
        self.groups = groups
        self.decays = decays
    }

    public mutating func step(
        parameters: [String: Tensor], gradients: [String: Tensor], learningRate: Double, gradientScale: Double = 1
    ) -> [String: Tensor] {
        var result = parameters.mapValues(\.detached)
        for (path, gradient) in gradients {
            guard let parameter = result[path] else {
                preconditionFailure("AdamW: a gradient for \(path), which is no parameter")
            }
            precondition(
                gradient.shape == parameter.shape,
                "AdamW: \(path) has shape \(parameter.shape), its gradient \(gradient.shape)")
            var moment =
                moments[path]
                ?? Moments(
                    first: .zeros(parameter.shape), second: .zeros(parameter.shape), steps: 0)
            moment.steps += 1
            let group = groups.group(of: path)
            let step = AdamStep(
                learningRate: learningRate * group.learningRateFactor, beta1: beta1, beta2: beta2, epsilon: epsilon,
                weightDecay: decays(path, parameter.shape) ? weightDecay * group.weightDecayFactor : 0,
                isDecayDecoupled: isDecayDecoupled, gradientScale: gradientScale, index: moment.steps)
            let updated = parameter.backend.adamStep(
                AdamState(parameter: parameter, firstMoment: moment.first, secondMoment: moment.second),
                gradient: gradient.detached, step)
            result[path] = updated.parameter
            moments[path] = Moments(
                first: updated.firstMoment, second: updated.secondMoment, steps: moment.steps)
        }
        return result
    }

    /// `first_moment.<path>` and `second_moment.<path>` in the parameter's shape, and `step.<path>`, one int64.
    public var stateTensors: [String: Tensor] {
        var tensors: [String: Tensor] = [:]
        for (path, moment) in moments {
            tensors["first_moment." + path] = moment.first
            tensors["second_moment." + path] = moment.second
            tensors["step." + path] = Tensor([Int64(moment.steps)])
        }
        return tensors
    }

    public mutating func restore(
        _ tensors: [String: Tensor], for parameters: [String: Tensor]
    ) throws(OptimizerStateError) {
        let prefixes = ["first_moment.", "second_moment.", "step."]
        var paths: Set<String> = []
        for key in tensors.keys {
            for prefix in prefixes where key.hasPrefix(prefix) { paths.insert(String(key.dropFirst(prefix.count))) }
        }
        var restored: [String: Moments] = [:]
        for path in paths.sorted() {
            guard let parameter = parameters[path] else {
                throw OptimizerStateError(
                    key: "first_moment." + path, expected: "moments of known parameters only",
                    found: "no parameter \(path)")
            }
            func stored(_ key: String, _ shape: [Int], _ dtype: DType) throws(OptimizerStateError) -> Tensor {
                let found = tensors[key]
                guard let found, found.shape == shape, found.dtype == dtype else {
                    throw OptimizerStateError(
                        key: key, expected: "\(dtype.rawValue) \(shape)",
                        found: found.map { "\($0.dtype.rawValue) \($0.shape)" } ?? "no such tensor")
                }
                return found.detached.contiguous()
            }
            let first = try stored("first_moment." + path, parameter.shape, .float32)
            let second = try stored("second_moment." + path, parameter.shape, .float32)
            let steps = try stored("step." + path, [1], .int64).integers[0]
            guard (1...Int64(Int32.max)).contains(steps) else {
                throw OptimizerStateError(key: "step." + path, expected: "a count from 1", found: "\(steps)")
            }
            restored[path] = Moments(first: first, second: second, steps: Int(steps))
        }
        moments = restored
    }
}
