import TensorCore
import TestSupport
import Testing

@testable import Samplers

@Suite struct NoiseScheduleTests {
    let golden: GoldenFile
    let schedule: NoiseSchedule

    init() throws {
        golden = try GoldenFile("schedulers")
        schedule = try NoiseSchedule(.stableDiffusion)
    }

    @Test func tablesFollowTorch() throws {
        #expect(largestError(schedule.betas, try golden["tables/betas"].floats) < 1e-8)
        #expect(largestError(schedule.alphasCumulative, try golden["tables/alphas_cumprod"].floats) < 2e-7)
        #expect(largestError(schedule.sigmas, try golden["tables/sigmas"].floats) < 1e-6)
    }

    @Test func noisingFollowsDiffusers() throws {
        let (clean, noise) = (try golden["noising/clean"], try golden["noising/noise"])
        let timesteps = try golden["noising/timesteps"].integers.map(Int.init)
        let noisy = schedule.addNoise(clean, noise: noise, timesteps: timesteps)
        let velocity = schedule.velocity(clean, noise: noise, timesteps: timesteps)
        #expect(largestError(noisy, try golden["noising/noisy"]) < 1e-6)
        #expect(largestError(velocity, try golden["noising/velocity"]) < 1e-6)
    }

    @Test func lossWeightsFollowMinSNR() throws {
        let all = Array(0..<1000)
        let epsilon = schedule.lossWeights(timesteps: all, gamma: 5, prediction: .epsilon)
        let velocity = schedule.lossWeights(timesteps: all, gamma: 5, prediction: .velocity)
        #expect(largestError(epsilon, try golden["tables/min_snr_weights_epsilon"]) < 1e-5)
        #expect(largestError(velocity, try golden["tables/min_snr_weights_v"]) < 1e-5)
        let flat = schedule.lossWeights(timesteps: [0, 500], gamma: 0, prediction: .velocity)
        #expect(flat.floats == [1, 1])
    }

    @Test(arguments: [PredictionType.epsilon, .velocity, .sample])
    func targetAndDenoisedAreInverse(prediction: PredictionType) throws {
        let (clean, noise) = (try golden["noising/clean"], try golden["noising/noise"])
        let timesteps = [1, 200, 600, 950]
        let noisy = schedule.addNoise(clean, noise: noise, timesteps: timesteps)
        let target = schedule.target(clean, noise: noise, timesteps: timesteps, prediction: prediction)
        let found = schedule.denoised(target, noisy: noisy, timesteps: timesteps, prediction: prediction)
        #expect(largestError(found, clean) < 1e-5)
    }

    @Test func endsAtPureNoiseWhenRescaled() throws {
        var configuration = SchedulerConfiguration.stableDiffusion
        configuration.rescalesToZeroSNR = true
        let rescaled = try NoiseSchedule(configuration)
        #expect(rescaled.alphasCumulative[999] == 0)
        #expect(abs(rescaled.alphasCumulative[0] - schedule.alphasCumulative[0]) < 1e-6)
        #expect(abs(rescaled.sigmas[999] - 4096) < 0.01)
        let weights = rescaled.lossWeights(timesteps: [999], gamma: 5, prediction: .epsilon)
        #expect(weights.floats == [1])
    }

    @Test func cosineScheduleIsCapped() throws {
        var configuration = SchedulerConfiguration()
        configuration.betaSchedule = .squaredCosine
        let cosine = try NoiseSchedule(configuration)
        #expect(cosine.betas[999] == Float(0.999))
        // cos²(π/2 · (0.001 + 0.008) / 1.008) / cos²(π/2 · 0.008 / 1.008)
        #expect(abs(cosine.alphasCumulative[0] - 0.99995872) < 1e-6)
    }

    @Test func trainedBetasReplaceTheFormula() throws {
        var configuration = SchedulerConfiguration()
        configuration.trainTimesteps = 3
        configuration.trainedBetas = [0.5, 0.5, 0.75]
        #expect(try NoiseSchedule(configuration).alphasCumulative == [0.5, 0.25, 0.0625])
        configuration.trainedBetas = [0.5]
        #expect(
            throws: SamplerError.configuration(
                key: "trained_betas", expected: "3 numbers (num_train_timesteps)", found: "1")
        ) { try NoiseSchedule(configuration) }
    }
}
