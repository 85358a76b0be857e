/// A backend that computes shapes and nothing else: its tensors have no bytes.
///
/// Whatever meets one of its tensors runs here, as with any device, so a model that is given inputs "on" this backend
/// goes through all of its layers without reading a weight or taking memory for a result. What a device would copy back
/// is zeros.
public final class ShapeBackend: Backend {
    public static let shared = ShapeBackend()

    private init() {}

    /// An address that is never read.
    private let nowhere = NoMemory()

    /// A tensor of a shape, row-major.
    public func tensor(_ shape: [Int], dtype: DType = .float32) -> Tensor {
        made(Layout(rowMajor: shape), dtype)
    }

    func made(_ layout: Layout, _ dtype: DType = .float32) -> Tensor {
        Tensor(
            storage: Storage(device: nowhere.address, byteCount: 0, backend: self, owner: nowhere), dtype: dtype,
            layout: layout)
    }

    /// A result that lies in memory as `x` would.
    func made(like x: Tensor, _ dtype: DType? = nil) -> Tensor {
        made(Layout(shape: x.shape, order: x.layout.memoryOrder), dtype ?? x.dtype)
    }

    public var name: String { "shapes" }

    public func forget(_ storage: Storage) {}

    public func copiedToHost(_ x: Tensor) -> Tensor { Tensor.zeros(x.shape, dtype: x.dtype) }
    public func copiedFromHost(_ x: Tensor) -> Tensor { made(like: x) }

    // MARK: Data movement

    public func full(_ value: Double, shape: [Int], dtype: DType) -> Tensor { tensor(shape, dtype: dtype) }
    public func copy(_ x: Tensor, order: [Int]) -> Tensor { made(Layout(shape: x.shape, order: order), x.dtype) }
    public func convert(_ x: Tensor, to dtype: DType) -> Tensor { made(like: x, dtype) }

    public func assemble(
        _ parts: [(part: Tensor, start: [Int])], shape: [Int], order: [Int], background: Double
    ) -> Tensor {
        made(Layout(shape: shape, order: order), parts.first?.part.dtype ?? .float32)
    }

    public func gatherRows(_ table: Tensor, indices: Tensor) -> Tensor {
        tensor(indices.shape + table.shape.dropFirst(), dtype: table.dtype.isQuantized ? .float32 : table.dtype)
    }

    public func scatterAddRows(_ rows: Tensor, indices: Tensor, count: Int) -> Tensor {
        tensor([count] + rows.shape.dropFirst(indices.rank))
    }

    public func gather(_ x: Tensor, indices: Tensor, axis: Int) -> Tensor { tensor(indices.shape, dtype: x.dtype) }

    public func scatterAdd(_ updates: Tensor, indices: Tensor, axis: Int, size: Int) -> Tensor {
        var shape = updates.shape
        shape[axis] = size
        return tensor(shape)
    }

    // MARK: Elementwise

    public func unary(_ operation: UnaryOperation, _ x: Tensor) -> Tensor { made(like: x) }

    public func unaryBackward(_ operation: UnaryOperation, gradient: Tensor, x: Tensor, y: Tensor) -> Tensor {
        made(like: x)
    }

    public func binary(_ operation: BinaryOperation, _ a: Tensor, _ b: Tensor) -> Tensor {
        broadcast([a, b], a.dtype)
    }

    public func binary(_ operation: BinaryOperation, _ a: Tensor, scalar: Double) -> Tensor { made(like: a) }
    public func binary(_ operation: BinaryOperation, scalar: Double, _ b: Tensor) -> Tensor { made(like: b) }
    public func compare(_ operation: Comparison, _ a: Tensor, _ b: Tensor) -> Tensor { broadcast([a, b], .bool) }
    public func select(_ condition: Tensor, _ a: Tensor, _ b: Tensor) -> Tensor {
        broadcast([condition, a, b], a.dtype)
    }
    public func linearCombination(_ alpha: Double, _ x: Tensor, _ beta: Double, _ y: Tensor) -> Tensor { made(like: x) }

    private func broadcast(_ tensors: [Tensor], _ dtype: DType) -> Tensor {
        let shape = tensors.dropFirst().reduce(tensors[0].shape) { shape, next in
            guard let common = broadcastShape(shape, next.shape) else {
                preconditionFailure("shapes \(shape) and \(next.shape) do not broadcast")
            }
            return common
        }
        if let whole = tensors.first(where: { $0.shape == shape }) { return made(like: whole, dtype) }
        return tensor(shape, dtype: dtype)
    }

    // MARK: Reductions and scans

    public func reduce(_ reduction: Reduction, _ x: Tensor, axes: [Int]) -> Tensor {
        tensor(x.shape.enumerated().map { axes.contains($0.offset) ? 1 : $0.element })
    }

    public func argumentMaximum(_ x: Tensor, axis: Int) -> Tensor {
        tensor(x.shape.enumerated().map { $0.offset == axis ? 1 : $0.element }, dtype: .int64)
    }

    public func cumulative(_ scan: Scan, _ x: Tensor, axis: Int, reversed: Bool) -> Tensor { made(like: x) }

    // MARK: Optimisation

    public func adamStep(_ state: AdamState, gradient: Tensor, _ step: AdamStep) -> AdamState { state }
}

/// What an empty storage points at: an address that is not null, and never read.
private final class NoMemory: Sendable {
    var address: UnsafeMutableRawPointer {
        guard let address = UnsafeMutableRawPointer(bitPattern: 64) else { preconditionFailure("no address") }
        return address
    }
}
