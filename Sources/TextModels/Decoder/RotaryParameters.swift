internal import Foundation
internal import Layers

/// How rotary position embedding turns with position: `rope_parameters` of a configuration.
///
/// Follows transformers `modeling_rope_utils.py`.
public struct RotaryParameters: Codable, Sendable, Equatable {
    public enum Kind: String, Codable, Sendable, CaseIterable {
        case standard = "default"
        /// All angles divided by a factor.
        case linear
        /// A base that grows with the length of the text, beyond the length of training.
        case dynamic
        /// Slow angles divided by a factor, fast ones kept, those between blended.
        case llama3
    }

    public var theta = 10_000.0
    public var kind = Kind.standard
    /// The share of a head's channels that turns.
    public var partialFactor: Double?
    public var factor: Double?
    public var lowFrequencyFactor: Double?
    public var highFrequencyFactor: Double?
    public var originalMaximumTokens: Int?
    /// What each frequency is divided by, for files that spell the scaling out; not part of a `config.json`.
    public var frequencyDivisors: [Float]?

    public init(theta: Double = 10_000) { self.theta = theta }

    enum CodingKeys: String, CodingKey {
        case theta = "rope_theta"
        case kind = "rope_type"
        case partialFactor = "partial_rotary_factor"
        case factor
        case lowFrequencyFactor = "low_freq_factor"
        case highFrequencyFactor = "high_freq_factor"
        case originalMaximumTokens = "original_max_position_embeddings"
    }

    private enum OldKeys: String, CodingKey { case type }

    public init(from decoder: any Decoder) throws {
        let keys = try decoder.container(keyedBy: CodingKeys.self)
        let old = try decoder.container(keyedBy: OldKeys.self)
        theta = try keys.decode(.theta, or: theta)
        let name =
            try keys.decodeIfPresent(String.self, forKey: .kind) ?? old.decodeIfPresent(String.self, forKey: .type)
        guard let kind = Kind(rawValue: name ?? "default") else {
            let names = Kind.allCases.map(\.rawValue).joined(separator: ", ")
            throw ConfigurationError(key: "rope_type", expected: "one of \(names)", found: "\"\(name ?? "")\"")
        }
        self.kind = kind
        partialFactor = try keys.decodeIfPresent(Double.self, forKey: .partialFactor)
        factor = try keys.decodeIfPresent(Double.self, forKey: .factor)
        lowFrequencyFactor = try keys.decodeIfPresent(Double.self, forKey: .lowFrequencyFactor)
        highFrequencyFactor = try keys.decodeIfPresent(Double.self, forKey: .highFrequencyFactor)
        originalMaximumTokens = try keys.decodeIfPresent(Int.self, forKey: .originalMaximumTokens)
    }

    /// The parameters of a configuration in any of its spellings: `rope_parameters`, or the older `rope_scaling` beside
    /// `rope_theta`.
    static func decode(from decoder: any Decoder, theta: Double, partialFactor: Double? = nil) throws -> Self {
        let keys = try decoder.container(keyedBy: ConfigurationKeys.self)
        let base =
            try keys.decodeIfPresent(Double.self, forKey: .theta)
            ?? keys.decodeIfPresent(Double.self, forKey: .neoxTheta) ?? theta
        let given = try Stated.decode(keys, .scaling) ?? Stated.decode(keys, .parameters)
        var result = given?.parameters ?? RotaryParameters(theta: base)
        if given?.hasTheta != true { result.theta = base }
        result.partialFactor =
            try result.partialFactor ?? keys.decodeIfPresent(Double.self, forKey: .partialFactor)
            ?? keys.decodeIfPresent(Double.self, forKey: .neoxPartialFactor) ?? partialFactor
        return result
    }

    enum ConfigurationKeys: String, CodingKey {
        case parameters = "rope_parameters"
        case scaling = "rope_scaling"
        case theta = "rope_theta"
        case neoxTheta = "rotary_emb_base"
        case partialFactor = "partial_rotary_factor"
        case neoxPartialFactor = "rotary_pct"
    }

    /// Parameters, and whether they name their base.
    struct Stated: Decodable {
        var parameters: RotaryParameters
        var hasTheta: Bool

        init(from decoder: any Decoder) throws {
            parameters = try RotaryParameters(from: decoder)
            hasTheta = try decoder.container(keyedBy: CodingKeys.self).contains(.theta)
        }

        static func decode(
            _ keys: KeyedDecodingContainer<ConfigurationKeys>, _ key: ConfigurationKeys
        ) throws -> Stated? {
            try keys.decodeIfPresent(Stated.self, forKey: key)
        }
    }

    /// Throws where a number that the kind needs is missing or out of range.
    func validate(headDimension: Int) throws {
        func check(_ condition: Bool, _ key: String, _ expected: String, _ found: Any?) throws {
            guard !condition else { return }
            throw ConfigurationError(
                key: "rope_parameters.\(key)", expected: expected, found: found.map { "\($0)" } ?? "none")
        }
        try check(theta > 0 && theta.isFinite, "rope_theta", "a positive number", theta)
        if let partialFactor {
            try check(
                partialFactor > 0 && partialFactor <= 1, "partial_rotary_factor", "above 0 up to 1", partialFactor)
        }
        if let count = frequencyDivisors?.count {
            try check(count == pairs(headDimension), "frequency divisors", "\(pairs(headDimension))", count)
        }
        try check(pairs(headDimension) > 0, "partial_rotary_factor", "two channels or more of a head", headDimension)
        guard kind != .standard else { return }
        try check((factor ?? 0) >= 1, "factor", "a number of at least 1", factor)
        guard kind == .llama3 else { return }
        try check(
            (originalMaximumTokens ?? 0) > 0, "original_max_position_embeddings", "a length", originalMaximumTokens)
        let (low, high) = (lowFrequencyFactor ?? 0, highFrequencyFactor ?? 0)
        try check(low > 0 && high > low, "high_freq_factor", "more than low_freq_factor", highFrequencyFactor)
    }

    /// Pairs of channels of a head that turn.
    func pairs(_ headDimension: Int) -> Int { Int(Double(headDimension) * (partialFactor ?? 1)) / 2 }

    /// - Parameter maximumTokens: the length of training, beyond which `dynamic` acts.
    func frequencies(headDimension: Int, maximumTokens: Int) -> RotaryFrequencies {
        RotaryFrequencies(self, pairs: pairs(headDimension), maximumTokens: maximumTokens)
    }
}
