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
        let input = sampler.modelInput(latents, step: step)
        // Both forms of latents become sqrt(alpha) x0 + sqrt(1 - alpha) n at the model's input.
        let probe = sampler.modelInput(sampler.noised(.ones([1]), noise: .zeros([1]), step: step), step: step)
        let signal = Double(probe.item)
        let deviation = (1 - signal * signal).squareRoot()
        let noise = (input - clean * signal) / deviation
        switch sampler.configuration.predictionType {
        case .epsilon: return noise
        case .velocity: return noise * signal - clean * deviation
        case .sample: return clean
        }
    }

    @Test(arguments: SamplingMethod.all.map(\.name), PredictionType.allCases)
    func findsWhatThePerfectModelKnows(name: String, prediction: PredictionType) throws {
        for karras in [nil, SigmaSpacing.karras] {
            var configuration = Self.configuration(prediction)
            configuration.sigmaSpacing = karras
            var sampler = try Sampler(named: name, configuration: configuration, steps: 12)
            var latents = sampler.noised(Self.clean, noise: Self.noise, step: 0)
            var random = TorchGenerator(seed: 0)
            for step in sampler.timesteps.indices {
                latents = sampler.step(
                    Self.answer(sampler, latents, step: step), latents: latents, step: step, random: &random)
                #expect(largestError(try #require(sampler.denoised), Self.clean) < 1e-4)
            }
            #expect(largestError(latents, Self.clean) < 1e-4)
        }
    }

    @Test(arguments: SamplingMethod.all.map(\.name))
    func copyContinuesOnItsOwn(name: String) throws {
        var sampler = try Sampler(named: name, configuration: Self.configuration(.epsilon), steps: 8)
        var latents = Self.noise * Double(sampler.initialNoiseScale)
        var random = TorchGenerator(seed: 0)
        func predict(_ latents: Tensor, _ step: Int) -> Tensor { tanh(latents * 0.3 + Double(step) / 8) }
        var copy = sampler
        var copiedLatents = latents
        for step in 0..<8 {
            latents = sampler.step(predict(latents, step), latents: latents, step: step, random: &random)
            if step == 3 { (copy, copiedLatents) = (sampler, latents) }
        }
        for step in 4..<8 {
            copiedLatents = copy.step(
                predict(copiedLatents, step), latents: copiedLatents, step: step, random: &random)
        }
        #expect(copiedLatents.floats == latents.floats)
    }

    /// The first steps of a shorter trajectory are not those of the whole one: history starts empty.
    @Test func startsAnywhere() throws {
        var sampler = try Sampler(named: "dpm++2m", configuration: Self.configuration(.epsilon), steps: 10)
        var random = TorchGenerator(seed: 0)
        var latents = sampler.noised(Self.clean, noise: Self.noise, step: 6)
        for step in 6..<10 {
            latents = sampler.step(
                Self.answer(sampler, latents, step: step), latents: latents, step: step, random: &random)
        }
        #expect(largestError(latents, Self.clean) < 1e-4)
    }

    @Test func ddimAddsNoiseByEta() throws {
        let configuration = Self.configuration(.epsilon)
        func firstStep(eta: Float) throws -> (result: [Float], random: TorchGenerator) {
            var sampler = try Sampler(named: "ddim", configuration: configuration, steps: 10, eta: eta)
            var random = TorchGenerator(seed: 3)
            // A model that sees nothing but noise: x0 = 0, so only the two noise terms remain.
            let level = sampler.noised(.zeros([1]), noise: .ones([1]), step: 0)
            let latents = sampler.step(.ones([1]), latents: level, step: 0, random: &random)
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
        _ = sampler.step(Self.clean, latents: Self.noise, step: 0, random: &random)
        #expect(try #require(sampler.denoised).floats == [0.5, -0.75, 0.75, 0.25])
    }

    @Test func everyStepCountStaysInTheTable() throws {
        for name in SamplingMethod.all.map(\.name) {
            for spacing in TimestepSpacing.allCases {
                let configuration = Self.configuration(.epsilon, spacing: spacing)
                for steps in [1, 2, 3, 7, 49, 98, 103, 107, 333, 500, 999, 1000] {
                    let sampler = try Sampler(named: name, configuration: configuration, steps: steps)
                    #expect(sampler.timesteps.count == steps, "\(name) \(spacing) \(steps)")
                    #expect(sampler.timesteps.allSatisfy { (0...999).contains($0) }, "\(name) \(spacing) \(steps)")
                    #expect(zip(sampler.timesteps, sampler.timesteps.dropFirst()).allSatisfy { $0 >= $1 })
                }
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
        #expect(throws: SamplerError.self) { try Sampler(named: "ddim", configuration: pure, steps: 5) }
    }
}
