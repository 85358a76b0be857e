internal import CKernels

extension CPUBackend {
    public func unary(_ operation: UnaryOperation, _ x: Tensor) -> Tensor {
        precondition(x.dtype == .float32, "\(operation): \(x.dtype)")
        let x = x.dense()
        let out = Tensor.empty(like: x)
        return kernel(into: out, from: x) { tk_unary_f32(operation.kernel, out.pointer(), x.pointer(), x.count) }
    }

    public func unaryBackward(_ operation: UnaryOperation, gradient: Tensor, x: Tensor, y: Tensor) -> Tensor {
        // `y` has the memory order of dense `x`; bring the gradient to it.
        let order = y.layout.memoryOrder
        let gradient = gradient.layout.matches(y.layout) ? gradient : copy(gradient, order: order)
        let x = x.layout.matches(y.layout) ? x : copy(x, order: order)
        let out = Tensor.empty(like: y)
        return kernel(into: out, from: gradient, x, y) {
            tk_unary_backward_f32(
                operation.kernel, out.pointer(), gradient.pointer(), x.pointer(), y.pointer(), out.count)
        }
    }

    public func binary(_ operation: BinaryOperation, _ a: Tensor, _ b: Tensor) -> Tensor {
        precondition(a.dtype == b.dtype, "\(operation): \(a.dtype) and \(b.dtype)")
        precondition([.float32, .int32, .int64].contains(a.dtype), "\(operation): \(a.dtype)")
        if a.dtype == .float32 && a.shape == b.shape && a.layout.isContiguous && b.layout.isContiguous {
            let out = Tensor.empty(a.shape)
            return kernel(into: out, from: a, b) {
                tk_binary_f32(operation.kernel, out.pointer(), a.pointer(), b.pointer(), out.count)
            }
        }
        let plan = BroadcastPlan(a, b)
        let out = Tensor.empty(plan.layout, dtype: a.dtype)
        return kernel(into: out, from: a, b) {
            switch (a.dtype, plan.isFlat) {
            case (.int64, _):
                tk_binary_strided_i64(
                    operation.kernel, out.pointer(), plan.rank, plan.shape, a.pointer(), plan.strides[0], b.pointer(),
                    plan.strides[1])
            case (.int32, _):
                tk_binary_strided_i32(
                    operation.kernel, out.pointer(), plan.rank, plan.shape, a.pointer(), plan.strides[0], b.pointer(),
                    plan.strides[1])
            case (_, true): tk_binary_f32(operation.kernel, out.pointer(), a.pointer(), b.pointer(), out.count)
            case (_, false):
                tk_binary_strided_f32(
                    operation.kernel, out.pointer(), plan.rank, plan.shape, a.pointer(), plan.strides[0], b.pointer(),
                    plan.strides[1])
            }
        }
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
        let x = x.dense()
        let out = Tensor.empty(like: x)
        let op = operation.kernel
        return kernel(into: out, from: x) {
            switch x.dtype {
            case .int64:
                tk_binary_scalar_i64(op, out.pointer(), x.pointer(), Int64(scalar), isScalarFirst, x.count)
            case .int32:
                tk_binary_scalar_i32(op, out.pointer(), x.pointer(), Int32(scalar), isScalarFirst, x.count)
            default: tk_binary_scalar_f32(op, out.pointer(), x.pointer(), Float(scalar), isScalarFirst, x.count)
            }
        }
    }

    public func compare(_ operation: Comparison, _ a: Tensor, _ b: Tensor) -> Tensor {
        if a.dtype != b.dtype || (a.dtype != .float32 && a.dtype != .int32 && a.dtype != .int64) {
            return compare(operation, convert(a, to: .float32), convert(b, to: .float32))
        }
        let plan = BroadcastPlan(a, b)
        let out = Tensor.empty(plan.layout, dtype: .bool)
        let op = operation.kernel
        return kernel(into: out, from: a, b) {
            switch a.dtype {
            case .int64:
                tk_compare_strided_i64(
                    op, out.pointer(), plan.rank, plan.shape, a.pointer(), plan.strides[0], b.pointer(),
                    plan.strides[1])
            case .int32:
                tk_compare_strided_i32(
                    op, out.pointer(), plan.rank, plan.shape, a.pointer(), plan.strides[0], b.pointer(),
                    plan.strides[1])
            default:
                tk_compare_strided_f32(
                    op, out.pointer(), plan.rank, plan.shape, a.pointer(), plan.strides[0], b.pointer(),
                    plan.strides[1])
            }
        }
    }

    public func select(_ condition: Tensor, _ a: Tensor, _ b: Tensor) -> Tensor {
        precondition(a.dtype == b.dtype, "select: \(a.dtype) and \(b.dtype)")
        let plan = BroadcastPlan(a, b, condition)
        let out = Tensor.empty(plan.layout, dtype: a.dtype)
        return kernel(into: out, from: condition, a, b) {
            tk_where_strided(
                a.dtype.byteCount, out.rawPointer, plan.rank, plan.shape, condition.pointer(), plan.strides[2],
                a.rawPointer, plan.strides[0], b.rawPointer, plan.strides[1])
        }
    }

    public func linearCombination(_ alpha: Double, _ x: Tensor, _ beta: Double, _ y: Tensor) -> Tensor {
        let x = x.dense()
        let y = y.layout.matches(x.layout) ? y : copy(y, order: x.layout.memoryOrder)
        let out = Tensor.empty(like: x)
        return kernel(into: out, from: x, y) {
            tk_axpby_f32(out.pointer(), Float(alpha), x.pointer(), Float(beta), y.pointer(), out.count)
        }
    }
}

extension UnaryOperation {
    fileprivate var kernel: tk_unary_op {
        switch self {
        case .negate: TK_NEGATE
        case .absolute: TK_ABS
        case .exponential: TK_EXP
        case .logarithm: TK_LOG
        case .squareRoot: TK_SQRT
        case .reciprocalSquareRoot: TK_RSQRT
        case .reciprocal: TK_RECIPROCAL
        case .square: TK_SQUARE
        case .sine: TK_SIN
        case .cosine: TK_COS
        case .tanh: TK_TANH
        case .errorFunction: TK_ERF
        case .sigmoid: TK_SIGMOID
        case .silu: TK_SILU
        case .gelu: TK_GELU
        case .geluTanh: TK_GELU_TANH
        case .quickGELU: TK_QUICK_GELU
        case .relu: TK_RELU
        case .softplus: TK_SOFTPLUS
        case .floor: TK_FLOOR
        case .ceiling: TK_CEIL
        case .round: TK_ROUND
        case .sign: TK_SIGN
        }
    }
}

extension BinaryOperation {
    fileprivate var kernel: tk_binary_op {
        switch self {
        case .add: TK_ADD
        case .subtract: TK_SUB
        case .multiply: TK_MUL
        case .divide: TK_DIV
        case .maximum: TK_MAX
        case .minimum: TK_MIN
        case .power: TK_POW
        }
    }
}

extension Comparison {
    fileprivate var kernel: tk_compare_op {
        switch self {
        case .equal: TK_EQ
        case .notEqual: TK_NE
        case .less: TK_LT
        case .lessOrEqual: TK_LE
        case .greater: TK_GT
        case .greaterOrEqual: TK_GE
        }
    }
}
