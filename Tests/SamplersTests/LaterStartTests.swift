import Foundation
import TensorCore
import TestSupport
import Testing

@testable import Samplers

/// PNDM from a later step on, as image to image begins, against diffusers.
@Suite struct LaterStartTests {
    private struct Case: Decodable {
        var start: Int
        var timesteps: [Float]
        var latents: [Float]
        var spacing: String
        var prediction: String

        enum CodingKeys: String, CodingKey {
            case start, timesteps, latents
            case spacing = "timestep_spacing"
            case prediction = "prediction_type"
        }
    }

    @Test func followsDiffusers() throws {
        let cases = try JSONDecoder().decode(
            [Case].self, from: Data(contentsOf: URL(filePath: Fixtures.path("later_starts.json"))))
        #expect(cases.contains { $0.start == 0 } && cases.contains { $0.start == 5 })
        let clean = Tensor([-1, -0.5, 0, 0.5] as [Float], shape: [1, 1, 2, 2])
        let noise = Tensor([1.5, 0.75, 0, -0.75] as [Float], shape: [1, 1, 2, 2])
        for facts in cases {
            var configuration = try SchedulerConfiguration(
                json: """
                    {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1,
                     "skip_prk_steps": true, "timestep_spacing": "\(facts.spacing)",
                     "prediction_type": "\(facts.prediction)"}
                    """)
            configuration.setsAlphaToOne = false
            var sampler = try Sampler(named: "pndm", configuration: configuration, steps: 6)
            let first = sampler.begin(at: facts.start)
            #expect(sampler.evaluations[first].step == facts.start && sampler.stepCount == 6)
            #expect(sampler.evaluations[first...].filter(\.completesStep).map(\.step) == Array(facts.start..<6))
            #expect(Array(sampler.timesteps[first...]) == facts.timesteps)
            var random = TorchGenerator(seed: 0)
            var latents = sampler.noised(clean, noise: noise, at: first)
            for index in first..<sampler.evaluations.count {
                let timestep = Double(sampler.evaluations[index].timestep)
                let prediction = tanh(latents * Double(Float(0.3)) + timestep / 1000)
                latents = sampler.step(prediction, latents: latents, at: index, random: &random)
            }
            let expected = Tensor(facts.latents, shape: [1, 1, 2, 2])
            #expect(largestError(latents, expected) < 1e-5, "from step \(facts.start), \(facts.spacing)")
        }
    }
}
