public import TensorCore

/// Where parameters come from: files, a dictionary, or a random source.
public protocol WeightSource: Sendable {
    /// The tensor stored under `key`, or nil when there is none.
    ///
    /// The source need not compare its tensor with `shape`; `ScopedWeights` does. Both `shape` and `initial` are for
    /// sources that make tensors: without them they make none.
    func tensor(_ key: String, shape: [Int]?, initial: Initialization?) throws -> Tensor?

    /// Every key that is stored here, from which unused ones are found.
    var keys: Set<String> { get }

    /// The file or other place of a key, or of them all when the key is not there, for messages.
    func origin(of key: String) -> String
}

/// Tensors held in memory: a trainer's leaves, or a test's.
public struct DictionarySource: WeightSource {
    private let tensors: [String: Tensor]
    private let name: String
    public let keys: Set<String>

    /// - Parameter name: what the dictionary is, for messages.
    public init(_ tensors: [String: Tensor], name: String = "memory") {
        self.tensors = tensors
        self.name = name
        keys = Set(tensors.keys)
    }

    public func tensor(_ key: String, shape: [Int]?, initial: Initialization?) -> Tensor? { tensors[key] }

    public func origin(of key: String) -> String { name }
}

/// Several sources, asked in turn: a checkpoint, and fresh values for what it lacks.
public struct LayeredSource: WeightSource {
    private let sources: [any WeightSource]
    public let keys: Set<String>

    public init(_ sources: [any WeightSource]) {
        self.sources = sources
        keys = sources.reduce(into: []) { $0.formUnion($1.keys) }
    }

    public func tensor(_ key: String, shape: [Int]?, initial: Initialization?) throws -> Tensor? {
        for source in sources {
            if let tensor = try source.tensor(key, shape: shape, initial: initial) { return tensor }
        }
        return nil
    }

    public func origin(of key: String) -> String {
        if let holder = sources.first(where: { $0.keys.contains(key) }) { return holder.origin(of: key) }
        return sources.map { $0.origin(of: key) }.joined(separator: ", ")
    }
}

extension Tensor {
    /// The stored tensor in the number format that a model is loaded in. It is converted when it is first read, so that
    /// weights which a kernel packs are never in memory twice.
    ///
    /// - Parameter floatingPoint: the type of floating-point tensors; nil keeps them as they are stored, and mapped.
    public func loaded(as floatingPoint: DType?) -> Tensor {
        guard let floatingPoint, dtype.isFloatingPoint, dtype != floatingPoint else { return self }
        return .deferred(shape: shape, dtype: floatingPoint) {
            defer { self.dropPages() }
            return self.converted(to: floatingPoint)
        }
    }
}
