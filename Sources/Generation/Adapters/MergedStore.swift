public import Adapters
public import Layers
public import Samplers
public import TensorCore
public import Tokenizers
public import Weights

/// A model with adapters added to its weights: what `adapters merge` writes.
public struct MergedStore: ModelStore {
    private let base: any ModelStore
    private let adapters: [(adapter: Adapter, strength: Double)]
    private let floatingPoint: DType?

    /// - Parameters:
    ///   - adapters: calibrated sliders with strengths in their own units.
    ///   - floatingPoint: of the sums, where a reader asks for no other; nil rounds each to its base tensor's own.
    /// - Throws: `AdapterError` for a strength beyond the range that a calibrated slider's file declares.
    public init(
        _ base: any ModelStore, _ adapters: [(adapter: Adapter, strength: Double)], floatingPoint: DType? = nil
    ) throws {
        for (adapter, strength) in adapters { try adapter.check(scale: strength) }
        self.base = base
        self.floatingPoint = floatingPoint
        self.adapters = adapters.map { ($0.adapter, $0.strength * $0.adapter.unit) }
    }

    public var path: String { base.path }
    public var strayKeys: [String] { base.strayKeys }
    public func holds(_ part: String) -> Bool { base.holds(part) }

    public func configuration<Configuration: ModelConfiguration>(
        _ type: Configuration.Type, of part: String
    ) throws -> Configuration { try base.configuration(type, of: part) }

    public func weights(of part: String, floatingPoint: DType?) throws -> any WeightSource {
        let stored = try base.weights(of: part, floatingPoint: nil)
        guard part != "vae" else { return try base.weights(of: part, floatingPoint: floatingPoint) }
        return ConvertedSource(
            base: try MergedSource(
                stored, part: part, adapters, isBare: Self.isBare(stored),
                floatingPoint: floatingPoint ?? self.floatingPoint),
            floatingPoint: floatingPoint)
    }

    /// Whether a text encoder's keys lack the `text_model.` that its layers' paths have.
    private static func isBare(_ source: any WeightSource) -> Bool {
        source.keys.contains("embeddings.token_embedding.weight")
    }

    public func tokenizer(_ part: String) throws -> CLIPTokenizer { try base.tokenizer(part) }
    public func scheduler() throws -> SchedulerConfiguration { try base.scheduler() }
    public var guessesPrediction: Bool { base.guessesPrediction }
    public var zeroesMissingNegative: Bool { base.zeroesMissingNegative }
    public func samplingDefaults() throws -> SamplingDefaults { try base.samplingDefaults() }
    public func hash() throws -> String { try base.hash() }
}

/// A source's tensors in a number format.
private struct ConvertedSource: WeightSource {
    let base: any WeightSource
    let floatingPoint: DType?

    var keys: Set<String> { base.keys }
    func origin(of key: String) -> String { base.origin(of: key) }

    func tensor(_ key: String, shape: [Int]?, initial: Initialization?) throws -> Tensor? {
        try base.tensor(key, shape: shape, initial: initial)?.loaded(as: floatingPoint)
    }
}
