import Layers
public import TensorCore

/// A direction between two prompts, followed without any training (FreeSliders, arXiv 2511.00103):
///
///     prediction = plain + scale · (e(positive) - e(negative))
///
/// The difference that a text slider would have learnt is computed at each step instead, at the cost of two rows.
public struct ConceptDirection: GuidanceTerm, Codable, Hashable {
    public var positive: String
    public var negative: String
    public var scale: Double
    /// The share of the training timesteps from which on it acts; nil from the beginning.
    public var start: Double?

    public init(from negative: String, to positive: String, scale: Double = 1, start: Double? = nil) {
        self.positive = positive
        self.negative = negative
        self.scale = scale
        self.start = start
    }

    public func rows(prompt: String) -> [GuidanceRow] {
        [GuidanceRow(positive, .conditional), GuidanceRow(negative, .conditional)]
    }

    public func isActive(at timestep: Float, of trainTimesteps: Int) -> Bool {
        scale != 0 && hasStarted(start ?? 1, at: timestep, of: trainTimesteps)
    }

    public func change(_ predictions: [Tensor], conditional: Tensor) -> Tensor {
        scale * (predictions[0] - predictions[1])
    }

    public func validate() throws {
        try checkTerm("direction '\(positive)|\(negative)'", strength: scale, start: start ?? 1)
    }
}
