public import TensorCore

/// One way to walk from noise to a sample. A value: its history, if it needs one, is part of it.
///
/// To add one: a file like `Euler.swift` with the solver and its `SamplingMethod`, and its line in
/// `SamplingMethod.all`. Tensors are float32; `step` counts from 0.
public protocol Solver: Sendable {
    /// What the model is told at each step.
    var timesteps: [Float] { get }

    /// The noise over the signal at each step and after the last one.
    var sigmas: [Float] { get }

    /// The factor of the unit noise that a trajectory starts from.
    var initialNoiseScale: Float { get }

    /// The latents as the model wants to see them.
    func modelInput(_ latents: Tensor, step: Int) -> Tensor

    /// A clean sample with the noise of a step, to start a trajectory there.
    func noised(_ clean: Tensor, noise: Tensor, step: Int) -> Tensor

    /// The latents after a step.
    ///
    /// - Parameter noise: draws unit normal noise of a shape; called only by solvers that add some.
    mutating func advance(
        _ latents: Tensor, prediction: Tensor, step: Int, noise: (_ shape: [Int]) -> Tensor
    ) -> SamplerStep
}

extension Solver {
    public var initialNoiseScale: Float { 1 }

    public func modelInput(_ latents: Tensor, step: Int) -> Tensor { latents }
}

/// What a step gives.
public struct SamplerStep: Sendable {
    /// The input of the next step; after the last step, the sample.
    public let latents: Tensor
    /// The clean sample that the model has in mind at this step, good for a preview.
    public let denoised: Tensor

    public init(latents: Tensor, denoised: Tensor) {
        self.latents = latents
        self.denoised = denoised
    }
}

/// What a solver is made from.
public struct SolverContext: Sendable {
    public let configuration: SchedulerConfiguration
    public let schedule: NoiseSchedule
    /// The configuration's spacing, or the sampling method's own.
    public let spacing: TimestepSpacing
    public let steps: Int
    /// How much fresh noise DDIM adds at each step: 0 none, 1 as much as DDPM.
    public let eta: Float
}
