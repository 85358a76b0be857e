/// Where the elements of a tensor lie in its storage: element `[i, j, ...]` is at `offset + i * strides[0] + ...`.
///
/// Shapes are logical (`[batch, channels, height, width]` as in PyTorch); strides say how the memory is ordered, so
/// a feature map is channels-last when its channel stride is 1. Strides and offset count elements, not bytes.
public struct Layout: Sendable, Hashable {
    public let shape: [Int]
    public let strides: [Int]
    public let offset: Int

    public init(shape: [Int], strides: [Int], offset: Int = 0) {
        precondition(shape.count == strides.count, "layout: \(shape.count) dimensions with \(strides.count) strides")
        self.shape = shape
        self.strides = strides
        self.offset = offset
    }

    /// A row-major layout: the last dimension is contiguous.
    public init(rowMajor shape: [Int]) {
        self.init(shape: shape, strides: Layout.rowMajorStrides(shape))
    }

    /// A dense layout whose dimensions lie in memory in the given order, slowest first.
    public init(shape: [Int], order: [Int]) {
        var strides = [Int](repeating: 1, count: shape.count)
        var step = 1
        for dimension in order.reversed() {
            strides[dimension] = step
            step *= max(shape[dimension], 1)
        }
        self.init(shape: shape, strides: strides)
    }

    public var rank: Int { shape.count }

    public var count: Int { shape.reduce(1, *) }

    /// Whether there are no elements; any strides will do then.
    public var isEmpty: Bool { shape.contains(0) }

    public static func rowMajorStrides(_ shape: [Int]) -> [Int] {
        var strides = [Int](repeating: 1, count: shape.count)
        var step = 1
        for dimension in shape.indices.reversed() {
            strides[dimension] = step
            step *= max(shape[dimension], 1)
        }
        return strides
    }

    /// Whether the elements lie in row-major order without gaps.
    public var isContiguous: Bool {
        if count == 0 { return true }
        var step = 1
        for dimension in shape.indices.reversed() where shape[dimension] != 1 {
            if strides[dimension] != step { return isEmpty }
            step *= shape[dimension]
        }
        return true
    }

    /// Dimensions from the slowest in memory to the fastest; equal strides keep their logical order.
    public var memoryOrder: [Int] {
        shape.indices.sorted { a, b in
            let (x, y) = (strides[a], strides[b])
            return x == y ? a < b : x > y
        }
    }

    /// Whether the elements fill their memory without gaps or overlap, in any order of the dimensions.
    public var isDense: Bool {
        if isContiguous { return true }
        var step = 1
        for dimension in memoryOrder.reversed() where shape[dimension] != 1 {
            if strides[dimension] != step { return isEmpty }
            step *= shape[dimension]
        }
        return true
    }

    /// Whether a `[batch, channels, spatial...]` layout is stored as `[batch, spatial..., channels]` without gaps.
    public var isChannelsLast: Bool {
        guard rank >= 3 else { return false }
        if count == 0 { return true }
        let channelsLast = [0] + Array(2..<rank) + [1]
        var step = 1
        for dimension in channelsLast.reversed() where shape[dimension] != 1 {
            if strides[dimension] != step { return isEmpty }
            step *= shape[dimension]
        }
        return true
    }

    /// Whether two dense layouts put equal indices at equal distances from their offsets.
    package func matches(_ other: Layout) -> Bool {
        guard shape == other.shape else { return false }
        for dimension in shape.indices where shape[dimension] != 1 && strides[dimension] != other.strides[dimension] {
            return false
        }
        return true
    }

    package func permuted(_ order: [Int]) -> Layout {
        Layout(shape: order.map { shape[$0] }, strides: order.map { strides[$0] }, offset: offset)
    }
}

/// Shapes broadcast as in NumPy: aligned at the last dimension, where 1 stretches.
public func broadcastShape(_ a: [Int], _ b: [Int]) -> [Int]? {
    if a == b { return a }
    let rank = max(a.count, b.count)
    var shape = [Int](repeating: 1, count: rank)
    for i in 0..<rank {
        let x = i < rank - a.count ? 1 : a[i - (rank - a.count)]
        let y = i < rank - b.count ? 1 : b[i - (rank - b.count)]
        guard x == y || x == 1 || y == 1 else { return nil }
        shape[i] = x == 1 ? y : x
    }
    return shape
}
