public import TensorCore
public import Weights

/// A table of vectors, looked up by number.
public struct Embedding: Layer {
    public private(set) var weight: Tensor
    public let site: Int

    /// - Parameter initial: values to begin training with; torch's default is the standard normal distribution.
    public init(
        _ count: Int, _ width: Int, initial: Initialization = .normal(standardDeviation: 1), _ weights: ScopedWeights
    ) throws {
        weight = try weights.tensor("weight", shape: [count, width], initial: initial)
        site = weights.site
    }

    /// - Parameter indices: any shape, int64, each in `0..<count`.
    /// - Returns: `[indices..., width]`, float32.
    public func callAsFunction(_ indices: Tensor, _ pass: Pass) -> Tensor {
        pass.visit(site, .output, embedding(indices, weight).converted(to: .float32))
    }

    public mutating func mapParameters(_ transform: (Tensor) -> Tensor) {
        weight = transform(weight)
    }
}
