internal import Foundation
internal import TensorCore

/// The angles of rotary position embedding: pair i of a token at position p turns by `p * frequency[i]`.
///
///     frequency[i] = theta^(-i / pairs)
///
/// Rules that stretch a model beyond the length of its training change the frequencies, and some of them lengthen queries
/// and keys, too: cosines and sines are multiplied by `attentionFactor`.
struct RotaryFrequencies: Sendable {
    private let parameters: RotaryParameters
    private let pairs: Int
    private let maximumTokens: Int
    private let frequencies: [Float]
    let attentionFactor: Float

    init(_ parameters: RotaryParameters, pairs: Int, maximumTokens: Int) {
        self.parameters = parameters
        self.pairs = pairs
        self.maximumTokens = maximumTokens
        let plain = Self.plain(parameters.theta, pairs)
        var lengthening = 1.0
        switch parameters.kind {
        case .standard, .dynamic:
            frequencies = parameters.frequencyDivisors.map { zip(plain, $0).map { $0 / $1 } } ?? plain
        case .linear: frequencies = plain.map { $0 / Float(parameters.factor ?? 1) }
        case .llama3: frequencies = plain.map { Self.blended($0, parameters) }
        case .yarn:
            let rule = YarnRule(parameters, pairs: pairs, maximumTokens: maximumTokens)
            frequencies = rule.frequencies
            lengthening = rule.attentionFactor
        case .longrope:
            let rule = LongRopeRule(parameters, maximumTokens: maximumTokens)
            frequencies = rule.frequencies(plain: plain, parameters.shortFactors)
            lengthening = rule.attentionFactor
        }
        attentionFactor = Float(lengthening)
    }

    static func plain(_ theta: Double, _ pairs: Int) -> [Float] {
        (0..<pairs).map { Float(1 / pow(theta, Double(2 * $0) / Double(2 * pairs))) }
    }

    /// Llama 3's rule, by how often an angle goes round within the length of training.
    private static func blended(_ frequency: Float, _ parameters: RotaryParameters) -> Float {
        let factor = Float(parameters.factor ?? 1)
        let (low, high) = (Float(parameters.lowFrequencyFactor ?? 1), Float(parameters.highFrequencyFactor ?? 4))
        let length = Float(parameters.originalMaximumTokens ?? 1)
        let wave = 2 * Float.pi / frequency
        if wave < length / high { return frequency }
        if wave > length / low { return frequency / factor }
        let smooth = (length / wave - low) / (high - low)
        return (1 - smooth) * frequency / factor + smooth * frequency
    }

    /// For `dynamic` and `longrope` by the length of the text; the same for all others.
    func frequencies(length: Int) -> [Float] {
        if parameters.kind == .longrope {
            let rule = LongRopeRule(parameters, maximumTokens: maximumTokens)
            guard length > rule.originalTokens else { return frequencies }
            return rule.frequencies(plain: Self.plain(parameters.theta, pairs), parameters.longFactors)
        }
        guard parameters.kind == .dynamic, length > maximumTokens, pairs > 1 else { return frequencies }
        let (factor, dimension) = (parameters.factor ?? 1, Double(2 * pairs))
        let growth = factor * Double(length) / Double(maximumTokens) - (factor - 1)
        return Self.plain(parameters.theta * pow(growth, dimension / (dimension - 2)), pairs)
    }

    /// Each row has the frequencies of its own length, as if it were alone.
    ///
    /// - Parameter positions: of each row's tokens; one row when all are alike.
    func rotation(_ positions: [[Int]]) -> DecoderContext.Rotation {
        let rows = positions.map { frequencies(length: ($0.max() ?? 0) + 1) }
        let isShared = rows.allSatisfy { $0 == rows[0] }
        let turning =
            isShared ? Tensor(rows[0]) : Tensor(rows.flatMap { $0 }, shape: [rows.count, 1, pairs])
        let places = Tensor(
            positions.flatMap { $0.map(Float.init) }, shape: [positions.count, positions[0].count, 1])
        let angles = places * turning
        guard attentionFactor != 1 else { return DecoderContext.Rotation(cosines: cos(angles), sines: sin(angles)) }
        let factor = Double(attentionFactor)
        return DecoderContext.Rotation(cosines: cos(angles) * factor, sines: sin(angles) * factor)
    }
}
