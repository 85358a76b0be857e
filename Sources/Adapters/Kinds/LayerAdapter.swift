public import TensorCore

/// Everything that an adapter changes in one layer.
public struct LayerAdapter: Sendable {
    public let module: AdaptableModule
    /// The change of the weight; nil where only the bias changes.
    public let delta: (any AdapterDelta)?
    public let decomposition: WeightDecomposition?
    /// `[outputs]`, added to the bias.
    public let biasDifference: Tensor?

    public init(
        _ module: AdaptableModule, _ delta: (any AdapterDelta)?, decomposition: WeightDecomposition? = nil,
        biasDifference: Tensor? = nil
    ) {
        self.module = module
        self.delta = delta
        self.decomposition = decomposition
        self.biasDifference = biasDifference
    }

    /// Reads a layer from its stored tensors; one kind must own them all.
    init(_ tensors: [AdapterRole: Tensor], scale: StoredScale, module: AdaptableModule) throws {
        let shared: Set<AdapterRole> = [.alpha, .magnitude, .magnitudeVector, .biasDifference]
        let roles = Set(tensors.keys).subtracting(shared)
        let kinds = AdapterKinds.all.filter { !$0.roles.isDisjoint(with: roles) }
        guard kinds.count <= 1 else {
            throw AdapterError(
                module.path, expected: "tensors of one kind", found: kinds.map { $0.kind }.joined(separator: " and "))
        }
        var delta: (any AdapterDelta)?
        if let kind = kinds.first {
            delta = try kind.init(tensors.filter { roles.contains($0.key) }, scale: scale, module: module)
        }
        let bias = tensors[.biasDifference]
        if let bias, bias.shape != [module.outputs] {
            throw AdapterError(module.path, expected: "diff_b [\(module.outputs)]", found: "\(bias.shape)")
        }
        let decomposition = try WeightDecomposition(tensors, module: module)
        guard delta != nil || (bias != nil && decomposition == nil) else {
            throw AdapterError(
                module.path, expected: "factors", found: tensors.keys.map(\.rawValue).sorted().joined(separator: ", "))
        }
        self.init(module, delta, decomposition: decomposition, biasDifference: bias)
    }

    /// As `inspect` calls it: `lora`, `lora with a core`, `loha`, `dora`, ...
    public var kind: String {
        guard let delta else { return "bias" }
        let core = (delta as? LowRankDelta)?.mid == nil ? "" : " with a core"
        let name = type(of: delta).kind + core
        return decomposition.map { "dora over \(name), \($0.axis == .rows ? "rows" : "columns")" } ?? name
    }

    /// The change of the weight at strength 1, in float32, or nil where only the bias changes.
    ///
    /// - Parameter base: the layer's weight, which only DoRA needs.
    /// - Throws: `AdapterError` for DoRA without it.
    public func dense(base: Tensor? = nil) throws -> Tensor? {
        guard let delta else { return nil }
        guard let decomposition else { return delta.dense(module) }
        guard let base else {
            throw AdapterError(module.path, expected: "the base model, which DoRA depends on", found: "none")
        }
        return decomposition.dense(base: base, change: delta.dense(module))
    }

    /// Every tensor that could be trained, in a fixed order.
    var parameters: [Tensor] {
        (delta.map { delta in
            delta.tensors.sorted { $0.key.rawValue < $1.key.rawValue }.map(\.value)
        } ?? []) + [decomposition?.norms, biasDifference].compactMap { $0 }
    }

    /// The same layer with other tensors, in the order of `parameters`.
    func replacing(parameters: [Tensor]) -> LayerAdapter {
        var next = parameters.makeIterator()
        let delta = delta.map { delta in
            var tensors = delta.tensors
            for role in tensors.keys.sorted(by: { $0.rawValue < $1.rawValue }) { tensors[role] = next.next() }
            return delta.replacing(tensors, scale: delta.scale)
        }
        let decomposition = decomposition.flatMap { decomposition in
            next.next().map { WeightDecomposition(norms: $0, axis: decomposition.axis) }
        }
        return LayerAdapter(
            module, delta, decomposition: decomposition, biasDifference: biasDifference == nil ? nil : next.next())
    }

    /// The layer times a number.
    ///
    /// - Throws: `AdapterError` for DoRA, which is not linear in its tensors.
    public func scaled(_ factor: Double) throws -> LayerAdapter {
        guard decomposition == nil else {
            throw AdapterError(
                module.path, expected: "a change that can be scaled", found: "DoRA (name the base model to resolve it)")
        }
        return LayerAdapter(
            module, delta.map { $0.replacing($0.tensors, scale: $0.scale * factor) },
            biasDifference: biasDifference.map { $0.converted(to: .float32) * factor })
    }
}
