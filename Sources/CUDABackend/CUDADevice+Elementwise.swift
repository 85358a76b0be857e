public import TensorCore

extension CUDADevice {
    public func unary(_ operation: UnaryOperation, _ x: Tensor) -> Tensor {
        precondition(x.dtype == .float32, "\(operation): \(x.dtype)")
        let x = local(x).dense()
        let out = empty(like: x)
        launch(
            "unary_f32", in: .elementwise, .init(elements: x.count), .int32(operation.number), .tensor(out), .tensor(x),
            .int(x.count))
        return out
    }

    public func unaryBackward(_ operation: UnaryOperation, gradient: Tensor, x: Tensor, y: Tensor) -> Tensor {
        let y = local(y).dense()
        let (gradient, x) = (arranged(gradient, like: y), arranged(x, like: y))
        let out = empty(like: y)
        launch(
            "unary_backward_f32", in: .elementwise, .init(elements: y.count), .int32(operation.number), .tensor(out),
            .tensor(gradient), .tensor(x), .tensor(y), .int(y.count))
        return out
    }

    /// `x` in the order of the elements of `other`, which is dense.
    func arranged(_ x: Tensor, like other: Tensor) -> Tensor {
        let x = local(x)
        return x.layout.matches(other.layout) ? x : copy(x, order: other.layout.memoryOrder)
    }

    public func binary(_ operation: BinaryOperation, _ a: Tensor, _ b: Tensor) -> Tensor {
        precondition(a.dtype == b.dtype, "\(operation): \(a.dtype) and \(b.dtype)")
        let (a, b) = (local(a), local(b))
        let plan = BroadcastPlan(a, b)
        let out = empty(plan.layout, dtype: a.dtype)
        if plan.isFlat && a.dtype == .float32 {
            launch(
                "binary_flat_f32", in: .elementwise, .init(elements: out.count), .int32(operation.number), .tensor(out),
                .tensor(a), .tensor(b), .int(out.count))
        } else {
            launch(
                "binary_\(a.dtype.suffix)", in: .elementwise, .init(elements: out.count), .int32(operation.number),
                .tensor(out), .tensor(a), .tensor(b), plan.argument, .int(out.count))
        }
        return out
    }

    public func binary(_ operation: BinaryOperation, _ a: Tensor, scalar: Double) -> Tensor {
        scalarBinary(operation, a, scalar, isScalarFirst: false)
    }

    public func binary(_ operation: BinaryOperation, scalar: Double, _ b: Tensor) -> Tensor {
        scalarBinary(operation, b, scalar, isScalarFirst: true)
    }

    private func scalarBinary(
        _ operation: BinaryOperation, _ x: Tensor, _ scalar: Double, isScalarFirst: Bool
    ) -> Tensor {
        let x = local(x).dense()
        let out = empty(like: x)
        let value: KernelArgument =
            switch x.dtype {
            case .int64: .int(Int(scalar))
            case .int32: .int32(Int32(scalar))
            default: .float(Float(scalar))
            }
        launch(
            "binary_scalar_\(x.dtype.suffix)", in: .elementwise, .init(elements: x.count), .int32(operation.number),
            .tensor(out), .tensor(x), value, .flag(isScalarFirst), .int(x.count))
        return out
    }

    public func compare(_ operation: Comparison, _ a: Tensor, _ b: Tensor) -> Tensor {
        if a.dtype != b.dtype || ![.float32, .int32, .int64].contains(a.dtype) {
            return compare(operation, convert(a, to: .float32), convert(b, to: .float32))
        }
        let (a, b) = (local(a), local(b))
        let plan = BroadcastPlan(a, b)
        let out = empty(plan.layout, dtype: .bool)
        launch(
            "compare_\(a.dtype.suffix)", in: .elementwise, .init(elements: out.count), .int32(operation.number),
            .tensor(out), .tensor(a), .tensor(b), plan.argument, .int(out.count))
        return out
    }

    public func select(_ condition: Tensor, _ a: Tensor, _ b: Tensor) -> Tensor {
        precondition(a.dtype == b.dtype, "select: \(a.dtype) and \(b.dtype)")
        let (condition, a, b) = (local(condition), local(a), local(b))
        let plan = BroadcastPlan(a, b, condition)
        let out = empty(plan.layout, dtype: a.dtype)
        launch(
            "select_\(a.dtype.bits)", in: .elementwise, .init(elements: out.count), .tensor(out), .tensor(condition),
            .tensor(a), .tensor(b), plan.argument, .int(out.count))
        return out
    }

    public func linearCombination(_ alpha: Double, _ x: Tensor, _ beta: Double, _ y: Tensor) -> Tensor {
        let x = local(x).dense()
        let y = arranged(y, like: x)
        let out = empty(like: x)
        launch(
            "linear_combination_f32", in: .elementwise, .init(elements: x.count), .tensor(out), .float(Float(alpha)),
            .tensor(x), .float(Float(beta)), .tensor(y), .int(x.count))
        return out
    }
}

extension BroadcastPlan {
    /// `{ int rank; u32 shape[8]; i64 a[8], b[8], c[8]; }`
    fileprivate var argument: KernelArgument {
        let third = strides.count > 2 ? strides[2] : [Int](repeating: 0, count: rank)
        return StridedPlan(shape: shape, strides: [strides[0], strides[1], third]).argument
    }
}

extension DType {
    fileprivate var suffix: String {
        switch self {
        case .float32: "f32"
        case .int32: "i32"
        case .int64: "i64"
        default: preconditionFailure("CUDA: an operation on \(self)")
        }
    }
}

// The numbers that kernels know operations by: their places in the lists of `Backend.swift`.

extension UnaryOperation {
    fileprivate var number: Int32 { Int32(Self.allCases.firstIndex(of: self) ?? 0) }
}

extension BinaryOperation {
    fileprivate var number: Int32 { Int32(Self.allCases.firstIndex(of: self) ?? 0) }
}

extension Comparison {
    fileprivate var number: Int32 { Int32(Self.allCases.firstIndex(of: self) ?? 0) }
}

extension Reduction {
    var number: Int32 { Int32(Self.allCases.firstIndex(of: self) ?? 0) }
}
