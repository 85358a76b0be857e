internal import Foundation
internal import Layers
internal import TensorCore
internal import Weights

/// Numbers as waves of falling frequency.
///
///     frequency_i = exp(-ln(10000) * i / (half - shift))          half = width / 2
///     y = [cos(x * frequency) | sin(x * frequency)]               sines first unless `cosinesFirst`
///
/// Follows diffusers `embeddings.py`, get_timestep_embedding. Has no parameters.
struct SinusoidalEmbedding: Sendable {
    private let frequencies: Tensor
    private let width: Int
    private let cosinesFirst: Bool
    private let site: Int

    init(_ width: Int, cosinesFirst: Bool, shift: Float, site: Int) {
        let half = width / 2
        let scale = Float(-log(10000.0))
        frequencies = Tensor(
            (0..<half).map { index in Float(exp(Double(scale * Float(index) / (Float(half) - shift)))) },
            shape: [1, half])
        self.width = width
        self.cosinesFirst = cosinesFirst
        self.site = site
    }

    /// - Parameter x: `[count]`, whole or fractional.
    /// - Returns: `[count, width]`; an odd width ends with a zero.
    func callAsFunction(_ x: Tensor, _ pass: Pass) -> Tensor {
        let phases = x.converted(to: .float32).unsqueezed(-1) * frequencies
        let (sines, cosines) = (sin(phases), cos(phases))
        let waves = concatenated(cosinesFirst ? [cosines, sines] : [sines, cosines], axis: -1)
        return pass.visit(site, .output, padded(waves, before: [0, 0], after: [0, width % 2]))
    }
}

/// Two linear layers with an activation between them.
///
///     y = linear_2(activation(linear_1(x + cond_proj(condition))))
struct TimeEmbedding: Layer {
    private var linear1: Linear
    private var linear2: Linear
    private var conditionProjection: Linear?
    private let activation: Activation
    private let site: Int

    init(
        _ inputs: Int, _ width: Int, activation: Activation, conditionWidth: Int? = nil, _ weights: ScopedWeights
    ) throws {
        linear1 = try Linear(inputs, width, weights.scope("linear_1"))
        linear2 = try Linear(width, width, weights.scope("linear_2"))
        conditionProjection = try conditionWidth.map { conditionWidth in
            try Linear(conditionWidth, inputs, hasBias: false, weights.scope("cond_proj"))
        }
        self.activation = activation
        site = weights.site
    }

    func callAsFunction(_ x: Tensor, condition: Tensor? = nil, _ pass: Pass) -> Tensor {
        var x = x
        if let condition, let conditionProjection { x = x + conditionProjection(condition, pass) }
        x = pass.visit(site, .input, x)
        return pass.visit(site, .output, linear2(activation(linear1(x, pass)), pass))
    }

    mutating func mapParameters(_ transform: (Tensor) -> Tensor) {
        linear1.mapParameters(transform)
        linear2.mapParameters(transform)
        conditionProjection.mapParameters(transform)
    }
}
