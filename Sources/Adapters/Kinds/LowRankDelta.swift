public import TensorCore

/// LoRA of linear layers and convolutions, and LoCon with a core in the middle.
///
///     change = up · down                      down [rank, inputs, kernel, kernel], up [outputs, rank, 1, 1]
///     change = up · mid · down                down [rank, inputs, 1, 1], mid [rank, rank, kernel, kernel]
///
/// Follows LyCORIS `modules/locon.py`.
public struct LowRankDelta: AdapterDelta {
    public static let kind = "lora"
    public static let roles: Set<AdapterRole> = [.down, .up, .mid]

    /// `[rank, inputs]`, or `[rank, inputs, kernel, kernel]`; `[rank, inputs, 1, 1]` beside a core.
    public let down: Tensor
    /// `[outputs, rank]`.
    public let up: Tensor
    /// `[rank of up, rank of down, kernel, kernel]`.
    public let mid: Tensor?
    public let scale: Double

    public init(down: Tensor, up: Tensor, mid: Tensor? = nil, scale: Double = 1) {
        self.down = down
        self.up = up
        self.mid = mid
        self.scale = scale
    }

    public init(_ tensors: [AdapterRole: Tensor], scale: StoredScale, module: AdaptableModule) throws {
        let reader = RoleReader(tensors: tensors, module: module)
        let stored = try reader.require(.down, "[rank, ...]")
        guard stored.rank >= 2 else { throw reader.flaw(.down, expected: "of two dimensions or four") }
        let rank = stored.size(0)
        try reader.check(rank: rank, .down)
        let kernel = tensors[.mid] == nil ? module.kernel : module.kernel.map { _ in 1 }
        let shape = [rank, module.inputs] + kernel
        // A 1x1 convolution and a linear layer are the same map: files have either form for either layer.
        guard stored.size(1) == module.inputs, stored.count == shape.reduce(1, *) else {
            throw reader.flaw(.down, expected: "\(shape) of a layer \(module.shape)")
        }
        down = stored.reshaped(shape)
        mid = tensors[.mid]
        let inner = mid?.size(0) ?? rank
        up = try reader.matrix(.up, "[\(module.outputs), \(inner)]")
        guard up.shape == [module.outputs, inner] else {
            throw reader.flaw(.up, expected: "[\(module.outputs), \(inner)]")
        }
        if let mid {
            guard module.isConvolution, mid.shape == [inner, rank] + module.kernel else {
                throw reader.flaw(.mid, expected: "[rank, \(rank)] and the kernel \(module.kernel)")
            }
        }
        self.scale = scale.factor(rank: rank)
    }

    public var tensors: [AdapterRole: Tensor] {
        var tensors: [AdapterRole: Tensor] = [.down: down, .up: up]
        tensors[.mid] = mid
        return tensors
    }

    public var rank: Int? { down.size(0) }
    public var linearRole: AdapterRole { .up }

    public func replacing(_ tensors: [AdapterRole: Tensor], scale: Double) -> LowRankDelta {
        LowRankDelta(
            down: tensors[.down] ?? down, up: tensors[.up] ?? up, mid: tensors[.mid] ?? mid, scale: scale)
    }

    /// With a core, `down` and `mid` are one kernel: `kernel[s] = sum over r of mid[s, r] down[r]`.
    public var product: LowRankProduct? {
        let (down, up) = (down.converted(to: .float32), up.converted(to: .float32))
        guard let mid = mid?.converted(to: .float32) else { return LowRankProduct(down: down, up: up) }
        let (outer, inner) = (mid.size(0), mid.size(1))
        let places = mid.permuted([0, 2, 3, 1]).reshaped([-1, inner])
        let kernel = matmul(places, down.reshaped([inner, -1]))
        let map = kernel.reshaped([outer, mid.size(2), mid.size(3), -1]).permuted([0, 3, 1, 2]).contiguous()
        return LowRankProduct(down: map, up: up)
    }

    public func dense(_ module: AdaptableModule) -> Tensor {
        guard let product else { preconditionFailure("a low-rank change is a product") }
        let flat = product.down.reshaped([product.rank, -1])
        let change = matmul(product.up, flat) * scale
        return change.reshaped(module.shape)
    }
}
