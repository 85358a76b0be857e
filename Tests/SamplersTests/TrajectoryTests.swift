import Foundation
import TensorCore
import TestSupport
import Testing

@testable import Samplers

/// Every spacing, prediction and step count of the golden file, against diffusers.
@Suite struct TrajectoryTests {
    struct Case: Decodable {
        let options: SchedulerConfiguration
        let scales: [String: Float]
        enum CodingKeys: String, CodingKey {
            case options
            case scales = "init_noise_sigma"
        }
    }

    static let methods = ["ddim": "ddim", "euler": "euler", "dpmpp2m": "dpm++2m"]

    @Test func followsDiffusers() throws {
        let golden = try GoldenFile("schedulers")
        let cases = try golden.index([String: Case].self)
        #expect(cases.count == 30)
        for (key, entry) in cases.sorted(by: { $0.key < $1.key }) {
            for (count, scale) in entry.scales {
                try compare("\(key)/\(count)", entry.options, steps: #require(Int(count)), scale: scale, golden)
            }
        }
    }

    private func compare(
        _ key: String, _ configuration: SchedulerConfiguration, steps: Int, scale: Float, _ golden: GoldenFile
    ) throws {
        let parts = key.split(separator: "/").map(String.init)
        var sampler = try Sampler(
            named: #require(Self.methods[parts[0]]), configuration: configuration, steps: steps)
        let shared = "\(parts[0])/\(parts[1])/epsilon/\(steps)/"
        #expect(largestError(sampler.timesteps, try golden[shared + "timesteps"].floats) < 1e-6, "\(key) timesteps")
        if let sigmas = golden.tensors[shared + "sigmas"] {
            #expect(largestError(sampler.sigmas, sigmas.floats) < 1e-6, "\(key) sigmas")
        }
        #expect(abs(sampler.initialNoiseScale - scale) < 1e-5 * scale, "\(key) scale")

        var latents = try golden["latents"] * Double(sampler.initialNoiseScale)
        var random: any RandomSource = UnusableSource()
        for (step, timestep) in sampler.timesteps.enumerated() {
            let input = sampler.modelInput(latents, at: step)
            latents = sampler.step(fakeModel(input, timestep), latents: latents, at: step, random: &random)
            if let expected = golden.tensors["\(key)/step/\(step)"] {
                #expect(largestError(latents, expected) < 1e-5, "\(key) step \(step)")
            }
        }
        #expect(largestError(latents, try golden["\(key)/final"]) < 1e-5, "\(key)")
    }

    private func fakeModel(_ input: Tensor, _ timestep: Float) -> Tensor {
        tanh(input * Double(Float(0.3)) + Double(timestep / 1000))
    }
}

/// Fails the test when a deterministic sampler draws noise.
struct UnusableSource: RandomSource {
    mutating func normal(_ shape: [Int]) -> Tensor {
        Issue.record("a deterministic sampler drew noise")
        return .zeros(shape)
    }
    mutating func uniform(_ shape: [Int]) -> Tensor { normal(shape) }
    mutating func integers(below bound: Int, count: Int) -> [Int] { [] }
    mutating func permutation(_ count: Int) -> [Int] { [] }
}
