public import TensorCore

extension Adapter {
    /// The weighted sum of adapters.
    ///
    ///     down = [down 1; down 2; ...],  up = [w1 s1 up 1 | w2 s2 up 2 | ...]
    ///
    /// Low-rank changes stay low-rank: their factors stand side by side, so there are no cross terms. Layers with other
    /// kinds of change become full differences. Calibrated sliders count in their own units, as where they are used; the
    /// sum is no calibrated slider.
    ///
    /// - Throws: `AdapterError` for DoRA, which is to be resolved first, and for a weight beyond the range of a calibrated
    ///   slider.
    public static func sum(_ terms: [(adapter: Adapter, weight: Double)]) throws -> Adapter {
        for (adapter, weight) in terms { try adapter.check(scale: weight) }
        return try combination(terms.map { ($0.adapter, $0.weight * $0.adapter.unit) }).made(
            by: Provenance("add", inputs: terms.map { Provenance.Input($0.adapter, weight: $0.weight) }))
    }

    static func combination(_ terms: [(adapter: Adapter, weight: Double)]) throws -> Adapter {
        precondition(!terms.isEmpty, "a sum of no adapters")
        var layers: [LayerAdapter] = []
        for path in Set(terms.flatMap { $0.adapter.layers.keys }).sorted() {
            let parts = try terms.compactMap { term in try term.adapter.layers[path]?.scaled(term.weight) }
            layers.append(try LayerAdapter.sum(parts))
        }
        var result = terms[0].adapter
        result.layers = Dictionary(uniqueKeysWithValues: layers.map { ($0.module.path, $0) })
        return result
    }

    /// The adapter times a number.
    public func scaled(_ factor: Double) throws -> Adapter {
        var copy = self
        copy.layers = try layers.mapValues { try $0.scaled(factor) }
        let name = factor == -1 ? "negate" : "scale"
        return copy.made(by: Provenance(name, inputs: [Provenance.Input(self, weight: factor)]))
    }

    /// The adapter that does the opposite.
    public func negated() throws -> Adapter { try scaled(-1) }

    /// `(1 - position) * a + position * b`.
    ///
    /// - Throws: as `sum` does.
    public static func interpolated(_ a: Adapter, _ b: Adapter, at position: Double) throws -> Adapter {
        let terms = [(adapter: a, weight: 1 - position), (adapter: b, weight: position)]
        for (adapter, weight) in terms { try adapter.check(scale: weight) }
        return try combination(terms.map { ($0.adapter, $0.weight * $0.adapter.unit) }).made(
            by: Provenance(
                "interpolate", parameters: ["position": "\(position)"],
                inputs: terms.map { Provenance.Input($0.adapter, weight: $0.weight) }))
    }

    /// The adapter with every DoRA layer as the full difference that it makes to a base model.
    ///
    /// - Parameter base: the weight of a module.
    public func resolvingDecomposition(base: (AdaptableModule) throws -> Tensor?) throws -> Adapter {
        var copy = self
        for (path, layer) in layers where layer.decomposition != nil {
            guard let change = try layer.dense(base: base(layer.module)) else { continue }
            copy.layers[path] = LayerAdapter(layer.module, FullDelta(change), biasDifference: layer.biasDifference)
        }
        return copy
    }
}

extension LayerAdapter {
    /// The sum of changes of one layer.
    static func sum(_ parts: [LayerAdapter]) throws -> LayerAdapter {
        guard parts.count > 1 else { return parts[0] }
        let module = parts[0].module
        let biases = parts.compactMap { $0.biasDifference?.converted(to: .float32) }
        let bias = biases.isEmpty ? nil : biases.dropFirst().reduce(biases[0]) { $0 + $1 }
        let deltas = parts.compactMap(\.delta)
        if deltas.isEmpty { return LayerAdapter(module, nil, biasDifference: bias) }
        let products = deltas.compactMap { delta in delta.product.map { (product: $0, scale: delta.scale) } }
        guard products.count == deltas.count else {
            let changes = deltas.map { $0.dense(module) }
            return LayerAdapter(
                module, FullDelta(changes.dropFirst().reduce(changes[0]) { $0 + $1 }), biasDifference: bias)
        }
        let delta = LowRankDelta(
            down: concatenated(products.map { $0.product.down.converted(to: .float32) }, axis: 0),
            up: concatenated(products.map { $0.product.up.converted(to: .float32) * $0.scale }, axis: 1).contiguous())
        return LayerAdapter(module, delta, biasDifference: bias)
    }
}
