public import TensorCore

/// Turns gradients into better parameters. A value: its moments are part of it.
///
/// Parameters and gradients are dictionaries by path, as in a checkpoint.
public protocol Optimizer: Sendable {
    /// Takes one step.
    ///
    /// - Parameters:
    ///   - parameters: float32, by path.
    ///   - gradients: by the same paths and of the same shapes; a parameter without one stays as it is.
    ///   - learningRate: of this step.
    ///   - gradientScale: multiplies every gradient first; see `clippingScale`.
    /// - Returns: all parameters, untracked.
    mutating func step(
        parameters: [String: Tensor], gradients: [String: Tensor], learningRate: Double, gradientScale: Double
    ) -> [String: Tensor]

    /// Everything that the next step depends on, to store beside the parameters.
    var stateTensors: [String: Tensor] { get }

    /// Continues from stored state; the next step is bit for bit the one that would have followed.
    ///
    /// - Parameters:
    ///   - tensors: may hold other keys too.
    ///   - parameters: the parameters that the state belongs to.
    /// - Throws: `OptimizerStateError` when a tensor is missing or does not fit its parameter; nothing changes then.
    mutating func restore(_ tensors: [String: Tensor], for parameters: [String: Tensor]) throws(OptimizerStateError)
}

/// Stored optimiser state that does not fit.
public struct OptimizerStateError: Error, Sendable, Equatable, CustomStringConvertible {
    public let key: String
    public let expected: String
    public let found: String

    public var description: String { "\(key): expected \(expected), found \(found)" }
}

/// Parameters that learn at their own rate.
public struct ParameterGroup: Sendable, Hashable, Codable {
    /// A path or the beginning of one, up to a dot: `unet.down_blocks` covers `unet.down_blocks.0...`. Of several
    /// groups that cover a parameter the longest prefix counts; an empty one covers all.
    public var prefix: String
    public var learningRateFactor: Double
    public var weightDecayFactor: Double

    public init(prefix: String, learningRateFactor: Double = 1, weightDecayFactor: Double = 1) {
        self.prefix = prefix
        self.learningRateFactor = learningRateFactor
        self.weightDecayFactor = weightDecayFactor
    }

    func covers(_ path: String) -> Bool {
        prefix.isEmpty || path == prefix || path.hasPrefix(prefix.hasSuffix(".") ? prefix : prefix + ".")
    }
}

extension [ParameterGroup] {
    /// The group of a parameter; factors of 1 when none covers it.
    func group(of path: String) -> ParameterGroup {
        filter { $0.covers(path) }.max { $0.prefix.count < $1.prefix.count } ?? ParameterGroup(prefix: "")
    }
}
