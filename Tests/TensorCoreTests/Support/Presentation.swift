@testable import TensorCore

/// A way for the same numbers to lie in memory.
enum Presentation: String, CaseIterable, Sendable {
    case contiguous
    /// The first dimension is the fastest.
    case transposed
    /// Inside a larger tensor full of NaN, away from its start.
    case sliced
    /// Every second element of a tensor whose others are NaN.
    case stepped
    /// `[batch, spatial..., channels]` in memory; the dimensions rotated below rank 3.
    case channelsLast

    /// The elements of a contiguous float32 tensor in new memory.
    func present(_ x: Tensor, on backend: any Backend = CPUBackend.shared) -> Tensor {
        let shape = x.shape
        switch self {
        case .contiguous:
            return Presentation.place(x, memory: Layout(rowMajor: shape), on: backend)
        case .transposed:
            return Presentation.place(x, memory: Layout(shape: shape, order: shape.indices.reversed()), on: backend)
        case .sliced:
            let strides = Layout.rowMajorStrides(shape.map { $0 + 3 })
            return Presentation.place(
                x, memory: Layout(shape: shape, strides: strides, offset: strides.reduce(3) { $0 + $1 }), on: backend)
        case .stepped:
            let strides = Layout.rowMajorStrides(shape).map { $0 * 2 }
            return Presentation.place(x, memory: Layout(shape: shape, strides: strides, offset: 1), on: backend)
        case .channelsLast:
            var order = Array(shape.indices)
            if shape.count >= 3 {
                order = [0] + Array(2..<shape.count) + [1]
            } else if shape.count == 2 {
                order = [1, 0]
            }
            return Presentation.place(x, memory: Layout(shape: shape, order: order), on: backend)
        }
    }

    /// Writes the elements to where `memory` puts them, and NaN everywhere else.
    static func place(_ x: Tensor, memory: Layout, on backend: any Backend = CPUBackend.shared) -> Tensor {
        let elements = x.floats
        let last = zip(memory.shape, memory.strides).reduce(memory.offset) { $0 + max($1.0 - 1, 0) * $1.1 }
        let storage = Storage(byteCount: (last + 4) * 4)
        let floats = storage.pointer.assumingMemoryBound(to: Float.self)
        for i in 0..<(last + 4) { floats[i] = .nan }
        var index = [Int](repeating: 0, count: memory.rank)
        for element in elements {
            floats[zip(index, memory.strides).reduce(memory.offset) { $0 + $1.0 * $1.1 }] = element
            for dimension in index.indices.reversed() {
                index[dimension] += 1
                if index[dimension] < memory.shape[dimension] { break }
                index[dimension] = 0
            }
        }
        let line = Tensor(storage: storage, dtype: .float32, layout: Layout(rowMajor: [last + 4])).moved(to: backend)
        return Tensor(storage: line.storage, dtype: .float32, layout: memory)
    }

    /// The first place of a dimension repeated by a stride of 0 over the whole dimension.
    static func broadcast(
        _ x: Tensor, along dimension: Int, on backend: any Backend = CPUBackend.shared
    ) -> Tensor {
        let one = place(
            x.narrowed(dimension, start: 0, count: 1).contiguous(),
            memory: Layout(rowMajor: x.shape.enumerated().map { $0.offset == dimension ? 1 : $0.element }),
            on: backend)
        var strides = one.layout.strides
        strides[dimension] = 0
        return Tensor(storage: one.storage, dtype: .float32, layout: Layout(shape: x.shape, strides: strides))
    }
}
