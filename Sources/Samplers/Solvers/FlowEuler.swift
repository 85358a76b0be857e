public import TensorCore

extension SamplingMethod {
    static let flowEuler = SamplingMethod(
        name: "flow_euler", title: "Flow Euler",
        aliases: ["FlowMatchEulerDiscreteScheduler", "flow_match_euler", "Euler flow"], family: .flow
    ) { context throws(SamplerError) in try FlowEuler(context) }
}

/// Euler steps along the straight path of a flow model, x = (1 - sigma) x0 + sigma · noise.
///
///     x' = x + (sigma' - sigma) v,   t = T · sigma
///
/// Follows diffusers `FlowMatchEulerDiscreteScheduler.step` without stochastic sampling.
public struct FlowEuler: Solver {
    public let evaluations: [Evaluation]
    public var finalSigma: Float { 0 }
    private let sigmas: [Float]

    init(_ context: SolverContext) throws(SamplerError) {
        let sigmas = try context.flowSigmas().map { Float($0) }
        let scale = Float(context.configuration.trainTimesteps)
        evaluations = sigmas.indices.map { Evaluation(timestep: sigmas[$0] * scale, sigma: sigmas[$0], step: $0) }
        self.sigmas = sigmas + [0]
    }

    public func noised(_ clean: Tensor, noise: Tensor, at index: Int) -> Tensor {
        noise * Double(sigmas[index]) + clean * Double(1 - sigmas[index])
    }

    public func advance(
        _ latents: Tensor, prediction: Tensor, at index: Int, noise: (_ shape: [Int]) -> Tensor
    ) -> SamplerStep {
        let (sigma, next) = (sigmas[index], sigmas[index + 1])
        let denoised = PredictionType.flow.denoised(
            prediction, latents: latents, signal: 1 - sigma, deviation: sigma)
        return SamplerStep(latents: latents + prediction * Double(next - sigma), denoised: denoised)
    }
}
