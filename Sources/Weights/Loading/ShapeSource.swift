internal import Synchronization
public import TensorCore

/// Gives every parameter that a model asks for, without memory of its own, and remembers the shapes: what a
/// configuration's model is made of.
public final class ShapeSource: WeightSource {
    private let known = Mutex<[String: [Int]]>([:])

    public init() {}

    /// The shapes asked for so far.
    public var shapes: [String: [Int]] { known.withLock { $0 } }

    public var keys: Set<String> { Set(shapes.keys) }

    public func tensor(_ key: String, shape: [Int]?, initial: Initialization?) -> Tensor? {
        guard let shape = shape ?? known.withLock({ $0[key] }) else { return nil }
        known.withLock { $0[key] = shape }
        return Tensor(scalar: 0).expanded(to: shape)
    }

    public func origin(of key: String) -> String { "the shapes of a configuration" }
}
