public import TensorCore

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// A slow copy of parameters, which samples better than the parameters themselves.
///
///     average = d · average + (1 - d) · parameter
///
/// Early on `d` is smaller, so that the random start is forgotten soon; the first update copies the parameters.
/// Follows diffusers `EMAModel`.
public struct ExponentialMovingAverage: Sendable {
    /// How `d` grows with the number `n` of updates before, counted from `firstStep`.
    public enum WarmUp: Sendable, Hashable, Codable {
        /// `d` is constant from the first update on.
        case none
        /// `min(decay, (1 + n) / (10 + n))`
        case ratio
        /// `min(decay, 1 - (1 + n / inverseGamma)^-power)`
        case power(inverseGamma: Double = 1, power: Double = 2 / 3)
    }

    public let decay: Double
    public let warmUp: WarmUp
    /// Updates up to this one copy the parameters.
    public let firstStep: Int
    /// The averages, by path.
    public private(set) var parameters: [String: Tensor]
    /// Updates done.
    public private(set) var step = 0

    public init(_ parameters: [String: Tensor], decay: Double, warmUp: WarmUp = .ratio, firstStep: Int = 0) {
        precondition(decay >= 0 && decay <= 1, "ExponentialMovingAverage: decay \(decay)")
        self.decay = decay
        self.warmUp = warmUp
        self.firstStep = firstStep
        self.parameters = parameters.mapValues { $0.detached.contiguous() }
    }

    /// The decay of the next update.
    public var nextDecay: Double {
        let n = Double(step - firstStep)
        switch warmUp {
        case .none: return step < firstStep ? 0 : decay
        case .ratio: return n <= 0 ? 0 : min(decay, (1 + n) / (10 + n))
        case .power(let inverseGamma, let power):
            return n <= 0 ? 0 : min(decay, 1 - pow(1 + n / inverseGamma, -power))
        }
    }

    /// Follows the parameters, which are those of the initialiser after a step.
    public mutating func update(_ current: [String: Tensor]) {
        // The kernel works in float32: a decay that float32 holds exactly makes the two factors add up to 1.
        let decay = Double(Float(nextDecay))
        for (path, parameter) in current {
            guard let average = parameters[path] else {
                preconditionFailure("ExponentialMovingAverage: no average of \(path)")
            }
            let parameter = parameter.detached.contiguous()
            parameters[path] = decay == 0 ? parameter : linearCombination(decay, average, 1 - decay, parameter)
        }
        step += 1
    }

    /// `average.<path>` of every parameter, and `average_step`, one int64.
    public var stateTensors: [String: Tensor] {
        var tensors = ["average_step": Tensor([Int64(step)])]
        for (path, average) in parameters { tensors["average." + path] = average }
        return tensors
    }

    /// Continues from stored state.
    ///
    /// - Parameter tensors: may hold other keys too.
    /// - Throws: `OptimizerStateError` when an average is missing or has another shape; nothing changes then.
    public mutating func restore(_ tensors: [String: Tensor]) throws(OptimizerStateError) {
        var restored: [String: Tensor] = [:]
        for (path, average) in parameters.sorted(by: { $0.key < $1.key }) {
            let key = "average." + path
            guard let found = tensors[key], found.shape == average.shape, found.dtype == average.dtype else {
                throw OptimizerStateError(
                    key: key, expected: "\(average.dtype.rawValue) \(average.shape)",
                    found: tensors[key].map { "\($0.dtype.rawValue) \($0.shape)" } ?? "no such tensor")
            }
            restored[path] = found.detached.contiguous()
        }
        guard let count = tensors["average_step"], count.count == 1, count.dtype == .int64, count.integers[0] >= 0
        else {
            throw OptimizerStateError(
                key: "average_step", expected: "one int64 from 0",
                found: tensors["average_step"].map { "\($0)" } ?? "no such tensor")
        }
        parameters = restored
        step = Int(count.integers[0])
    }
}
