import Foundation
import TestSupport
import Testing

@testable import Samplers

@Suite struct SchedulerConfigurationTests {
    @Test func readsADiffusersFile() throws {
        let url = Fixtures.folder.appending(path: "tiny-sd/scheduler/scheduler_config.json")
        let configuration = try SchedulerConfiguration(json: String(contentsOf: url, encoding: .utf8))
        #expect(configuration == .stableDiffusion)
    }

    @Test func writesWhatItReads() throws {
        var configuration = SchedulerConfiguration.stableDiffusion
        configuration.className = "DPMSolverMultistepScheduler"
        configuration.sigmaSpacing = .karras
        configuration.predictionType = .velocity
        configuration.finalSigma = .minimum
        configuration.secondOrderRule = .heun
        configuration.lambdaMinimum = -5.1
        configuration.trainTimesteps = 2
        configuration.trainedBetas = [0.25, 0.5]
        let data = try JSONEncoder().encode(configuration)
        #expect(try JSONDecoder().decode(SchedulerConfiguration.self, from: data) == configuration)
        let object = try #require(JSONSerialization.jsonObject(with: data) as? [String: Any])
        #expect(object["use_karras_sigmas"] as? Bool == true)
        #expect(object["prediction_type"] as? String == "v_prediction")
    }

    @Test func acceptsPythonsInfinity() throws {
        let json = #"{"lambda_min_clipped": -Infinity, "a\"b": "-Infinity", "sigma_max": NaN, "beta_end": 0.5}"#
        let configuration = try SchedulerConfiguration(json: json)
        #expect(configuration.lambdaMinimum == -.infinity)
        #expect(configuration.sigmaMaximum == nil)
        #expect(configuration.betaEnd == 0.5)
    }

    @Test(arguments: [
        (#"{"beta_schedule": "sigmoid"}"#, "beta_schedule"), (#"{"prediction_type": 3}"#, "prediction_type"),
        (#"{"num_train_timesteps": "many"}"#, "num_train_timesteps"),
        (#"{"num_train_timesteps": 0}"#, "num_train_timesteps"),
        (#"{"beta_end": 1.5}"#, "beta_end"), (#"{"use_exponential_sigmas": true}"#, "use_exponential_sigmas"),
        (#"{"thresholding": true}"#, "thresholding"), (#"{"steps_offset": -1}"#, "steps_offset"), ("[1]", "JSON"),
        ("{", "JSON"),
    ])
    func refusalsNameTheKey(json: String, key: String) {
        do {
            _ = try SchedulerConfiguration(json: json)
            Issue.record("read \(json)")
        } catch {
            guard case .configuration(key, _, _) = error else {
                Issue.record("\(error)")
                return
            }
        }
    }

    @Test func ignoresWhatItDoesNotKnow() throws {
        let json = #"{"skip_prk_steps": true, "use_karras_sigmas": false, "solver_p": null}"#
        #expect(try SchedulerConfiguration(json: json) == SchedulerConfiguration())
    }
}

@Suite struct SamplingMethodTests {
    @Test(arguments: [
        ("ddim", "ddim"), ("DDIM", "ddim"), ("DDIMScheduler", "ddim"), ("Euler", "euler"),
        ("EulerDiscreteScheduler", "euler"), ("dpm++2m", "dpm++2m"), ("DPM++ 2M", "dpm++2m"), ("dpmpp-2m", "dpm++2m"),
        ("dpmpp_2m", "dpm++2m"), ("DPMSolverMultistepScheduler", "dpm++2m"),
    ])
    func answersToItsNames(name: String, method: String) throws {
        let found = try SamplingMethod.find(name)
        #expect(found.method.name == method)
        #expect(found.sigmaSpacing == nil)
    }

    @Test(arguments: [("DPM++ 2M Karras", "dpm++2m"), ("dpmpp_2m_karras", "dpm++2m"), ("euler-karras", "euler")])
    func nameMayEndInASpacing(name: String, method: String) throws {
        let sampler = try Sampler(named: name, configuration: .stableDiffusion, steps: 5)
        #expect(sampler.method.name == method)
        #expect(sampler.configuration.sigmaSpacing == .karras)
    }

    @Test(arguments: [("dpm++2n", "dpm++2m"), ("eular", "euler"), ("dim", "ddim"), ("unipc", nil), ("", nil)])
    func unknownNamesListTheKnownOnes(name: String, suggestion: String?) {
        #expect(
            throws: SamplerError.unknownMethod(
                name, known: ["ddim", "euler", "dpm++2m"], suggestion: suggestion)
        ) { try Sampler(named: name, configuration: .stableDiffusion, steps: 5) }
    }

    @Test func configurationNamesItsSampler() throws {
        var configuration = SchedulerConfiguration.stableDiffusion
        for (className, name) in [("PNDMScheduler", "ddim"), ("EulerDiscreteScheduler", "EulerDiscreteScheduler")] {
            configuration.className = className
            #expect(configuration.samplerName == name)
        }
        configuration.className = "DPMSolverMultistepScheduler"
        configuration.algorithm = "sde-dpmsolver++"
        #expect(throws: SamplerError.self) {
            try Sampler(named: configuration.samplerName, configuration: configuration, steps: 5)
        }
        #expect(try Sampler(named: "dpm++2m", configuration: configuration, steps: 5).method.name == "dpm++2m")
    }
}
