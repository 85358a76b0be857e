import TensorCore
import TestSupport
import Testing

@testable import Samplers

/// The rarer settings of each method, against diffusers.
@Suite struct VariantTests {
    struct Case: Decodable {
        let sampler: String
        let options: SchedulerConfiguration
        let steps: Int
        let eta: Float
        let noiseSeed: UInt64

        enum CodingKeys: String, CodingKey {
            case sampler, options, steps, eta
            case noiseSeed = "noise_seed"
        }
    }

    @Test func followsDiffusers() throws {
        let golden = try GoldenFile("scheduler_variants")
        let cases = try golden.index([String: Case].self)
        #expect(cases.count == 22)
        for (name, facts) in cases {
            var sampler = try Sampler(
                named: facts.sampler, configuration: facts.options, steps: facts.steps, eta: facts.eta)
            #expect(largestError(sampler.timesteps, try golden["\(name)/timesteps"].floats) < 1e-6, "\(name)")
            if let sigmas = golden.tensors["\(name)/sigmas"] {
                #expect(largestError(sampler.sigmas, sigmas.floats) < 1e-6, "\(name) sigmas")
            }
            // From sigma 4096 on, the last bits of the model's tanh weigh 4096 times as much.
            let tolerance = name == "euler_zero_snr" ? 1e-4 : 1e-5
            var random = TorchGenerator(seed: facts.noiseSeed)
            var latents = try golden["latents"] * Double(sampler.initialNoiseScale)
            for (step, timestep) in sampler.timesteps.enumerated() {
                let input = sampler.modelInput(latents, at: step)
                let prediction = tanh(input * Double(Float(0.3)) + Double(timestep / 1000))
                latents = sampler.step(prediction, latents: latents, at: step, random: &random)
                let expected = try golden["\(name)/step/\(step)"]
                #expect(largestError(latents, expected) < tolerance, "\(name) step \(step)")
                if let expected = golden.tensors["\(name)/denoised/\(step)"] {
                    let denoised = try #require(sampler.denoised)
                    #expect(largestError(denoised, expected) < tolerance, "\(name) x0 of step \(step)")
                }
            }
        }
    }
}
