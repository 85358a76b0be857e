internal import TensorCore

/// Activation patching to first order: one backward pass instead of one run for each patch.
///
///     score(layer, place) = sum over channels (clean - corrupted) · ∂m/∂corrupted / (m(clean) - m(corrupted))
public enum AttributionPatching {
    /// By layer and token, at a site `[tokens, channels]`.
    public static func tokens(
        _ model: TracedTextModel, _ pair: ContrastPair, site: String = "resid_post", layers: [Int]? = nil
    ) throws -> ScoreGrid {
        let wanted = try model.checked(layers: layers)
        let values = try products(model, pair, site, wanted).map { $0.floats.map(Double.init) }
        return ScoreGrid(
            title: "Attribution of \(site): the share of the clean answer, to first order",
            rows: wanted.map { "\($0)" }, columns: model.labels(pair.clean), values: values, rowAxis: "layer")
    }

    /// By layer and head, of what each head reads (`attn.z`), summed over tokens.
    public static func heads(_ model: TracedTextModel, _ pair: ContrastPair, layers: [Int]? = nil) throws -> ScoreGrid {
        try model.requireAttention()
        let wanted = try model.checked(layers: layers)
        let values = try products(model, pair, "attn.z", wanted).map { sum($0, axes: [0]).floats.map(Double.init) }
        return ScoreGrid(
            title: "Attribution of heads: the share of the clean answer, to first order", rows: wanted.map { "\($0)" },
            columns: (0..<(values.first?.count ?? 0)).map { "\($0)" }, values: values, rowAxis: "layer",
            columnAxis: "head")
    }

    /// The normalised products, summed over the last axis, by layer.
    private static func products(
        _ model: TracedTextModel, _ pair: ContrastPair, _ site: String, _ layers: [Int]
    ) throws -> [Tensor] {
        let result = try model.trace { t in
            let (clean, corrupted) = (t.prompt(pair.clean), pair.corrupted(t))
            let places = layers.map { (clean["layers.\($0).\(site)"], corrupted["layers.\($0).\(site)"]) }
            let loss = pair.metric(corrupted)
            for (layer, (a, b)) in zip(layers, places) {
                t.save("\(layer)", ((a - b) * t.gradient(of: loss, at: b)).sum([-1]))
            }
        }
        return try layers.map { try result.value("\($0)") * (1 / (pair.cleanMetric - pair.corruptedMetric)) }
    }
}
