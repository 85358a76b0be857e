public import TensorCore

/// Prodigy: Adam that finds its step size by itself (Mishchenko and Defazio, arXiv 2306.06101).
///
///     n = beta3 n + (d/d0) · d·rate · Σ g·(p0 - p),    s = beta3 s + (d/d0) · d·rate · g
///     m = beta1 m + d (1 - beta1) g,    v = beta2 v + d² (1 - beta2) g²,    d = max(d, n / Σ|s|)
///     p = p - d·rate · (decay · p + m / (sqrt(v) + d epsilon))
///
/// with `beta3 = sqrt(beta2)`. The learning rate is a factor of the step size found; 1 is usual.
public struct Prodigy: Optimizer {
    public var beta1: Double
    public var beta2: Double
    public var epsilon: Double
    public var weightDecay: Double
    /// The step size to begin with.
    public let initialStepSize: Double
    /// The step size found so far.
    public private(set) var stepSize: Double
    private var numerator = 0.0
    private var largest: Double
    private var moments: [String: Moments] = [:]

    private struct Moments: Sendable {
        var first: Tensor
        var second: Tensor
        var sum: Tensor
        var start: Tensor
    }

    public init(
        beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8, weightDecay: Double = 0,
        initialStepSize: Double = 1e-6
    ) {
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.weightDecay = weightDecay
        self.initialStepSize = initialStepSize
        stepSize = initialStepSize
        largest = initialStepSize
    }

    public mutating func step(
        parameters: [String: Tensor], gradients: [String: Tensor], learningRate: Double, gradientScale: Double = 1
    ) -> [String: Tensor] {
        var result = parameters.mapValues(\.detached)
        guard learningRate > 0 else { return result }
        let beta3 = beta2.squareRoot()
        let d = stepSize
        let rate = d * learningRate
        numerator *= beta3
        var denominator = 0.0
        // In the order of the paths, so that the sums have the same bits every time.
        let paths = gradients.keys.sorted()
        for path in paths {
            guard let parameter = result[path], let raw = gradients[path] else {
                preconditionFailure("Prodigy: a gradient for \(path), which is no parameter")
            }
            let gradient = raw.detached * gradientScale
            var moment =
                moments[path]
                ?? Moments(
                    first: .zeros(parameter.shape), second: .zeros(parameter.shape), sum: .zeros(parameter.shape),
                    start: parameter)
            numerator += d / initialStepSize * rate * Double(sum(gradient * (moment.start - parameter)).item)
            moment.first = beta1 * moment.first + (d * (1 - beta1)) * gradient
            moment.second = beta2 * moment.second + (d * d * (1 - beta2)) * square(gradient)
            moment.sum = beta3 * moment.sum + (d / initialStepSize * rate) * gradient
            denominator += Double(sum(abs(moment.sum)).item)
            moments[path] = moment
        }
        guard denominator > 0 else { return result }
        let found = numerator / denominator
        if d == initialStepSize { stepSize = max(d, found) }
        largest = max(largest, found)
        stepSize = max(stepSize, largest)
        for path in paths {
            guard let parameter = result[path], let moment = moments[path] else { continue }
            let direction = moment.first / (sqrt(moment.second) + stepSize * epsilon)
            result[path] = (1 - rate * weightDecay) * parameter - rate * direction
        }
        return result
    }

    /// `first_moment.<path>`, `second_moment.<path>`, `gradient_sum.<path>`, `start.<path>`, and `step_size`, the
    /// bits of three doubles.
    public var stateTensors: [String: Tensor] {
        let numbers = [stepSize, largest, numerator].map { Int64(bitPattern: $0.bitPattern) }
        var tensors = ["step_size": Tensor(numbers)]
        for (path, moment) in moments {
            tensors["first_moment." + path] = moment.first
            tensors["second_moment." + path] = moment.second
            tensors["gradient_sum." + path] = moment.sum
            tensors["start." + path] = moment.start
        }
        return tensors
    }

    public mutating func restore(
        _ tensors: [String: Tensor], for parameters: [String: Tensor]
    ) throws(OptimizerStateError) {
        guard let sizes = tensors["step_size"], sizes.shape == [3], sizes.dtype == .int64 else {
            throw OptimizerStateError(
                key: "step_size", expected: "int64 [3]", found: tensors["step_size"].map { "\($0.shape)" } ?? "none")
        }
        let first = try storedState(tensors, "first_moment.", for: parameters)
        let second = try storedState(tensors, "second_moment.", for: parameters)
        let sums = try storedState(tensors, "gradient_sum.", for: parameters)
        let starts = try storedState(tensors, "start.", for: parameters)
        var restored: [String: Moments] = [:]
        for (path, first) in first {
            guard let second = second[path], let sum = sums[path], let start = starts[path] else {
                throw OptimizerStateError(
                    key: "second_moment." + path, expected: "all four states of \(path)", found: "fewer")
            }
            restored[path] = Moments(first: first, second: second, sum: sum, start: start)
        }
        moments = restored
        let values = sizes.integers.map { Double(bitPattern: UInt64(bitPattern: $0)) }
        (stepSize, largest, numerator) = (values[0], values[1], values[2])
    }
}
