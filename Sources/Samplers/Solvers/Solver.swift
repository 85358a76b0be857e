public import TensorCore

/// One way to walk from noise to a sample. A value: its history, if it needs one, is part of it.
///
/// To add one: a file like `Euler.swift` with the solver and its `SamplingMethod`, and its line in
/// `SamplingMethod.all`. Tensors are float32; `index` counts evaluations from 0.
public protocol Solver: Sendable {
    /// What the model is asked, in order.
    var evaluations: [Evaluation] { get }

    /// The noise over the signal after the last step.
    var finalSigma: Float { get }

    /// The factor of the unit noise that a trajectory starts from.
    var initialNoiseScale: Float { get }

    /// Lets the trajectory begin at a step, which may change what is asked from there on.
    mutating func begin(at step: Int)

    /// The latents as the model wants to see them.
    func modelInput(_ latents: Tensor, at index: Int) -> Tensor

    /// A clean sample with the noise of an evaluation that begins a step, to start a trajectory there.
    func noised(_ clean: Tensor, noise: Tensor, at index: Int) -> Tensor

    /// The latents after an evaluation.
    ///
    /// - Parameter noise: draws unit normal noise of a shape; called only by solvers that add some.
    mutating func advance(
        _ latents: Tensor, prediction: Tensor, at index: Int, noise: (_ shape: [Int]) -> Tensor
    ) -> SamplerStep
}

extension Solver {
    public var initialNoiseScale: Float { 1 }

    public mutating func begin(at step: Int) {}

    public func modelInput(_ latents: Tensor, at index: Int) -> Tensor { latents }
}

/// What an evaluation gives.
public struct SamplerStep: Sendable {
    /// What the next evaluation starts from; after the last one, the sample.
    public let latents: Tensor
    /// The clean sample that the model has in mind, good for a preview.
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
    /// How much fresh noise the methods add that let one choose; what 0 and 1 mean is theirs to say.
    public let eta: Float
}
