internal import Foundation

/// YaRN: pairs that go round often within the length of training keep their frequency, slow ones are divided by the
/// factor, and between two numbers of rounds the two are mixed by a ramp over the pairs.
///
///     bound(rounds) = d · ln(length / (2π · rounds)) / (2 · ln theta)        d = 2 · pairs
///     ramp[i] = clamp((i - bound(beta_fast)) / (bound(beta_slow) - bound(beta_fast)), 0, 1)
///     frequency[i] = plain[i] · (1 - ramp[i]) + plain[i] / factor · ramp[i]
///
/// Follows transformers `modeling_rope_utils.py`, _compute_yarn_parameters.
struct YarnRule {
    let frequencies: [Float]
    let attentionFactor: Double

    init(_ parameters: RotaryParameters, pairs: Int, maximumTokens: Int) {
        let length = Double(parameters.originalMaximumTokens ?? maximumTokens)
        let factor = parameters.factor ?? Double(maximumTokens) / length
        let dimension = Double(2 * pairs)
        func bound(_ rounds: Double) -> Double {
            dimension * log(length / (rounds * 2 * .pi)) / (2 * log(parameters.theta))
        }
        var (low, high) = (bound(parameters.fastRounds ?? 32), bound(parameters.slowRounds ?? 1))
        if parameters.truncates ?? true { (low, high) = (low.rounded(.down), high.rounded(.up)) }
        (low, high) = (max(low, 0), min(high, dimension - 1))
        // Two bounds that meet would divide by nothing.
        if low == high { high += 0.001 }
        frequencies = RotaryFrequencies.plain(parameters.theta, pairs).enumerated().map { index, plain in
            let ramp = Float(min(max((Double(index) - low) / (high - low), 0), 1))
            return plain / Float(factor) * ramp + plain * (1 - ramp)
        }
        attentionFactor = parameters.attentionFactor ?? Self.attentionFactor(factor, parameters)
    }

    /// `0.1 · mscale · ln(factor) + 1`; the ratio of two such where a file names both scales.
    private static func attentionFactor(_ factor: Double, _ parameters: RotaryParameters) -> Double {
        func scale(_ weight: Double) -> Double { factor <= 1 ? 1 : 0.1 * weight * log(factor) + 1 }
        guard let one = parameters.scale, let all = parameters.scaleOfAll, one != 0, all != 0 else { return scale(1) }
        return scale(one) / scale(all)
    }
}

/// LongRoPE: each pair has a divisor of its own, from one list for texts up to the length of training, and from another
/// for longer ones.
///
///     frequency[i] = plain[i] / divisor[i]        attentionFactor = √(1 + ln(factor) / ln(length))
///
/// Follows transformers `modeling_rope_utils.py`, _compute_longrope_parameters.
struct LongRopeRule {
    /// The length of training.
    let originalTokens: Int
    let attentionFactor: Double

    init(_ parameters: RotaryParameters, maximumTokens: Int) {
        originalTokens = parameters.originalMaximumTokens ?? maximumTokens
        let factor = parameters.factor ?? Double(maximumTokens) / Double(originalTokens)
        let own = factor <= 1 ? 1 : (1 + log(factor) / log(Double(originalTokens))).squareRoot()
        attentionFactor = parameters.attentionFactor ?? own
    }

    func frequencies(plain: [Float], _ divisors: [Double]?) -> [Float] {
        zip(plain, divisors ?? []).map { $0 / Float($1) }
    }
}
