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
        (#"{"beta_end": 1.5}"#, "beta_end"), (#"{"use_lu_lambdas": true}"#, "use_lu_lambdas"),
        (#"{"solver_type": "rk4"}"#, "solver_type"), (#"{"shift": 0}"#, "shift"),
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
        let json = #"{"sample_max_value": 1.0, "use_karras_sigmas": false, "solver_p": null}"#
        #expect(try SchedulerConfiguration(json: json) == SchedulerConfiguration())
    }

    @Test(arguments: [
        ("HeunDiscreteScheduler", 0.012, BetaSchedule.linear), ("LCMScheduler", 0.012, .scaledLinear),
        ("EulerDiscreteScheduler", 0.02, .linear),
    ])
    func missingKeysAreTheClasses(className: String, betaEnd: Double, schedule: BetaSchedule) throws {
        let configuration = try SchedulerConfiguration(json: #"{"_class_name": "\#(className)"}"#)
        #expect(configuration.betaEnd == betaEnd)
        #expect(configuration.betaSchedule == schedule)
    }

    @Test(arguments: [
        #"{"_class_name": "UniPCMultistepScheduler", "solver_type": "bh1", "disable_corrector": [0]}"#,
        #"{"_class_name": "PNDMScheduler", "skip_prk_steps": true, "set_alpha_to_one": false}"#,
        #"{"_class_name": "LCMScheduler", "original_inference_steps": 40}"#,
        #"{"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0, "shift_terminal": 0.1}"#,
        #"{"_class_name": "EulerDiscreteScheduler", "use_beta_sigmas": true}"#,
    ])
    func writesEveryClassAsItReadsIt(json: String) throws {
        let configuration = try SchedulerConfiguration(json: json)
        let data = try JSONEncoder().encode(configuration)
        #expect(try JSONDecoder().decode(SchedulerConfiguration.self, from: data) == configuration)
    }
}
