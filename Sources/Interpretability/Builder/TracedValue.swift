/// A value of a graph being written: the number of a node.
public struct TracedValue {
    let builder: TraceBuilder
    public let id: Int

    private func unary(_ operation: Operation, _ change: (inout Node) -> Void = { _ in }) -> TracedValue {
        var node = Node(operation, inputs: [id])
        change(&node)
        return builder.add(node)
    }

    private static func binary(_ operation: Operation, _ a: TracedValue, _ b: TracedValue) -> TracedValue {
        a.builder.add(Node(operation, inputs: [a.id, b.id]))
    }

    public static func + (a: Self, b: Self) -> Self { binary(.add, a, b) }
    public static func - (a: Self, b: Self) -> Self { binary(.subtract, a, b) }
    public static func * (a: Self, b: Self) -> Self { binary(.multiply, a, b) }
    public static func / (a: Self, b: Self) -> Self { binary(.divide, a, b) }
    public static func * (a: Self, b: Double) -> Self { a.unary(.scale) { $0.number = b } }
    public static func * (a: Double, b: Self) -> Self { b * a }
    public static func + (a: Self, b: Double) -> Self { a.unary(.offset) { $0.number = b } }
    public static func += (a: inout Self, b: Self) { a = a + b }
    public static func *= (a: inout Self, b: Double) { a = a * b }

    public func maximum(_ other: Self) -> Self { Self.binary(.maximum, self, other) }
    public func minimum(_ other: Self) -> Self { Self.binary(.minimum, self, other) }
    public func matmul(_ other: Self) -> Self { Self.binary(.matmul, self, other) }

    public func exp() -> Self { unary(.exp) }
    public func log() -> Self { unary(.log) }
    public func sqrt() -> Self { unary(.sqrt) }
    public func square() -> Self { unary(.square) }
    public func abs() -> Self { unary(.abs) }
    public func relu() -> Self { unary(.relu) }
    public func sigmoid() -> Self { unary(.sigmoid) }
    public func tanh() -> Self { unary(.tanh) }

    /// The sum over axes, which disappear; all of them when nil.
    public func sum(_ axes: [Int]? = nil) -> Self { unary(.sum) { $0.axes = axes } }
    public func mean(_ axes: [Int]? = nil) -> Self { unary(.mean) { $0.axes = axes } }
    public func softmax(_ axis: Int = -1) -> Self { unary(.softmax) { $0.axes = [axis] } }
    public func logSoftmax(_ axis: Int = -1) -> Self { unary(.logSoftmax) { $0.axes = [axis] } }
    public func argmax(_ axis: Int = -1) -> Self { unary(.argmax) { $0.axes = [axis] } }

    public func reshaped(_ shape: [Int]) -> Self { unary(.reshape) { $0.shape = shape } }
    public func permuted(_ order: [Int]) -> Self { unary(.permute) { $0.axes = order } }

    /// One place of an axis, which disappears.
    public func at(_ index: Int, axis: Int) -> Self {
        unary(.select) { $0.selection = [.at(index, axis: "\(axis)")] }
    }

    /// Neighbouring places of an axis.
    public func places(_ range: Range<Int>, axis: Int) -> Self {
        unary(.select) { $0.selection = [.places(range, axis: "\(axis)")] }
    }

    /// What the model's final norm and head make of residuals.
    public func unembedded() -> Self { unary(.unembed) }
}
