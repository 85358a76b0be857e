import TensorCore
import TestSupport
import Testing

@testable import Samplers

/// What holds for every method, whatever the numbers of a reference are.
@Suite struct SamplerPropertyTests {
    static let clean = Tensor([0.5, -1, 2, 0.25] as [Float], shape: [1, 1, 2, 2])
    static let noise = Tensor([1, -0.5, 0.75, -2] as [Float], shape: [1, 1, 2, 2])

    static func configuration(
        _ prediction: PredictionType, spacing: TimestepSpacing = .trailing
    ) -> SchedulerConfiguration {
        var configuration = SchedulerConfiguration.stableDiffusion
        configuration.predictionType = prediction
        configuration.timestepSpacing = spacing
        configuration.setsAlphaToOne = true
        return configuration
    }

    /// What a model that knows the clean sample would answer.
    static func answer(_ sampler: Sampler, _ latents: Tensor, step: Int) -> Tensor {
        let input = sampler.modelInput(latents, at: step)
        // Both forms of latents become sqrt(alpha) x0 + sqrt(1 - alpha) n at the model's input.
        let probe = sampler.modelInput(sampler.noised(.ones([1]), noise: .zeros([1]), at: step), at: step)
        let signal = Double(probe.item)
        let predictionType = sampler.configuration.predictionType
        let deviation = predictionType == .flow ? 1 - signal : (1 - signal * signal).squareRoot()
        let noise = (input - clean * signal) / deviation
        switch predictionType {
        case .epsilon: return noise
        case .velocity: return noise * signal - clean * deviation
        case .sample: return clean
        case .flow: return noise - clean
        }
    }

    /// A prediction type that the method takes: epsilon if it can.
    static func prediction(_ name: String) throws -> PredictionType {
        try #require(SamplingMethod.find(name).method.predictions.first)
    }

    @Test(arguments: SamplingMethod.all.map(\.name), PredictionType.allCases)
    func findsWhatThePerfectModelKnows(name: String, prediction: PredictionType) throws {
        let method = try SamplingMethod.find(name).method
        // PNDM extrapolates v itself, which changes along the way although the noise does not; and between the
        // timesteps of linspace lie others than it steps by.
        guard method.predictions.contains(prediction) && !(name == "pndm" && prediction == .velocity) else { return }
        let excluded: [SamplingSchedule] = [.timesteps(.leading)] + (name == "pndm" ? [.timesteps(.linspace)] : [])
        for schedule in method.schedules where !excluded.contains(schedule) {
            var sampler = try Sampler(
                method, schedule: schedule, configuration: Self.configuration(prediction), steps: 10)
            var latents = sampler.noised(Self.clean, noise: Self.noise, at: 0)
            var random = TorchGenerator(seed: 0)
            for index in sampler.evaluations.indices {
                latents = sampler.step(
                    Self.answer(sampler, latents, step: index), latents: latents, at: index, random: &random)
                let denoised = try #require(sampler.denoised)
                #expect(largestError(denoised, Self.clean) < 1e-4, "\(schedule.name) \(index)")
            }
            if sampler.sigmas.last == 0 { #expect(largestError(latents, Self.clean) < 1e-4, "\(schedule.name)") }
        }
    }

    /// Also between the two evaluations of a step.
    @Test(arguments: SamplingMethod.all.map(\.name), [2, 3])
    func copyContinuesOnItsOwn(name: String, start: Int) throws {
        let configuration = Self.configuration(try Self.prediction(name))
        var sampler = try Sampler(named: name, configuration: configuration, steps: 6)
        var latents = Self.noise * Double(sampler.initialNoiseScale)
        var random = TorchGenerator(seed: 0)
        func predict(_ latents: Tensor, _ step: Int) -> Tensor { tanh(latents * 0.3 + Double(step) / 8) }
        var (copy, copiedLatents, copiedRandom) = (sampler, latents, random)
        for index in sampler.evaluations.indices {
            latents = sampler.step(predict(latents, index), latents: latents, at: index, random: &random)
            if index == start - 1 { (copy, copiedLatents, copiedRandom) = (sampler, latents, random) }
        }
        for index in start..<copy.evaluations.count {
            copiedLatents = copy.step(
                predict(copiedLatents, index), latents: copiedLatents, at: index, random: &copiedRandom)
        }
        #expect(copiedLatents.floats == latents.floats)
        #expect(copiedRandom == random)
    }

    /// The first steps of a shorter trajectory are not those of the whole one: history starts empty. PNDM then asks at
    /// timesteps that are not the latents' own, see `LaterStartTests`.
    @Test(arguments: SamplingMethod.all.map(\.name).filter { $0 != "pndm" })
    func startsAnywhere(name: String) throws {
        let configuration = Self.configuration(try Self.prediction(name))
        var sampler = try Sampler(named: name, configuration: configuration, steps: 10)
        var random = TorchGenerator(seed: 0)
        let start = sampler.begin(at: 6)
        var latents = sampler.noised(Self.clean, noise: Self.noise, at: start)
        for index in start..<sampler.evaluations.count {
            latents = sampler.step(
                Self.answer(sampler, latents, step: index), latents: latents, at: index, random: &random)
        }
        #expect(largestError(try #require(sampler.denoised), Self.clean) < 1e-4)
        if sampler.sigmas.last == 0 { #expect(largestError(latents, Self.clean) < 1e-4) }
    }

    @Test(arguments: [
        ("ddim", 10), ("pndm", 11), ("euler", 10), ("euler_a", 10), ("heun", 19), ("dpm2", 19), ("dpm++2m", 10),
        ("dpm++sde", 19), ("unipc", 10), ("lcm", 10),
    ])
    func asksAsOftenAsItsMethodNeeds(name: String, evaluations: Int) throws {
        let sampler = try Sampler(named: name, configuration: Self.configuration(.epsilon), steps: 10)
        #expect(sampler.evaluations.count == evaluations)
        #expect(sampler.stepCount == 10)
        #expect(sampler.evaluations.filter(\.completesStep).map(\.step) == Array(0..<10))
        for step in 0..<10 {
            var later = sampler
            let first = later.begin(at: step)
            #expect(later.evaluations[first].step == step)
            #expect(later.evaluations[first...].filter(\.completesStep).map(\.step) == Array(step..<10))
        }
    }

    /// How often a trajectory of five steps draws: the stream must be where the reference's is when a batch goes on.
    @Test(
        arguments: [
            ("ddim", nil, 0), ("ddim", 1, 5), ("pndm", nil, 0), ("euler_a", nil, 5), ("euler_a", 0, 0),
            ("heun", nil, 0),
            ("dpm2", nil, 0), ("dpm++2m_sde", nil, 5), ("dpm++sde", nil, 8), ("unipc", nil, 0), ("lcm", nil, 4),
            ("tcd", nil, 0), ("tcd", 0.3, 4),
        ] as [(String, Float?, Int)])
    func drawsAsOftenAsTheReference(name: String, eta: Float?, draws: Int) throws {
        var sampler = try Sampler(named: name, configuration: Self.configuration(.epsilon), steps: 5, eta: eta)
        var (random, reference) = (TorchGenerator(seed: 0), TorchGenerator(seed: 0))
        var latents = Self.noise
        for index in sampler.evaluations.indices {
            latents = sampler.step(Self.noise, latents: latents, at: index, random: &random)
        }
        for _ in 0..<draws { _ = reference.normal(Self.noise.shape) }
        #expect(random == reference)
    }

    @Test func ancestralWithoutNoiseIsEuler() throws {
        func run(_ name: String, eta: Float?) throws -> [Float] {
            var sampler = try Sampler(named: name, configuration: Self.configuration(.epsilon), steps: 7, eta: eta)
            var random: any RandomSource = UnusableSource()
            var latents = Self.noise * Double(sampler.initialNoiseScale)
            for index in sampler.evaluations.indices {
                let prediction = tanh(sampler.modelInput(latents, at: index))
                latents = sampler.step(prediction, latents: latents, at: index, random: &random)
            }
            return latents.floats
        }
        #expect(try run("euler_a", eta: 0) == run("euler", eta: nil))
    }

    @Test func ddimAddsNoiseByEta() throws {
        let configuration = Self.configuration(.epsilon)
        func firstStep(eta: Float) throws -> (result: [Float], random: TorchGenerator) {
            var sampler = try Sampler(named: "ddim", configuration: configuration, steps: 10, eta: eta)
            var random = TorchGenerator(seed: 3)
            // A model that sees nothing but noise: x0 = 0, so only the two noise terms remain.
            let level = sampler.noised(.zeros([1]), noise: .ones([1]), at: 0)
            let latents = sampler.step(.ones([1]), latents: level, at: 0, random: &random)
            return (latents.floats, random)
        }
        let alphas = try NoiseSchedule(configuration).alphasCumulative
        let (now, next) = (Double(alphas[999]), Double(alphas[899]))
        var reference = TorchGenerator(seed: 3)
        let still = try firstStep(eta: 0)
        #expect(still.random == reference)
        #expect(abs(Double(still.result[0]) - (1 - next).squareRoot()) < 1e-5)

        let fresh = Double(reference.normal([1]).item)
        for eta in [0.5, 1.0] {
            let deviation = eta * ((1 - next) / (1 - now) * (1 - now / next)).squareRoot()
            let expected = (1 - next - deviation * deviation).squareRoot() + deviation * fresh
            let moved = try firstStep(eta: Float(eta))
            #expect(moved.random == reference)
            #expect(abs(Double(moved.result[0]) - expected) < 1e-5)
        }
    }

    @Test func ddimClipsTheCleanSample() throws {
        var configuration = Self.configuration(.sample)
        configuration.clipsSample = true
        configuration.clipRange = 0.75
        var sampler = try Sampler(named: "ddim", configuration: configuration, steps: 4)
        var random = TorchGenerator(seed: 0)
        _ = sampler.step(Self.clean, latents: Self.noise, at: 0, random: &random)
        #expect(try #require(sampler.denoised).floats == [0.5, -0.75, 0.75, 0.25])
    }

    @Test(arguments: SamplingMethod.all.map(\.name))
    func everyStepCountStaysInTheTable(name: String) throws {
        let method = try SamplingMethod.find(name).method
        for spacing in TimestepSpacing.allCases {
            let configuration = Self.configuration(try Self.prediction(name), spacing: spacing)
            let counts = [1, 2, 3, 7, 49] + (method.family == .distilled ? [] : [98, 103, 107, 333, 500, 999, 1000])
            let last: Float = method.family == .flow ? 1000 : 999
            for steps in counts {
                let sampler = try Sampler(named: name, configuration: configuration, steps: steps)
                #expect(sampler.stepCount == steps, "\(name) \(spacing) \(steps)")
                #expect(sampler.timesteps.allSatisfy { (0...last).contains($0) }, "\(name) \(spacing) \(steps)")
                #expect(zip(sampler.timesteps, sampler.timesteps.dropFirst()).allSatisfy { $0 >= $1 })
            }
        }
    }

    @Test func refusesImpossibleRequests() throws {
        let configuration = SchedulerConfiguration.stableDiffusion
        for steps in [0, -1, 1001] {
            #expect(throws: SamplerError.steps(steps, maximum: 1000)) {
                try Sampler(named: "euler", configuration: configuration, steps: steps)
            }
        }
        #expect(throws: SamplerError.self) {
            try Sampler(named: "ddim", configuration: configuration, steps: 5, eta: -1)
        }
        var pure = configuration
        pure.rescalesToZeroSNR = true
        for name in ["ddim", "pndm", "lcm", "tcd"] {
            #expect(throws: SamplerError.self) { try Sampler(named: name, configuration: pure, steps: 5) }
        }
        #expect(throws: SamplerError.steps(51, maximum: 50)) {
            try Sampler(named: "lcm", configuration: configuration, steps: 51)
        }
        pure.predictionType = .velocity
        #expect(throws: SamplerError.self) { try Sampler(named: "pndm", configuration: pure, steps: 5) }
    }

    @Test(
        arguments: [
            ("ddim", "karras", nil, "discrete, linspace, leading, trailing"), ("lcm", "trailing", nil, "discrete"),
            ("flow_euler", "ays", nil, "karras"), ("heun", nil, 0.5, "ddim, euler_a, tcd"), ("tcd", nil, 1.5, "0 to 1"),
            ("DDIM Karras", nil, nil, "trailing"),
        ] as [(String, String?, Float?, String)])
    func refusesWhatDoesNotGoTogether(name: String, schedule: String?, eta: Float?, hint: String) throws {
        var configuration = SchedulerConfiguration.stableDiffusion
        if name == "flow_euler" { configuration.predictionType = .flow }
        do {
            _ = try Sampler(named: name, schedule: schedule, configuration: configuration, steps: 5, eta: eta)
            Issue.record("made \(name)")
        } catch {
            guard case .combination = error else {
                Issue.record("\(error)")
                return
            }
            #expect(error.description.contains(hint))
        }
    }

    @Test func predictionsMustFit() throws {
        var configuration = SchedulerConfiguration.stableDiffusion
        #expect(throws: SamplerError.self) { try Sampler(named: "flow_euler", configuration: configuration, steps: 5) }
        configuration.predictionType = .flow
        #expect(throws: SamplerError.self) { try Sampler(named: "heun", configuration: configuration, steps: 5) }
        #expect(try Sampler(named: "euler", configuration: configuration, steps: 5).method.name == "flow_euler")
    }

    /// What the model's own file sets for another sampler is no error.
    @Test func aSpacingInTheFileDoesNotBotherDDIM() throws {
        var configuration = SchedulerConfiguration.stableDiffusion
        let plain = try Sampler(named: "ddim", configuration: configuration, steps: 5)
        configuration.sigmaSpacing = .karras
        #expect(try Sampler(named: "ddim", configuration: configuration, steps: 5).timesteps == plain.timesteps)
    }

    @Test func dynamicShiftNeedsASize() throws {
        var configuration = SchedulerConfiguration()
        configuration.predictionType = .flow
        configuration.flowShift.isDynamic = true
        #expect(throws: SamplerError.self) { try Sampler(named: "euler", configuration: configuration, steps: 4) }
        configuration.flowShift.tokens = 4096
        #expect(abs(configuration.flowShift.mu(tokens: 4096) - 1.15) < 1e-12)
        #expect(try Sampler(named: "euler", configuration: configuration, steps: 4).timesteps[0] == 1000)
    }
}
