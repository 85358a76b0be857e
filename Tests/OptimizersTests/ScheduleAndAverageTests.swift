import TensorCore
import TestSupport
import Testing

@testable import Optimizers

@Suite struct ScheduleAndAverageTests {
    struct Index: Decodable {
        let schedules: [Schedule]
        let ema: [String: Average]
    }

    struct Schedule: Decodable {
        let name: String
        let warmup: Int
        let steps: Int
        let base: Double
        let cycles: Double?
        let power: Double?
        let rates: [Double]

        var schedule: LearningRateSchedule? {
            switch name {
            case "constant", "constant_with_warmup": .constant(warmupSteps: warmup)
            case "linear": .linear(warmupSteps: warmup, totalSteps: steps)
            // `get_scheduler` drops the cycles of a plain cosine.
            case "cosine": .cosine(warmupSteps: warmup, totalSteps: steps)
            case "cosine_with_restarts":
                .cosineWithRestarts(warmupSteps: warmup, totalSteps: steps, cycles: Int(cycles ?? 1))
            case "polynomial":
                .polynomial(warmupSteps: warmup, totalSteps: steps, power: power ?? 1, end: 1e-7 / base)
            default: nil
            }
        }
    }

    struct Average: Decodable {
        let decay: Double
        let inverseGamma: Double?
        let power: Double?
        let firstStep: Int?
        let decays: [Double]

        enum CodingKeys: String, CodingKey {
            case decay, power, decays
            case inverseGamma = "inv_gamma"
            case firstStep = "update_after_step"
        }

        var warmUp: ExponentialMovingAverage.WarmUp {
            if let inverseGamma, let power { return .power(inverseGamma: inverseGamma, power: power) }
            return .ratio
        }
    }

    @Test func learningRatesFollowDiffusers() throws {
        for facts in try GoldenFile("optimizers").index(Index.self).schedules {
            let schedule = try #require(facts.schedule)
            for (step, rate) in facts.rates.enumerated() {
                #expect(abs(schedule.factor(step: step) * facts.base - rate) < 1e-12, "\(facts.name) step \(step)")
            }
        }
    }

    @Test(arguments: ["ema", "ema_low", "ema_warmup", "ema_late"])
    func averagesFollowDiffusers(name: String) throws {
        let golden = try GoldenFile("optimizers")
        let facts = try #require(golden.index(Index.self).ema[name])
        var average = ExponentialMovingAverage(
            ["w1": try golden["start/w1"]], decay: facts.decay, warmUp: facts.warmUp,
            firstStep: facts.firstStep ?? 0)
        for (step, decay) in facts.decays.enumerated() {
            #expect(abs(average.nextDecay - decay) < 1e-12)
            average.update(["w1": try golden["adamw_clipped/\(step)/parameter/w1"]])
            #expect(largestError(try #require(average.parameters["w1"]), try golden["\(name)/\(step)"]) < 1e-6)
        }
    }

    /// A slow average of a constant must not drift: the two factors add up to exactly 1.
    @Test func averageOfAConstantStays() {
        let value: Float = 0.1
        var average = ExponentialMovingAverage(["p": Tensor([value])], decay: 0.9999, warmUp: .none)
        for _ in 0..<2000 { average.update(["p": Tensor([value])]) }
        #expect(abs((average.parameters["p"]?.item ?? .nan) - value) < 1e-7)
    }

    @Test func normDoesNotDependOnTheOrder() {
        let tensors = [3e4, 1e-3, 7, 0.3, 5e2].map { Tensor([Float($0), 1]) }
        #expect(globalNorm(tensors) == globalNorm(tensors.reversed()))
        #expect(abs(globalNorm([3, 4].map { Tensor([Float($0)]) }) - 5) < 1e-9)
        #expect(clippingScale(norm: 5, maximum: 10) == 1)
        #expect(clippingScale(norm: 5, maximum: 1) == 1 / (5 + 1e-6))
        #expect(clippingScale(norm: 5, maximum: .infinity) == 1)
    }
}
