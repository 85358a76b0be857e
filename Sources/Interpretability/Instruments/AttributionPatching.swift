internal import Layers
internal import TensorCore

/// Activation patching to first order: one backward pass instead of one run for each patch.
///
///     score(layer, place) = sum over the rest of (clean - corrupted) · ∂m/∂corrupted / (m(clean) - m(corrupted))
public enum AttributionPatching {
    /// By layer and token, at a site with an axis of tokens: the sum over heads, channels, keys and states. In scores and
    /// patterns the token is the one that asks.
    public static func tokens(
        _ model: TracedTextModel, _ pair: ContrastPair, site: String = "resid_post", layers: [Int]? = nil
    ) throws -> ScoreGrid {
        let wanted = try model.checked(layers: layers)
        let values = try products(model, pair, site, wanted, by: "token")
        return ScoreGrid(
            title: "Attribution of \(site): the share of the clean answer, to first order",
            rows: wanted.map { "\($0)" }, columns: model.labels(pair.clean), values: values, rowAxis: "layer")
    }

    /// By layer and head, of what each head reads (`attn.z`), summed over tokens.
    public static func heads(_ model: TracedTextModel, _ pair: ContrastPair, layers: [Int]? = nil) throws -> ScoreGrid {
        try model.requireAttention()
        let wanted = try model.checked(layers: layers)
        let values = try products(model, pair, "attn.z", wanted, by: "head")
        return ScoreGrid(
            title: "Attribution of heads: the share of the clean answer, to first order", rows: wanted.map { "\($0)" },
            columns: (0..<(values.first?.count ?? 0)).map { "\($0)" }, values: values, rowAxis: "layer",
            columnAxis: "head")
    }

    /// The normalised products, summed over all axes but one, by layer and place.
    private static func products(
        _ model: TracedTextModel, _ pair: ContrastPair, _ site: String, _ layers: [Int], by axis: String
    ) throws -> [[Double]] {
        let resolver = SiteResolver(try model.scan([]), model.aliases)
        let entries = try layers.map { try resolver.entry("layers.\($0).\(site)", "site") }
        let others = try entries.map { entry in
            guard let kept = entry.axis(axis) else {
                throw TraceError(
                    .unsupported, "site", expected: "one with an axis \"\(axis)\"",
                    found: "\(entry.name) with \(entry.axisNames)")
            }
            return entry.sizes.indices.filter { $0 != kept }
        }
        let result = try model.trace { t in
            let (clean, corrupted) = (t.prompt(pair.clean), pair.corrupted(t))
            let places = layers.map { (clean["layers.\($0).\(site)"], corrupted["layers.\($0).\(site)"]) }
            let loss = pair.metric(corrupted)
            for (index, (a, b)) in places.enumerated() {
                let change = difference(a, b, entries[index].port, t)
                t.save("\(index)", (change * t.gradient(of: loss, at: b)).sum(others[index]))
            }
        }
        let scale = 1 / (pair.cleanMetric - pair.corruptedMetric)
        return try layers.indices.map { index in
            try result.value("\(index)").floats.map { Double($0) * scale }
        }
    }

    /// Scores that a mask hides are minus infinity in both prompts, which is no difference.
    private static func difference(_ a: TracedValue, _ b: TracedValue, _ port: Port, _ t: TraceBuilder) -> TracedValue {
        guard port == .scores else { return a - b }
        let lowest = t.constant(-Float.greatestFiniteMagnitude)
        return a.maximum(lowest) - b.maximum(lowest)
    }
}
