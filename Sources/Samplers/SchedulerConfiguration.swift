/// The contents of a `scheduler_config.json`: how a model was trained, and how it likes to be sampled.
///
/// Missing keys take the defaults of the diffusers class that the file names. What is nil when missing has other
/// defaults in other classes: the sampling method decides.
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
    /// `sigma_min`, `sigma_max`: the range of a sigma spacing, instead of the sigmas at its ends (Euler and UniPC).
    public var sigmaMinimum: Double?
    public var sigmaMaximum: Double?
    /// `final_sigmas_type`
    public var finalSigma = FinalSigma.zero
    /// `clip_sample`, `clip_sample_range`: limits x0 to plus or minus the range (DDIM, Heun, LCM); nil is DDIM's yes
    /// and the others' no.
    public var clipsSample: Bool?
    public var clipRange = 1.0
    /// `set_alpha_to_one`: whether DDIM and PNDM end at no noise rather than at the noise of timestep 0; nil is DDIM's
    /// yes and PNDM's no.
    public var setsAlphaToOne: Bool?
    /// `lower_order_final`: whether DPM++ ends with a first-order step when there are fewer than 15 steps, and UniPC
    /// with steps of falling order.
    public var lowersFinalOrder = true
    /// `euler_at_final`: whether DPM++ always ends with a first-order step.
    public var usesEulerAtFinal = false
    /// `solver_type`, of DPM++ and of UniPC
    public var secondOrderRule = SecondOrderRule.midpoint
    public var uniPCRule = UniPCRule.bh2
    /// `disable_corrector`: the steps that UniPC does not correct.
    public var uncorrectedSteps: [Int] = []
    /// `solver_order` and `algorithm_type`: which member of the DPM family the class name stands for; UniPC's order.
    public var solverOrder = 2
    public var algorithm = "dpmsolver++"
    /// `lambda_min_clipped`: DPM++ skips timesteps whose log signal-to-noise ratio is smaller.
    public var lambdaMinimum = -Double.infinity
    /// `skip_prk_steps`: whether PNDM leaves out its Runge-Kutta start; nil is PNDM's no.
    public var skipsRungeKutta: Bool?
    /// `original_inference_steps`: how many timesteps LCM and TCD models were distilled for.
    public var originalSteps = 50
    /// `timestep_scaling`: how fast LCM's boundary condition goes over into x0.
    public var timestepScaling = 10.0
    /// `shift` and its like, of flow models.
    public var flowShift = FlowShift()

    /// diffusers' defaults.
    public init() {}

    /// The name to make a `Sampler` by when the user chose none: the class.
    ///
    /// Without a class it is `ddim`, and for DDPM, whose equation DDIM solves in fewer steps. A class without an equal
    /// here stays, for `Sampler` to refuse by name.
    public var samplerName: String {
        switch className {
        case nil, "DDPMScheduler": SamplingMethod.ddim.name
        case .some(let name): name
        }
    }

    /// As diffusers' pipelines of Stable Diffusion 1 and 2, but not those of SDXL, change an outdated configuration: an
    /// offset of 1; predictions are not clipped (`StableDiffusionPipeline.__init__`), or, of the one that inpaints, PNDM skips
    /// its Runge-Kutta steps (`StableDiffusionInpaintPipeline.__init__`).
    public func correctedAsInPipelines(inpainting: Bool) -> SchedulerConfiguration {
        var configuration = self
        configuration.stepsOffset = 1
        if inpainting {
            configuration.skipsRungeKutta = true
        } else {
            configuration.clipsSample = false
        }
        return configuration
    }

    /// Refuses to have the noise predicted where there is nothing but noise.
    func refuseNoiseFromPureNoise() throws(SamplerError) {
        if rescalesToZeroSNR && predictionType == .epsilon {
            throw .configuration(
                key: "prediction_type", expected: "v_prediction or sample with rescale_betas_zero_snr",
                found: "epsilon, which says nothing at pure noise")
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
