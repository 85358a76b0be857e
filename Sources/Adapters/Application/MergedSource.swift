public import TensorCore
public import Weights

/// A model part's weights with adapters added for good: the merged mode.
///
///     weight = base + sum of strength * change
public struct MergedSource: WeightSource {
    private let base: any WeightSource
    private let changes: [String: [(layer: LayerAdapter, strength: Double)]]
    private let floatingPoint: DType?
    public let keys: Set<String>

    /// - Parameters:
    ///   - part: whose weights `base` has: `unet`, `text_encoder`, ...
    ///   - isBare: whether the keys lack the `text_model.` that the layers' paths have.
    ///   - floatingPoint: the number format of changed tensors, in which the sums, of fp32, are rounded once; nil takes
    ///     each one's own.
    /// - Throws: `AdapterError` where an adapter changes a bias that the layer has not.
    public init(
        _ base: any WeightSource, part: String, _ adapters: [(adapter: Adapter, strength: Double)],
        isBare: Bool = false, floatingPoint: DType? = nil
    ) throws {
        var changes: [String: [(LayerAdapter, Double)]] = [:]
        for (adapter, strength) in adapters where strength != 0 {
            for layer in adapter.sortedLayers where layer.module.part == part {
                let name = layer.module.name
                let key = isBare ? name.dropping(prefix: "text_model.") ?? name : name
                changes[key, default: []].append((layer, strength))
                guard layer.biasDifference == nil || base.keys.contains("\(key).bias") else {
                    throw AdapterError(
                        "\(adapter.name): \(layer.module.path)", expected: "a layer with a bias", found: "none")
                }
            }
        }
        self.base = base
        self.changes = changes
        self.floatingPoint = floatingPoint
        keys = base.keys
    }

    public func tensor(_ key: String, shape: [Int]?, initial: Initialization?) throws -> Tensor? {
        guard let stored = try base.tensor(key, shape: shape, initial: initial) else { return nil }
        guard let dot = key.lastIndex(of: "."), let own = changes[String(key[..<dot])] else { return stored }
        var sum = stored.converted(to: .float32)
        for (layer, strength) in own {
            let change: Tensor?
            switch key[key.index(after: dot)...] {
            case "weight": change = try layer.dense(base: stored)
            case "bias": change = layer.biasDifference?.converted(to: .float32)
            default: change = nil
            }
            if let change { sum = sum + change.reshaped(stored.shape) * strength }
        }
        let result = sum.converted(to: floatingPoint ?? stored.dtype).contiguous().frozen()
        guard result.isFinite || !stored.isFinite else {
            throw AdapterError(
                "\(own.map(\.layer.module.path)[0])", expected: "a sum that \(result.dtype.rawValue) can hold",
                found: "an infinity or NaN: the strengths are too large")
        }
        return result
    }

    public func origin(of key: String) -> String { base.origin(of: key) }
}
