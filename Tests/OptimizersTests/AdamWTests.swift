import Foundation
import TensorCore
import TestSupport
import Testing
import Weights

@testable import Optimizers

@Suite struct AdamWTests {
    struct Index: Decodable {
        let cases: [String: Case]
    }

    struct Case: Decodable {
        let optimizer: String
        let lr: Double
        let betas: [Double]
        let eps: Double
        let weightDecay: Double
        let clip: Double?
        let schedule: Schedule?

        enum CodingKeys: String, CodingKey {
            case optimizer, lr, betas, eps, clip, schedule
            case weightDecay = "weight_decay"
        }
    }

    struct Schedule: Decodable {
        let warmup: Int
        let steps: Int
    }

    static let names = ["w1", "b1", "w2", "b2"]

    static func optimizer(_ facts: Case) -> AdamW {
        AdamW(
            beta1: facts.betas[0], beta2: facts.betas[1], epsilon: facts.eps, weightDecay: facts.weightDecay,
            isDecayDecoupled: facts.optimizer == "AdamW", decays: { _, _ in true })
    }

    static func tensors(_ golden: GoldenFile, _ prefix: String) throws -> [String: Tensor] {
        try Dictionary(uniqueKeysWithValues: names.map { ($0, try golden["\(prefix)/\($0)"]) })
    }

    @Test(arguments: ["adamw", "adamw_clipped", "adamw_no_decay_scheduled", "adam", "adam_l2_clipped"])
    func followsTorch(name: String) throws {
        let golden = try GoldenFile("optimizers")
        let facts = try #require(golden.index(Index.self).cases[name])
        var optimizer = Self.optimizer(facts)
        var parameters = try Self.tensors(golden, "start")
        let (norms, rates) = (try golden["\(name)/norms"].floats, try golden["\(name)/rates"].floats)
        for step in 0..<10 {
            let gradients = try Self.tensors(golden, "\(name)/\(step)/gradient")
            let norm = globalNorm(gradients.values)
            #expect(abs(norm - Double(norms[step])) < 1e-6 * norm, "norm of step \(step)")
            var rate = facts.lr
            if let schedule = facts.schedule {
                rate *= LearningRateSchedule.cosine(warmupSteps: schedule.warmup, totalSteps: schedule.steps)
                    .factor(step: step)
                #expect(abs(rate - Double(rates[step])) < 1e-8)
            }
            parameters = optimizer.step(
                parameters: parameters, gradients: gradients, learningRate: rate,
                gradientScale: clippingScale(norm: norm, maximum: facts.clip ?? .infinity))
            for (path, parameter) in parameters {
                let expected = try golden["\(name)/\(step)/parameter/\(path)"]
                #expect(largestError(parameter, expected) < 1e-6, "\(path) after step \(step)")
            }
        }
    }

    /// Ten steps are five, a file, and five more: bit for bit.
    @Test func resumesExactly() throws {
        let golden = try GoldenFile("optimizers")
        let facts = try #require(golden.index(Index.self).cases["adamw_clipped"])
        try inTemporaryFolder { folder in
            let file = folder.appending(path: "optimizer.safetensors")
            func run(
                _ steps: Range<Int>, _ optimizer: inout AdamW, _ average: inout ExponentialMovingAverage,
                _ parameters: inout [String: Tensor]
            ) throws {
                for step in steps {
                    let gradients = try Self.tensors(golden, "adamw_clipped/\(step)/gradient")
                    parameters = optimizer.step(parameters: parameters, gradients: gradients, learningRate: 0.05)
                    average.update(parameters)
                }
            }
            let start = try Self.tensors(golden, "start")
            var (parameters, optimizer) = (start, Self.optimizer(facts))
            var average = ExponentialMovingAverage(parameters, decay: 0.9)
            try run(0..<5, &optimizer, &average, &parameters)
            let stored = optimizer.stateTensors.merging(average.stateTensors) { first, _ in first }
                .merging(parameters.map { ("parameter." + $0.key, $0.value) }) { first, _ in first }
            try writeSafetensors(stored, to: file.path)
            try run(5..<10, &optimizer, &average, &parameters)

            let read = try SafetensorsFile(path: file.path).tensors()
            var resumed = try start.mapValues { _ in try #require(read.values.first) }
            for path in start.keys { resumed[path] = try #require(read["parameter." + path]) }
            var resumedOptimizer = Self.optimizer(facts)
            try resumedOptimizer.restore(read, for: resumed)
            var resumedAverage = ExponentialMovingAverage(start, decay: 0.9)
            try resumedAverage.restore(read)
            try run(5..<10, &resumedOptimizer, &resumedAverage, &resumed)
            #expect(resumed.mapValues(\.floats) == parameters.mapValues(\.floats))
            #expect(resumedAverage.parameters.mapValues(\.floats) == average.parameters.mapValues(\.floats))
            #expect(
                resumedOptimizer.stateTensors.mapValues(\.floats) == optimizer.stateTensors.mapValues(\.floats))
        }
    }

    @Test func restoreNamesWhatDoesNotFit() throws {
        let parameters = ["a.weight": Tensor.ones([2, 2])]
        var optimizer = AdamW()
        _ = optimizer.step(parameters: parameters, gradients: parameters, learningRate: 0.1)
        let state = optimizer.stateTensors
        var missing = state
        missing["second_moment.a.weight"] = nil
        var misshapen = state
        misshapen["first_moment.a.weight"] = .zeros([4])
        var fresh = AdamW()
        for (tensors, key) in [(missing, "second_moment.a.weight"), (misshapen, "first_moment.a.weight")] {
            let error = #expect(throws: OptimizerStateError.self) { try fresh.restore(tensors, for: parameters) }
            #expect(error?.key == key)
        }
        #expect(throws: OptimizerStateError.self) { try fresh.restore(state, for: ["b": .ones([2, 2])]) }
        #expect(fresh.stateTensors.isEmpty)
    }

    /// With zero gradients only the decay moves a parameter.
    @Test func decaysMatricesOnly() {
        var optimizer = AdamW(
            weightDecay: 0.5,
            groups: [
                ParameterGroup(prefix: "unet", learningRateFactor: 2),
                ParameterGroup(prefix: "unet.out", learningRateFactor: 0.5, weightDecayFactor: 0),
            ])
        let parameters = [
            "vae.weight": Tensor.ones([1, 1]), "unet.weight": .ones([1, 1]), "unet.bias": .ones([1]),
            "unet.out.weight": .ones([1, 1]), "unetlike.weight": .ones([1, 1]),
        ]
        let gradients = parameters.mapValues { Tensor.zeros($0.shape) }
        let moved = optimizer.step(parameters: parameters, gradients: gradients, learningRate: 0.1)
        let expected: [String: Float] = [
            "vae.weight": 0.95, "unet.weight": 0.9, "unet.bias": 1, "unet.out.weight": 1, "unetlike.weight": 0.95,
        ]
        for (path, value) in expected { #expect(abs((moved[path]?.item ?? .nan) - value) < 1e-6, "\(path)") }
    }

    @Test func parameterWithoutGradientRests() {
        var optimizer = AdamW()
        let parameters = ["a": Tensor.ones([2]), "b": Tensor.ones([2]).tracked()]
        let moved = optimizer.step(parameters: parameters, gradients: ["a": .ones([2])], learningRate: 0.1)
        #expect(moved["b"]?.floats == [1, 1])
        #expect(moved["b"]?.isTracked == false)
        #expect(moved["a"]?.floats != [1, 1])
        #expect(optimizer.stateTensors["step.b"] == nil)
    }
}
