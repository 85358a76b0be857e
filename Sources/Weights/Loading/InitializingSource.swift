internal import Synchronization
public import TensorCore

/// Fresh parameters for a model that is trained from scratch, drawn as each layer says.
///
/// The numbers of a parameter depend on the seed, its key and its shape, and on nothing else: adding a layer to a
/// model, or building its layers in another order, changes no other parameter.
public final class InitializingSource: WeightSource {
    private let seed: UInt64
    private let created = Mutex<[String: Tensor]>([:])

    public init(seed: UInt64) { self.seed = seed }

    /// The parameters made so far, by key: the leaves to train.
    public var tensors: [String: Tensor] { created.withLock { $0 } }

    public var keys: Set<String> { Set(tensors.keys) }

    /// Makes the parameter, or returns the one made before: layers that share a key share its tensor.
    ///
    /// - Returns: nil without a shape or an initialization.
    public func tensor(_ key: String, shape: [Int]?, initial: Initialization?) -> Tensor? {
        created.withLock { created in
            if let tensor = created[key] { return tensor }
            guard let shape, let initial else { return nil }
            let tensor = initial.draw(shape, from: InitialNumbers(seed: seed, key: key))
            created[key] = tensor
            return tensor
        }
    }

    public func origin(of key: String) -> String { "the initial values" }
}

extension Initialization {
    /// A tensor of this initialization.
    func draw(_ shape: [Int], from numbers: InitialNumbers) -> Tensor {
        Tensor.filled(shape: shape, dtype: .float32) { bytes in
            let elements = bytes.bindMemory(to: Float.self)
            switch self {
            case .zeros: elements.update(repeating: 0)
            case .ones: elements.update(repeating: 1)
            case .constant(let value): elements.update(repeating: value)
            case .normal(let standardDeviation): numbers.fillNormal(elements, standardDeviation)
            case .uniform(let bound): numbers.fillUniform(elements, bound)
            case .kaimingUniform(let fanIn):
                precondition(fanIn > 0, "kaimingUniform: fan-in \(fanIn) of shape \(shape)")
                numbers.fillUniform(elements, 1 / Float(fanIn).squareRoot())
            }
        }
    }
}
