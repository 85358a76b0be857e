/// How a parameter begins when a model is trained from scratch; the layer that owns it says so.
public enum Initialization: Sendable, Hashable {
    case zeros
    case ones
    case constant(Float)
    /// Normal with mean 0.
    case normal(standardDeviation: Float)
    /// Uniform in `[-bound, bound)`.
    case uniform(bound: Float)
    /// torch's default for linear layers and convolutions, weight and bias: uniform with bound `1 / sqrt(fanIn)`,
    /// which is Kaiming's uniform distribution with `a = sqrt(5)`.
    case kaimingUniform(fanIn: Int)
}
