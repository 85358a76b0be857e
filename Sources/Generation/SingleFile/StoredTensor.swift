import TensorCore
import Weights

/// Where a parameter is stored, and in which form.
struct StoredTensor: Sendable, Hashable {
    enum Form: Sendable, Hashable {
        case same
        /// A matrix with its dimensions exchanged.
        case transposed
        /// One of the three equal parts of the first dimension.
        case third(Int)
        /// A 1x1 convolution's weight, as the matrix of a linear layer.
        case matrix
    }

    var key: String
    var form: Form
}

/// Weights under the names of one spelling, read from a file that has another; views, but for transposed matrices: as they lie in
/// memory, so are the sums of their products, and both layouts of a model shall draw the same bits.
struct RenamedSource: WeightSource {
    private let source: any WeightSource
    private let entries: [String: StoredTensor]
    private let floatingPoint: DType?
    let keys: Set<String>

    /// - Parameter floatingPoint: the type that floating-point tensors are converted to when they are asked for.
    init(_ source: any WeightSource, _ entries: [String: StoredTensor], floatingPoint: DType? = nil) {
        self.source = source
        self.entries = entries
        self.floatingPoint = floatingPoint
        keys = Set(entries.keys)
    }

    func tensor(_ key: String, shape: [Int]?, initial: Initialization?) throws -> Tensor? {
        guard let entry = entries[key], let stored = try source.tensor(entry.key, shape: nil, initial: nil) else {
            return nil
        }
        return try view(stored, entry).loaded(as: floatingPoint)
    }

    private func view(_ stored: Tensor, _ entry: StoredTensor) throws -> Tensor {
        func flaw(_ expected: String) -> WeightsError {
            WeightsError(entry.key, expected: expected, found: "\(stored.shape) in \(source.origin(of: entry.key))")
        }
        switch entry.form {
        case .same: return stored
        case .transposed:
            guard stored.rank == 2 else { throw flaw("a matrix") }
            return stored.transposed(0, 1).contiguous().frozen()
        case .third(let index):
            guard stored.rank > 0, stored.size(0) % 3 == 0 else { throw flaw("a first dimension of three parts") }
            let count = stored.size(0) / 3
            return stored.narrowed(0, start: index * count, count: count)
        case .matrix:
            if stored.rank == 2 { return stored }
            guard stored.rank == 4, stored.size(2) == 1, stored.size(3) == 1 else { throw flaw("a 1x1 kernel") }
            return stored.reshaped([stored.size(0), stored.size(1)])
        }
    }

    func origin(of key: String) -> String { entries[key].map { source.origin(of: $0.key) } ?? source.origin(of: key) }
}
