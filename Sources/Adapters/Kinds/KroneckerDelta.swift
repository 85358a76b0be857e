public import TensorCore

/// LoKr: a Kronecker product whose factors may be products themselves.
///
///     change = w1 (x) w2,   w1 = w1_a · w1_b,   w2 = w2_a · w2_b   or   w2[p, r, ...] = sum of t2[i, j, ...] a[i, p] b[j, r]
///
/// Alpha counts only where a factor is a product, whose rank divides it. Follows LyCORIS `functional/lokr.py`.
public struct KroneckerDelta: AdapterDelta {
    public static let kind = "lokr"
    public static let roles: Set<AdapterRole> = [
        .kronecker1, .kronecker1A, .kronecker1B, .kronecker2, .kronecker2A, .kronecker2B, .kronecker2Core,
    ]

    public let tensors: [AdapterRole: Tensor]
    public let scale: Double

    public init(_ tensors: [AdapterRole: Tensor], scale: StoredScale, module: AdaptableModule) throws {
        let reader = RoleReader(tensors: tensors, module: module)
        let first = try Self.size(reader, .kronecker1, .kronecker1A, .kronecker1B, core: nil)
        let second = try Self.size(reader, .kronecker2, .kronecker2A, .kronecker2B, core: .kronecker2Core)
        let shape = [first[0] * second[0], first[1] * second[1]]
        guard first.count == 2, shape[0] == module.outputs, module.inputs % first[1] == 0,
            shape[1] * second.dropFirst(2).reduce(1, *) == module.fanIn
        else {
            throw AdapterError(
                module.path, expected: "lokr factors of a layer \(module.shape)", found: "\(first) and \(second)")
        }
        let rank = (tensors[.kronecker1B] ?? tensors[.kronecker2B])?.size(0)
        self.init(tensors: tensors, scale: scale.factor(rank: rank))
    }

    private init(tensors: [AdapterRole: Tensor], scale: Double) {
        self.tensors = tensors
        self.scale = scale
    }

    /// The shape of a factor, from its parts.
    private static func size(
        _ reader: RoleReader, _ whole: AdapterRole, _ a: AdapterRole, _ b: AdapterRole, core: AdapterRole?
    ) throws -> [Int] {
        if let tensor = reader.tensors[whole] {
            guard tensor.rank == 2 || (tensor.rank == 4 && core != nil) else {
                throw reader.flaw(whole, expected: "a matrix")
            }
            return tensor.shape
        }
        let (left, right) = (try reader.matrix(a, "or \(whole.rawValue)"), try reader.matrix(b, "beside it"))
        if let core, let tensor = reader.tensors[core] {
            guard tensor.rank == 4, left.size(0) == tensor.size(0), right.size(0) == tensor.size(1) else {
                throw reader.flaw(core, expected: "[\(left.size(0)), \(right.size(0)), kernel, kernel]")
            }
            return [left.size(1), right.size(1), tensor.size(2), tensor.size(3)]
        }
        guard left.size(1) == right.size(0) else { throw reader.flaw(b, expected: "[\(left.size(1)), ...]") }
        return [left.size(0), right.size(1)]
    }

    /// nil when both factors are whole.
    public var rank: Int? { (tensors[.kronecker1B] ?? tensors[.kronecker2B])?.size(0) }
    public var linearRole: AdapterRole { tensors[.kronecker1] != nil ? .kronecker1 : .kronecker1A }

    public func replacing(_ tensors: [AdapterRole: Tensor], scale: Double) -> KroneckerDelta {
        KroneckerDelta(tensors: self.tensors.merging(tensors) { _, new in new }, scale: scale)
    }

    private func factor(_ whole: AdapterRole, _ a: AdapterRole, _ b: AdapterRole) -> Tensor {
        if let tensor = tensors[whole] { return tensor.converted(to: .float32) }
        guard let left = tensors[a], let right = tensors[b] else { preconditionFailure("lokr: a factor is missing") }
        return matmul(asMatrix(left), asMatrix(right))
    }

    public func dense(_ module: AdaptableModule) -> Tensor {
        let first = factor(.kronecker1, .kronecker1A, .kronecker1B)
        let second: Tensor
        if let core = tensors[.kronecker2Core], let a = tensors[.kronecker2A], let b = tensors[.kronecker2B] {
            second = rebuilt(core: core, a, b)
        } else {
            second = factor(.kronecker2, .kronecker2A, .kronecker2B)
        }
        // [A, 1, C, 1] * [1, P, 1, Q ...] = [A P, C Q ...].
        let (rows, columns) = (second.size(0), second.count / second.size(0))
        let inputs = module.inputs / first.size(1)
        let block = second.reshaped([1, rows, 1, inputs, columns / inputs])
        let change = first.reshaped([first.size(0), 1, first.size(1), 1, 1]) * block
        return change.reshaped(module.shape) * scale
    }
}
