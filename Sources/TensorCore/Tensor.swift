/// A dense array of numbers: a layout over shared storage, and the gradient node of the operation that made it.
///
/// A tensor is a value. Its elements never change; every operation makes a new tensor. Views (`permuted`, `narrowed`,
/// ...) share storage.
public struct Tensor: Sendable {
    public let layout: Layout
    public let dtype: DType
    public let storage: Storage
    let node: GradientNode?

    public init(storage: Storage, dtype: DType, layout: Layout) {
        self.init(storage: storage, dtype: dtype, layout: layout, node: nil)
    }

    init(storage: Storage, dtype: DType, layout: Layout, node: GradientNode?) {
        self.layout = layout
        self.dtype = dtype
        self.storage = storage
        self.node = node
    }

    public var shape: [Int] { layout.shape }
    public var rank: Int { layout.shape.count }
    public var count: Int { layout.count }
    public var backend: any Backend { storage.backend }

    /// The size of a dimension; negative numbers count from the end.
    public func size(_ dimension: Int) -> Int { shape[axis(dimension)] }

    /// Whether gradients reach this tensor.
    public var isTracked: Bool { node != nil }

    /// The same numbers without gradient history.
    public var detached: Tensor {
        node == nil ? self : Tensor(storage: storage, dtype: dtype, layout: layout)
    }

    /// A leaf: the same numbers, as a variable to differentiate with respect to.
    public func tracked() -> Tensor {
        precondition(dtype.isFloatingPoint && !dtype.isQuantized, "tracked: \(dtype) has no gradient")
        return Tensor(storage: storage, dtype: dtype, layout: layout, node: GradientNode.leaf())
    }

    /// The same numbers marked as long-lived weights: backends may keep a packed copy of them.
    public func frozen() -> Tensor {
        Tensor(storage: storage.frozen(), dtype: dtype, layout: layout)
    }

    /// A dimension number in `0..<rank` from one that may count from the end.
    func axis(_ dimension: Int) -> Int {
        let axis = dimension < 0 ? dimension + rank : dimension
        precondition(axis >= 0 && axis < rank, "dimension \(dimension) of a tensor of shape \(shape)")
        return axis
    }
}

extension Tensor: CustomStringConvertible {
    public var description: String {
        let shown = detached.floats.prefix(8).map { "\($0)" }.joined(separator: ", ")
        return "Tensor(\(dtype.rawValue) \(shape): [\(shown)\(count > 8 ? ", ..." : "")])"
    }
}
