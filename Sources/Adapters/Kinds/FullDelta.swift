public import TensorCore

/// The whole difference of a weight.
public struct FullDelta: AdapterDelta {
    public static let kind = "full"
    public static let roles: Set<AdapterRole> = [.difference]

    /// Of the weight's shape.
    public let difference: Tensor
    public let scale: Double

    public init(_ difference: Tensor, scale: Double = 1) {
        self.difference = difference
        self.scale = scale
    }

    /// Alpha, where a file has it, counts for nothing.
    public init(_ tensors: [AdapterRole: Tensor], scale: StoredScale, module: AdaptableModule) throws {
        let reader = RoleReader(tensors: tensors, module: module)
        let stored = try reader.require(.difference, "\(module.shape)")
        guard stored.rank >= 2, stored.size(0) == module.outputs, stored.size(1) == module.inputs,
            stored.count == module.shape.reduce(1, *)
        else { throw reader.flaw(.difference, expected: "\(module.shape)") }
        self.init(stored.reshaped(module.shape))
    }

    public var tensors: [AdapterRole: Tensor] { [.difference: difference] }
    public var rank: Int? { nil }
    public var linearRole: AdapterRole { .difference }

    public func replacing(_ tensors: [AdapterRole: Tensor], scale: Double) -> FullDelta {
        FullDelta(tensors[.difference] ?? difference, scale: scale)
    }

    public func dense(_ module: AdaptableModule) -> Tensor {
        let change = difference.converted(to: .float32)
        return scale == 1 ? change : change * scale
    }
}
