/// The contents of a `scheduler_config.json`: how a model was trained, and how it likes to be sampled.
///
/// Missing keys take the defaults that diffusers' scheduler classes share. `timestepSpacing` differs between the
/// classes and stays nil when missing: the sampling method then decides.
public struct SchedulerConfiguration: Sendable, Equatable {
    /// `_class_name`, such as `DDIMScheduler`.
    public var className: String?
    /// `num_train_timesteps`
    public var trainTimesteps = 1000
    /// `beta_start`
    public var betaStart = 0.0001
    /// `beta_end`
    public var betaEnd = 0.02
    /// `beta_schedule`
    public var betaSchedule = BetaSchedule.linear
    /// `trained_betas`: used instead of the three above.
    public var trainedBetas: [Float]?
    /// `rescale_betas_zero_snr`: shifts the schedule so that its last timestep is pure noise.
    public var rescalesToZeroSNR = false
    /// `prediction_type`
    public var predictionType = PredictionType.epsilon
    /// `timestep_spacing`
    public var timestepSpacing: TimestepSpacing?
    /// `steps_offset`: added to the timesteps of leading spacing.
    public var stepsOffset = 0
    /// `use_karras_sigmas` and its like; nil takes the sigmas of the timesteps.
    public var sigmaSpacing: SigmaSpacing?
    /// `sigma_min`, `sigma_max`: the range of a sigma spacing, instead of the sigmas at its ends (Euler only).
    public var sigmaMinimum: Double?
    public var sigmaMaximum: Double?
    /// `final_sigmas_type`
    public var finalSigma = FinalSigma.zero
    /// `clip_sample`, `clip_sample_range`: limits x0 to plus or minus the range (DDIM only).
    public var clipsSample = true
    public var clipRange = 1.0
    /// `set_alpha_to_one`: whether DDIM ends at no noise rather than at the noise of timestep 0.
    public var setsAlphaToOne = true
    /// `lower_order_final`: whether DPM++ ends with a first-order step when there are fewer than 15 steps.
    public var lowersFinalOrder = true
    /// `euler_at_final`: whether DPM++ always ends with a first-order step.
    public var usesEulerAtFinal = false
    /// `solver_type`
    public var secondOrderRule = SecondOrderRule.midpoint
    /// `solver_order` and `algorithm_type`: which member of the DPM family the class name stands for.
    public var solverOrder = 2
    public var algorithm = "dpmsolver++"
    /// `lambda_min_clipped`: DPM++ skips timesteps whose log signal-to-noise ratio is smaller.
    public var lambdaMinimum = -Double.infinity

    /// diffusers' defaults.
    public init() {}

    /// The name to make a `Sampler` by when the user chose none: the class.
    ///
    /// Without a class, and for the samplers of the same equation that DDIM solves in fewer or simpler steps (PNDM,
    /// DDPM), it is `ddim`. A class without an equal here stays, for `Sampler` to refuse by name.
    public var samplerName: String {
        switch className {
        case nil, "PNDMScheduler", "DDPMScheduler": SamplingMethod.ddim.name
        case .some(let name): name
        }
    }

    /// The schedule of Stable Diffusion 1 and 2: scaled linear betas from 0.00085 to 0.012, leading spacing.
    public static var stableDiffusion: SchedulerConfiguration {
        var configuration = SchedulerConfiguration()
        configuration.className = "DDIMScheduler"
        configuration.betaStart = 0.00085
        configuration.betaEnd = 0.012
        configuration.betaSchedule = .scaledLinear
        configuration.timestepSpacing = .leading
        configuration.stepsOffset = 1
        configuration.clipsSample = false
        configuration.setsAlphaToOne = false
        return configuration
    }
}
