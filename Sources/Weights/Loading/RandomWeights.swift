public import TensorCore

/// Frozen random parameters of any shape, for measurements of networks whose weights do not matter.
///
/// Unlike `InitializingSource` it keeps nothing: a layer's tensor is freed with the layer.
public struct RandomWeights: WeightSource {
    private let seed: UInt64
    private let floatingPoint: DType

    /// - Parameter floatingPoint: the number format of the weights.
    public init(seed: UInt64 = 0, floatingPoint: DType = .float32) {
        self.seed = seed
        self.floatingPoint = floatingPoint
    }

    public var keys: Set<String> { [] }

    public func tensor(_ key: String, shape: [Int]?, initial: Initialization?) -> Tensor? {
        guard let shape, let initial else { return nil }
        return .deferred(shape: shape, dtype: floatingPoint) { [seed, floatingPoint] in
            initial.draw(shape, from: InitialNumbers(seed: seed, key: key)).converted(to: floatingPoint)
        }
    }

    public func origin(of key: String) -> String { "random weights" }
}
