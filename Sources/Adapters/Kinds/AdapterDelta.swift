public import TensorCore

/// A change of one layer's weight, in the form in which its file keeps it: one row of `AdapterKinds.all`.
///
///     weight = base + strength * scale * change
public protocol AdapterDelta: Sendable {
    /// As `inspect` calls it.
    static var kind: String { get }
    /// The roles that tensors of this kind have; none belongs to two kinds.
    static var roles: Set<AdapterRole> { get }

    /// - Parameters:
    ///   - tensors: all of this kind's roles.
    ///   - scale: what the file says of alpha.
    /// - Throws: `AdapterError` when a tensor is missing or does not fit the module.
    init(_ tensors: [AdapterRole: Tensor], scale: StoredScale, module: AdaptableModule) throws

    /// The tensors by role, without alpha.
    var tensors: [AdapterRole: Tensor] { get }
    /// What the change is multiplied by: alpha over rank.
    var scale: Double { get }
    /// What alpha is divided by; nil where alpha counts for nothing.
    var rank: Int? { get }
    /// The change as one product of thin matrices, where it is one; the scale is not in it.
    var product: LowRankProduct? { get }

    /// The change as a weight, scale included, in float32. Differentiable.
    func dense(_ module: AdaptableModule) -> Tensor
    /// The same change with other tensors of the same roles.
    func replacing(_ tensors: [AdapterRole: Tensor], scale: Double) -> Self
    /// The role of one tensor that the change is linear in.
    var linearRole: AdapterRole { get }
}

extension AdapterDelta {
    public var product: LowRankProduct? { nil }

    /// The change times a number, with alpha equal to the rank: nothing is left to multiply by.
    public func folded(_ factor: Double = 1) -> Self {
        var tensors = tensors
        let total = scale * factor
        if total != 1, let tensor = tensors[linearRole] { tensors[linearRole] = tensor.converted(to: .float32) * total }
        return replacing(tensors, scale: 1)
    }
}

/// The kinds of change that there are.
public enum AdapterKinds {
    public static let all: [any AdapterDelta.Type] = [
        LowRankDelta.self, HadamardDelta.self, KroneckerDelta.self, FullDelta.self,
    ]
}

/// What a file says of the factor of a change.
public enum StoredScale: Sendable, Hashable {
    /// Alpha, to be divided by the rank that the tensors have; nil where the file has none, which means 1.
    case alpha(Double?)
    /// The factor itself, from a configuration that knows rank and alpha.
    case factor(Double)

    func factor(rank: Int?) -> Double {
        switch self {
        case .factor(let factor): factor
        case .alpha(let alpha): if let alpha, let rank { alpha / Double(rank) } else { 1 }
        }
    }
}

/// `up · down`: what a low-rank change does to a layer's input.
public struct LowRankProduct: Sendable {
    /// `[rank, inputs]`, or `[rank, inputs, kernel, kernel]`.
    public let down: Tensor
    /// `[outputs, rank]`.
    public let up: Tensor

    public var rank: Int { up.size(1) }

    public init(down: Tensor, up: Tensor) {
        self.down = down
        self.up = up
    }
}

/// Takes tensors of a layer by role and checks their shapes.
struct RoleReader {
    let tensors: [AdapterRole: Tensor]
    let module: AdaptableModule

    func flaw(_ role: AdapterRole, expected: String) -> AdapterError {
        AdapterError(
            module.path, expected: "\(role.rawValue) \(expected)",
            found: tensors[role].map { "\($0.shape)" } ?? "none")
    }

    func require(_ role: AdapterRole, _ expected: String) throws -> Tensor {
        guard let tensor = tensors[role] else { throw flaw(role, expected: expected) }
        return tensor
    }

    /// A matrix, from a tensor whose further dimensions are 1.
    func matrix(_ role: AdapterRole, _ expected: String) throws -> Tensor {
        let tensor = try require(role, expected)
        guard tensor.rank >= 2, tensor.shape.dropFirst(2).allSatisfy({ $0 == 1 }) else {
            throw flaw(role, expected: expected)
        }
        return tensor.rank == 2 ? tensor : tensor.reshaped([tensor.size(0), tensor.size(1)])
    }

    /// The largest rank that is believed.
    static let rankLimit = 16_384

    /// Checks a rank that was read from a shape.
    func check(rank: Int, _ role: AdapterRole) throws {
        guard (1...Self.rankLimit).contains(rank) else { throw flaw(role, expected: "of a rank from 1") }
    }
}
