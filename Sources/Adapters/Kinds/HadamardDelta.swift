public import TensorCore

/// LoHa: the elementwise product of two low-rank matrices.
///
///     change = (w1_a · w1_b) * (w2_a · w2_b)           w_a [outputs, rank], w_b [rank, inputs * kernel places]
///     half[p, r, ...] = sum of t[i, j, ...] w_a[i, p] w_b[j, r]     with cores t [rank, rank, kernel, kernel]
///
/// Follows LyCORIS `functional/loha.py`.
public struct HadamardDelta: AdapterDelta {
    public static let kind = "loha"
    public static let roles: Set<AdapterRole> = [
        .hadamard1A, .hadamard1B, .hadamard2A, .hadamard2B, .hadamard1Core, .hadamard2Core,
    ]

    public let tensors: [AdapterRole: Tensor]
    public let scale: Double

    public init(_ tensors: [AdapterRole: Tensor], scale: StoredScale, module: AdaptableModule) throws {
        let reader = RoleReader(tensors: tensors, module: module)
        let rank = try reader.matrix(.hadamard1B, "[rank, inputs]").size(0)
        try reader.check(rank: rank, .hadamard1B)
        for (a, b, core) in Self.halves {
            let hasCore = tensors[core] != nil
            let left = hasCore ? [rank, module.outputs] : [module.outputs, rank]
            let right = [rank, hasCore ? module.inputs : module.fanIn]
            for (role, shape) in [(a, left), (b, right)] {
                guard try reader.matrix(role, "\(shape)").shape == shape else {
                    throw reader.flaw(role, expected: "\(shape)")
                }
            }
            if let tensor = tensors[core], tensor.shape != [rank, rank] + module.kernel || !module.isConvolution {
                throw reader.flaw(core, expected: "\([rank, rank] + module.kernel)")
            }
        }
        guard (tensors[.hadamard1Core] == nil) == (tensors[.hadamard2Core] == nil) else {
            throw reader.flaw(.hadamard2Core, expected: "and hada_t1 together")
        }
        self.init(tensors: tensors, scale: scale.factor(rank: rank))
    }

    private init(tensors: [AdapterRole: Tensor], scale: Double) {
        self.tensors = tensors
        self.scale = scale
    }

    private static let halves: [(AdapterRole, AdapterRole, AdapterRole)] = [
        (.hadamard1A, .hadamard1B, .hadamard1Core), (.hadamard2A, .hadamard2B, .hadamard2Core),
    ]

    public var rank: Int? { tensors[.hadamard1B]?.size(0) }
    public var linearRole: AdapterRole { .hadamard1A }

    public func replacing(_ tensors: [AdapterRole: Tensor], scale: Double) -> HadamardDelta {
        HadamardDelta(tensors: self.tensors.merging(tensors) { _, new in new }, scale: scale)
    }

    public func dense(_ module: AdaptableModule) -> Tensor {
        let halves = Self.halves.map { a, b, core in
            guard let left = tensors[a], let right = tensors[b] else {
                preconditionFailure("loha: a factor is missing")
            }
            if let core = tensors[core] { return rebuilt(core: core, left, right).reshaped(module.shape) }
            return matmul(asMatrix(left), asMatrix(right)).reshaped(module.shape)
        }
        return halves[0] * halves[1] * scale
    }
}

/// `result[p, r, ...] = sum over i, j of core[i, j, ...] left[i, p] right[j, r]`, the product of Tucker's form.
///
/// - Parameters:
///   - core: `[i, j, height, width]`.
///   - left: `[i, p]`.
///   - right: `[j, r]`.
/// - Returns: `[p, r, height, width]`.
func rebuilt(core: Tensor, _ left: Tensor, _ right: Tensor) -> Tensor {
    let core = core.converted(to: .float32)
    let (left, right) = (asMatrix(left), asMatrix(right))
    let (height, width) = (core.size(2), core.size(3))
    // [i, y, x, j] · [j, r], then [p, i] · [i, y x r].
    let inner = matmul(core.permuted([0, 2, 3, 1]).reshaped([-1, core.size(1)]), right)
    let outer = matmul(left.transposed(0, 1), inner.reshaped([core.size(0), -1]))
    return outer.reshaped([left.size(1), height, width, right.size(1)]).permuted([0, 3, 1, 2])
}

/// The float32 matrix of a tensor whose dimensions after the second are 1.
func asMatrix(_ x: Tensor) -> Tensor {
    let x = x.converted(to: .float32)
    return x.rank == 2 ? x : x.reshaped([x.size(0), x.size(1)])
}
