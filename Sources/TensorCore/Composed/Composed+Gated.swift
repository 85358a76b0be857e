extension Composed {
    static func geglu(_ backend: any Backend, _ x: Tensor) -> Tensor {
        let halves = x.chunked(-1, count: 2)
        return halves[0] * backend.unary(.gelu, halves[1])
    }

    static func gegluBackward(_ backend: any Backend, _ gradient: Tensor, x: Tensor) -> Tensor {
        let halves = x.chunked(-1, count: 2)
        let (hidden, gate) = (halves[0], halves[1])
        let activated = backend.unary(.gelu, gate)
        let gateGradient = backend.unaryBackward(.gelu, gradient: gradient * hidden, x: gate, y: activated)
        let origin = [Int](repeating: 0, count: x.rank)
        return backend.assemble(
            [(gradient * activated, origin), (gateGradient, origin.dropLast() + [hidden.size(-1)])],
            shape: x.shape, order: Array(0..<x.rank), background: 0)
    }

    static func swiglu(_ backend: any Backend, gate: Tensor, up: Tensor) -> Tensor {
        backend.unary(.silu, gate) * up
    }

    static func swigluBackward(
        _ backend: any Backend, _ gradient: Tensor, gate: Tensor, up: Tensor
    ) -> (gate: Tensor, up: Tensor) {
        let activated = backend.unary(.silu, gate)
        let gateGradient = backend.unaryBackward(.silu, gradient: gradient * up, x: gate, y: activated)
        return (gateGradient, gradient * activated)
    }
}
