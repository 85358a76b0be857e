import Testing

@testable import Samplers

/// What the samplers, schedules and predictions answer to.
@Suite struct NameTests {
    @Test(arguments: [
        ("ddim", "ddim"), ("DDIM", "ddim"), ("DDIMScheduler", "ddim"), ("pndm", "pndm"), ("PLMS", "pndm"),
        ("PNDMScheduler", "pndm"), ("Euler", "euler"), ("EulerDiscreteScheduler", "euler"), ("euler-a", "euler_a"),
        ("Euler a", "euler_a"), ("euler_ancestral", "euler_a"), ("EulerAncestralDiscreteScheduler", "euler_a"),
        ("HEUN", "heun"), ("HeunDiscreteScheduler", "heun"), ("DPM2", "dpm2"), ("KDPM2DiscreteScheduler", "dpm2"),
        ("dpm++2m", "dpm++2m"), ("DPM++ 2M", "dpm++2m"), ("dpmpp-2m", "dpm++2m"), ("dpmpp_2m", "dpm++2m"),
        ("DPMSolverMultistepScheduler", "dpm++2m"), ("DPM++ 2M SDE", "dpm++2m_sde"), ("dpmpp-2m-sde", "dpm++2m_sde"),
        ("DPM++ SDE", "dpm++sde"), ("dpmpp_sde", "dpm++sde"), ("DPMSolverSDEScheduler", "dpm++sde"),
        ("UniPC", "unipc"), ("UniPCMultistepScheduler", "unipc"), ("LCM", "lcm"), ("LCMScheduler", "lcm"),
        ("TCD", "tcd"), ("flow-euler", "flow_euler"), ("FlowMatchEulerDiscreteScheduler", "flow_euler"),
    ])
    func methodsAnswerToTheirNames(name: String, method: String) throws {
        let found = try SamplingMethod.find(name)
        #expect(found.method.name == method)
        #expect(found.schedule == nil)
    }

    @Test(arguments: [
        ("DPM++ 2M Karras", "dpm++2m", "karras"), ("dpmpp-2m-karras", "dpm++2m", "karras"),
        ("dpmpp-2m-sde-karras", "dpm++2m_sde", "karras"), ("DPM++ SDE Karras", "dpm++sde", "karras"),
        ("euler-karras", "euler", "karras"), ("DPM++ 2M SDE Exponential", "dpm++2m_sde", "exponential"),
        ("unipc_beta", "unipc", "beta"), ("euler_ays", "euler", "ays"), ("ddim_trailing", "ddim", "trailing"),
    ])
    func namesMayEndInASchedule(name: String, method: String, schedule: String) throws {
        let sampler = try Sampler(named: name, configuration: .stableDiffusion, steps: 5)
        #expect(sampler.method.name == method)
        #expect(try SamplingMethod.find(name).schedule?.name == schedule)
        #expect((sampler.configuration.sigmaSpacing?.name ?? "trailing") == schedule)
    }

    @Test func everyNameIsItsOwn() throws {
        for method in SamplingMethod.all {
            #expect(try SamplingMethod.find(method.name).method.name == method.name)
            #expect(try SamplingMethod.find(method.title).method.name == method.name)
        }
        for schedule in SamplingSchedule.all { #expect(try SamplingSchedule.find(schedule.name) == schedule) }
        for type in PredictionType.allCases { #expect(try PredictionType.find(type.name) == type) }
    }

    @Test(arguments: [
        ("Karras", "karras"), ("use_karras_sigmas", "karras"), ("EXPONENTIAL", "exponential"), ("beta", "beta"),
        ("Align Your Steps", "ays"), ("ays-sdxl", "ays_sdxl"), ("normal", "discrete"), ("SGM Uniform", "trailing"),
        ("Simple", "trailing"),
        ("leading", "leading"), ("Linspace", "linspace"),
    ])
    func schedulesAnswerToTheirNames(name: String, schedule: String) throws {
        #expect(try SamplingSchedule.find(name)?.name == schedule)
    }

    /// A1111's word for the schedule that a sampler's name or the model brings along.
    @Test func automaticLeavesTheScheduleAlone() throws {
        for name in ["dpm++2m", "DPM++ 2M Karras"] {
            let own = try Sampler(named: name, configuration: .stableDiffusion, steps: 5)
            let automatic = try Sampler(
                named: name, schedule: "Automatic", configuration: .stableDiffusion, steps: 5)
            #expect(automatic.configuration == own.configuration && automatic.sigmas == own.sigmas)
        }
    }

    @Test(arguments: [
        ("eps", PredictionType.epsilon), ("epsilon", .epsilon), ("V", .velocity), ("v_prediction", .velocity),
        ("sample", .sample), ("flow", .flow), ("sd3_flow", .flow), ("flow-prediction", .flow),
    ])
    func predictionsAnswerToTheirNames(name: String, type: PredictionType) throws {
        #expect(try PredictionType.find(name) == type)
    }

    @Test(arguments: [
        ("dpm++2n", "dpm++2m"), ("eular", "euler"), ("dim", "ddim"), ("dpm++3m", "dpm++2m"),
        ("DEISMultistepScheduler", nil), ("", nil),
    ])
    func unknownMethodsListTheKnownOnes(name: String, suggestion: String?) {
        #expect(
            throws: SamplerError.unknownMethod(
                name, known: SamplingMethod.all.map(\.name), suggestion: suggestion)
        ) { try Sampler(named: name, configuration: .stableDiffusion, steps: 5) }
    }

    @Test func unknownSchedulesAndPredictionsListTheKnownOnes() {
        #expect(
            throws: SamplerError.unknownSchedule(
                "karas", known: SamplingSchedule.all.map(\.name), suggestion: "karras")
        ) { try Sampler(named: "euler", schedule: "karas", configuration: .stableDiffusion, steps: 5) }
        #expect(
            throws: SamplerError.unknownPrediction("edm_v", known: ["eps", "v", "sample", "flow"], suggestion: nil)
        ) { try PredictionType.find("edm_v") }
    }

    @Test(arguments: [
        ("PNDMScheduler", "pndm"), ("EulerDiscreteScheduler", "euler"), ("DDPMScheduler", "ddim"),
        ("KDPM2DiscreteScheduler", "dpm2"), ("TCDScheduler", "tcd"), ("DPMSolverMultistepScheduler", "dpm++2m"),
    ])
    func configurationNamesItsSampler(className: String, method: String) throws {
        var configuration = SchedulerConfiguration.stableDiffusion
        configuration.className = className
        configuration.skipsRungeKutta = true
        let sampler = try Sampler(named: configuration.samplerName, configuration: configuration, steps: 5)
        #expect(sampler.method.name == method)
    }

    @Test func configurationNamesItsMode() throws {
        var configuration = SchedulerConfiguration.stableDiffusion
        configuration.className = "DPMSolverMultistepScheduler"
        configuration.algorithm = "sde-dpmsolver++"
        func sampler() throws -> Sampler {
            try Sampler(named: configuration.samplerName, configuration: configuration, steps: 5)
        }
        #expect(try sampler().method.name == "dpm++2m_sde")
        for (algorithm, order) in [("dpmsolver", 2), ("sde-dpmsolver", 2), ("dpmsolver++", 3), ("sde-dpmsolver++", 3)] {
            (configuration.algorithm, configuration.solverOrder) = (algorithm, order)
            #expect(throws: SamplerError.self) { try sampler() }
        }
        #expect(try Sampler(named: "dpm++2m", configuration: configuration, steps: 5).method.name == "dpm++2m")
        // The Runge-Kutta start that a PNDMScheduler makes unless told otherwise.
        configuration.className = "PNDMScheduler"
        #expect(throws: SamplerError.self) { try sampler() }
    }
}
