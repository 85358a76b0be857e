public import TensorCore

extension Adapter {
    /// The adapter with changes of at most a rank: the nearest ones in the sum of squares.
    ///
    /// Low-rank changes are never formed; other kinds are. The share of the sum of squares that is kept goes to the
    /// metadata as `atelier.kept`.
    ///
    /// - Throws: `AdapterError` for DoRA; resolve it first.
    public func compressed(rank: Int) throws -> Adapter {
        var copy = self
        var (kept, total) = (0.0, 0.0)
        for (path, layer) in layers {
            guard let delta = layer.delta else { continue }
            let approximation: LowRankApproximation
            if let product = delta.product, layer.decomposition == nil {
                let up = product.up.converted(to: .float32) * delta.scale
                let down = product.down.converted(to: .float32).reshaped([product.rank, -1])
                approximation = try LowRankApproximation(up: up, down: down, rank: rank)
            } else if let change = try layer.dense() {
                approximation = try LowRankApproximation(change.reshaped([layer.module.outputs, -1]), rank: rank)
            } else {
                continue
            }
            kept += approximation.kept * approximation.square
            total += approximation.square
            copy.layers[path] = LayerAdapter(
                layer.module, LowRankDelta(approximation, layer.module), biasDifference: layer.biasDifference)
        }
        copy = copy.made(
            by: Provenance(
                "compress", parameters: ["rank": "\(rank)"], inputs: [Provenance.Input(self, weight: nil)]))
        copy.metadata["atelier.kept"] = "\(total > 0 ? kept / total : 1)"
        return copy
    }

    /// The low-rank adapter that comes nearest to what a checkpoint changes in another.
    ///
    /// - Parameters:
    ///   - weights: of a module, in the tuned model and in its base.
    ///   - modules: those to look at; the ones that do not differ are left out.
    /// - Throws: `AdapterError` when the models differ in shape, or in none of the modules.
    public static func extracted(
        from tuned: (AdaptableModule) throws -> Tensor?, base: (AdaptableModule) throws -> Tensor?,
        modules: [AdaptableModule], rank: Int, isXL: Bool, inputs: [Provenance.Input]
    ) throws -> Adapter {
        var layers: [LayerAdapter] = []
        var (kept, total) = (0.0, 0.0)
        for module in modules {
            guard let after = try tuned(module), let before = try base(module) else { continue }
            guard after.shape == before.shape else {
                throw AdapterError(module.path, expected: "\(before.shape), as in the base", found: "\(after.shape)")
            }
            let change = after.converted(to: .float32) - before.converted(to: .float32)
            guard change.isFinite else {
                throw AdapterError(module.path, expected: "finite numbers", found: "an infinity or NaN")
            }
            let approximation = try LowRankApproximation(change.reshaped([module.outputs, -1]), rank: rank)
            guard approximation.square > 0 else { continue }
            kept += approximation.kept * approximation.square
            total += approximation.square
            layers.append(LayerAdapter(module, LowRankDelta(approximation, module)))
        }
        guard !layers.isEmpty else {
            throw AdapterError("extract", expected: "models that differ", found: "the same weights in all layers")
        }
        var result = Adapter(name: "extract", layers: layers, isXL: isXL).made(
            by: Provenance("extract", parameters: ["rank": "\(rank)"], inputs: inputs))
        result.metadata["atelier.kept"] = "\(kept / total)"
        return result
    }
}

extension LowRankDelta {
    init(_ approximation: LowRankApproximation, _ module: AdaptableModule) {
        let rank = approximation.up.size(1)
        self.init(
            down: approximation.down.reshaped([rank, module.inputs] + module.kernel).contiguous(),
            up: approximation.up.contiguous())
    }
}
