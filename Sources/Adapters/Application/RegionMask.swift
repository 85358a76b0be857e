internal import Synchronization
public import TensorCore

/// Where in the picture an adapter acts: a mask of the whole picture, in any resolution.
///
/// Each layer sees the mask averaged down to its own feature map; a value between 0 and 1 is a share of the strength.
public struct RegionMask: Sendable {
    /// `[height, width]`, from 0 to 1.
    public let values: Tensor
    /// The mask before its edge was softened; nil for one that is as it was given.
    public var unsoftened: Unsoftened?
    private let cache = Cache()

    /// - Parameter values: `[height, width]`, from 0 to 1.
    public init(_ values: Tensor) {
        precondition(values.rank == 2 && values.count > 0, "region mask: shape \(values.shape)")
        self.values = values.converted(to: .float32).contiguous().frozen()
    }

    /// A mask with a sharp edge, and how far it is softened. How many places that is depends on the picture's shape.
    public struct Unsoftened: Sendable {
        /// `side · side`, row by row.
        public var values: [Float]
        /// As a share of the picture's shorter side.
        public var feather: Double

        public init(values: [Float], feather: Double) {
            self.values = values
            self.feather = feather
        }
    }

    /// 1 where the mask in another size is over 0, however little, 0 elsewhere: `[height, width]`.
    public func support(height: Int, width: Int) -> Tensor {
        let shares = resized(height: height, width: width)
        return Tensor(shares.floats.map { $0 > 0 ? 1 : 0 } as [Float], shape: shares.shape)
    }

    /// Whether no place is inside.
    public var isEmpty: Bool { cache.largest { maximum(values.reshaped([1, -1]), axis: 1).item } <= 0 }

    /// The mask in another size: the mean of the places that each new one covers.
    ///
    ///     result = rows · values · columnsᵀ
    ///
    /// - Returns: `[height, width]`.
    public func resized(height: Int, width: Int) -> Tensor {
        cache.map(height, width) {
            let rows = averaging(from: values.size(0), to: height)
            let columns = averaging(from: values.size(1), to: width)
            return matmul(matmul(rows, values), columns.transposed(0, 1)).frozen()
        }
    }

    /// Resized masks, for layers of one size follow each other many times.
    private final class Cache: Sendable {
        private let maps = Mutex<[[Int]: Tensor]>([:])
        private let peak = Mutex<Float?>(nil)

        func map(_ height: Int, _ width: Int, make: () -> Tensor) -> Tensor {
            if let found = maps.withLock({ $0[[height, width]] }) { return found }
            let made = make()
            maps.withLock { maps in
                if maps.count >= 32 { maps.removeAll() }
                maps[[height, width]] = made
            }
            return made
        }

        func largest(make: () -> Float) -> Float {
            if let found = peak.withLock({ $0 }) { return found }
            let made = make()
            peak.withLock { $0 = made }
            return made
        }
    }
}

/// The matrix that averages `source` places down (or repeats them up) to `target`: row i holds the share of each source
/// place in `[i, i + 1) * source / target`.
private func averaging(from source: Int, to target: Int) -> Tensor {
    var elements = [Float](repeating: 0, count: source * target)
    let step = Double(source) / Double(target)
    for row in 0..<target {
        let (start, end) = (Double(row) * step, Double(row + 1) * step)
        for column in Int(start)..<min(Int(end.rounded(.up)), source) {
            let share = min(end, Double(column + 1)) - max(start, Double(column))
            elements[row * source + column] = Float(max(share, 0) / step)
        }
    }
    return Tensor(elements, shape: [target, source])
}
