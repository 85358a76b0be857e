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
        /// Slow angles divided by a factor, fast ones kept, mixed between by pair; queries and keys lengthened.
        case yarn
        /// Each angle divided by a number of its own, short texts and long ones differently; queries and keys lengthened.
        case longrope
    }

    public var theta = 10_000.0
    public var kind = Kind.standard
    /// The share of a head's channels that turns.
    public var partialFactor: Double?
    public var factor: Double?
    public var lowFrequencyFactor: Double?
    public var highFrequencyFactor: Double?
    public var originalMaximumTokens: Int?
    /// What cosines and sines are multiplied by; worked out from the factor when nil.
    public var attentionFactor: Double?
    /// YaRN's bounds: pairs that go round more often than the first within the length of training keep their frequency,
    /// those that go round less often than the second are slowed.
    public var fastRounds: Double?
    public var slowRounds: Double?
    /// Whether YaRN rounds its bounds to whole pairs.
    public var truncates: Bool?
    /// Weights of YaRN's attention factor.
    public var scale: Double?
    public var scaleOfAll: Double?
    /// LongRoPE's divisors for each pair, up to the length of training and beyond.
    public var shortFactors: [Double]?
    public var longFactors: [Double]?
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
        case attentionFactor = "attention_factor"
        case fastRounds = "beta_fast"
        case slowRounds = "beta_slow"
        case truncates = "truncate"
        case scale = "mscale"
        case scaleOfAll = "mscale_all_dim"
        case shortFactors = "short_factor"
        case longFactors = "long_factor"
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
        attentionFactor = try keys.decodeIfPresent(Double.self, forKey: .attentionFactor)
        fastRounds = try keys.decodeIfPresent(Double.self, forKey: .fastRounds)
        slowRounds = try keys.decodeIfPresent(Double.self, forKey: .slowRounds)
        truncates = try keys.decodeIfPresent(Bool.self, forKey: .truncates)
        scale = try keys.decodeIfPresent(Double.self, forKey: .scale)
        scaleOfAll = try keys.decodeIfPresent(Double.self, forKey: .scaleOfAll)
        shortFactors = try keys.decodeIfPresent([Double].self, forKey: .shortFactors)
        longFactors = try keys.decodeIfPresent([Double].self, forKey: .longFactors)
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
        // Beside the parameters it counts more than within: the length of training, not the stretched one.
        if let length = try keys.decodeIfPresent(Int.self, forKey: .originalMaximumTokens) {
            result.originalMaximumTokens = length
        }
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
        case originalMaximumTokens = "original_max_position_embeddings"
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
        let canInfer = kind == .yarn || kind == .longrope
        try check((factor ?? (canInfer ? 1 : 0)) >= 1, "factor", "a number of at least 1", factor)
        if canInfer { return try validateStretching(headDimension: headDimension, check) }
        guard kind == .llama3 else { return }
        try check(
            (originalMaximumTokens ?? 0) > 0, "original_max_position_embeddings", "a length", originalMaximumTokens)
        let (low, high) = (lowFrequencyFactor ?? 0, highFrequencyFactor ?? 0)
        try check(low > 0 && high > low, "high_freq_factor", "more than low_freq_factor", highFrequencyFactor)
    }

    /// What YaRN and LongRoPE need besides a factor.
    private func validateStretching(
        headDimension: Int, _ check: (Bool, String, String, Any?) throws -> Void
    ) throws {
        if let length = originalMaximumTokens {
            try check(length > 1, "original_max_position_embeddings", "a length of more than one token", length)
        }
        if let factor { try check(factor.isFinite, "factor", "a finite number", factor) }
        if let attentionFactor {
            try check(
                attentionFactor > 0 && attentionFactor.isFinite, "attention_factor", "a positive number",
                attentionFactor)
        }
        if kind == .yarn {
            let (fast, slow) = (fastRounds ?? 32, slowRounds ?? 1)
            try check(slow > 0 && slow.isFinite, "beta_slow", "a positive number", slow)
            try check(fast >= slow && fast.isFinite, "beta_fast", "at least beta_slow, \(slow)", fast)
            try check(theta > 1, "rope_theta", "more than 1", theta)
            return
        }
        let count = pairs(headDimension)
        for (key, factors) in [("short_factor", shortFactors), ("long_factor", longFactors)] {
            let isRight = factors.map { $0.count == count && $0.allSatisfy { $0 > 0 && $0.isFinite } } ?? false
            try check(isRight, key, "\(count) positive numbers, one for each pair", factors.map { "\($0.count)" })
        }
    }

    /// Pairs of channels of a head that turn.
    func pairs(_ headDimension: Int) -> Int { Int(Double(headDimension) * (partialFactor ?? 1)) / 2 }

    /// The most tokens that a model can read: its positions, or what a scaling stretches them to.
    ///
    ///     max(positions, length of training * factor)
    ///
    /// For `dynamic`, and where the length of training is not named, it is the positions themselves.
    ///
    /// - Parameter positions: `max_position_embeddings`.
    func maximumTokens(positions: Int) -> Int {
        guard kind != .standard, let factor else { return positions }
        let trained = kind == .dynamic ? positions : originalMaximumTokens ?? positions
        // Places up to 2^24 are exact in the 32 bits of an angle.
        return max(positions, Int(min(Double(trained) * factor, 0x1p24)))
    }

    /// The parameters of families that turn whole heads: transformers passes over `partial_rotary_factor` there.
    ///
    /// - Throws: `ConfigurationError` for a share beside a scaling, with which transformers turns part of the angles and
    ///   then fails.
    func ofWholeHeads() throws -> Self {
        guard let partialFactor else { return self }
        guard kind == .standard || partialFactor == 1 else {
            throw ConfigurationError(
                key: "partial_rotary_factor", expected: "1, or none, beside the rope_type \(kind.rawValue)",
                found: "\(partialFactor)")
        }
        var whole = self
        whole.partialFactor = nil
        return whole
    }

    /// - Parameter maximumTokens: the length of training, beyond which `dynamic` acts.
    func frequencies(headDimension: Int, maximumTokens: Int) -> RotaryFrequencies {
        RotaryFrequencies(self, pairs: pairs(headDimension), maximumTokens: maximumTokens)
    }
}
