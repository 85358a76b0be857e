import TensorCore
import TestSupport
import Testing

@testable import Samplers

/// Every sampler on every schedule, and its rarer settings, against diffusers after each evaluation.
@Suite struct SamplerGridTests {
    struct Case: Decodable {
        let sampler: String
        let options: SchedulerConfiguration
        let steps: Int
        let eta: Float?
        let tokens: Int?
        let noiseSeed: UInt64
        let scale: Float

        enum CodingKeys: String, CodingKey {
            case sampler, options, steps, eta, tokens, scale
            case noiseSeed = "noise_seed"
        }
    }

    static let golden = Result { try GoldenFile("sampler_grid") }

    @Test(arguments: SamplingMethod.all.map(\.name))
    func followsDiffusers(name: String) throws {
        let golden = try Self.golden.get()
        let cases = try golden.index([String: Case].self).filter { $0.value.sampler == name }
        #expect(!cases.isEmpty)
        for (key, facts) in cases.sorted(by: { $0.key < $1.key }) {
            let found = try errors(key, facts, golden)
            #expect(found.schedule < 1e-6, "\(key) schedule")
            #expect(found.latents < tolerance(key, facts), "\(key) latents")
        }
    }

    /// Every pair that is offered has a trajectory.
    @Test func coversWhatIsOffered() throws {
        let cases = try Self.golden.get().index([String: Case].self)
        for method in SamplingMethod.all {
            for schedule in method.schedules {
                for prediction in method.predictions where prediction != .sample {
                    let found = cases.values.contains { facts in
                        var configuration = facts.options
                        schedule.apply(to: &configuration)
                        return facts.sampler == method.name && facts.options.predictionType == prediction
                            && configuration == facts.options
                    }
                    #expect(found, "\(method.name) \(schedule.name) \(prediction)")
                }
            }
        }
    }

    /// From sigma 4096 on, a last bit of the latents weighs 4096 times as much, and more in a slope that is used twice.
    private func tolerance(_ key: String, _ facts: Case) -> Double {
        guard facts.options.rescalesToZeroSNR else { return 1e-5 }
        return ["heun", "dpm2"].contains(facts.sampler) ? 3e-3 : 1e-4
    }

    private func errors(
        _ key: String, _ facts: Case, _ golden: GoldenFile
    ) throws -> (schedule: Double, latents: Double) {
        var configuration = facts.options
        configuration.flowShift.tokens = facts.tokens
        // As a pipeline does that has one of these schedulers in the place of a model's own.
        if ["ddim", "pndm"].contains(facts.sampler) && configuration.setsAlphaToOne == nil {
            configuration.setsAlphaToOne = false
            configuration.clipsSample = false
        }
        var sampler = try Sampler(
            named: facts.sampler, configuration: configuration, steps: facts.steps, eta: facts.eta)
        #expect(sampler.stepCount == facts.steps, "\(key)")
        #expect(abs(sampler.initialNoiseScale - facts.scale) <= 1e-5 * facts.scale, "\(key) scale")
        var schedule = 0.0
        if let expected = golden.tensors["\(key)/timesteps"] {
            schedule = largestError(sampler.timesteps, expected.floats)
        }
        if let expected = golden.tensors["\(key)/sigmas"] {
            schedule = max(schedule, largestError(sampler.sigmas, expected.floats))
        }
        let expected = try golden["\(key)/latents"]
        var random = TorchGenerator(seed: facts.noiseSeed)
        var latents = try golden["latents"] * Double(sampler.initialNoiseScale)
        var error = 0.0
        for (index, evaluation) in sampler.evaluations.enumerated() {
            let input = sampler.modelInput(latents, at: index)
            let prediction = tanh(input * Double(Float(0.3)) + Double(evaluation.timestep / 1000))
            latents = sampler.step(prediction, latents: latents, at: index, random: &random)
            let row = index - (sampler.evaluations.count - expected.size(0))
            if row >= 0 {
                let wanted = expected.narrowed(0, start: row, count: 1).reshaped(latents.shape)
                error = max(error, largestError(latents, wanted))
            }
        }
        return (schedule, error)
    }
}
