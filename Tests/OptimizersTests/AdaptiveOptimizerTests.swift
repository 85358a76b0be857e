import TensorCore
import TestSupport
import Testing

@testable import Optimizers

/// Lion and Prodigy beside the packages that their authors and users run.
@Suite struct AdaptiveOptimizerTests {
    private let golden: [String: Tensor]

    init() throws { golden = try Fixtures.tensors("adaptive_optimizers.safetensors") }

    private func values(_ prefix: String) throws -> [String: Tensor] {
        try Dictionary(
            uniqueKeysWithValues: ["w1", "b1", "w2", "b2"].map { ($0, try Fixtures.require(golden, "\(prefix)/\($0)")) }
        )
    }

    private func start() throws -> [String: Tensor] { try AdamWTests.tensors(GoldenFile("optimizers"), "start") }

    /// Ten steps; the optimiser goes through a file's tensors after the fifth.
    private func follow(_ name: String, _ make: () -> any Optimizer, learningRate: Double) throws -> any Optimizer {
        var optimizer = make()
        var parameters = try start()
        for step in 0..<10 {
            if step == 5 {
                let state = optimizer.stateTensors
                optimizer = make()
                try optimizer.restore(state, for: parameters)
            }
            parameters = optimizer.step(
                parameters: parameters, gradients: try values("\(name)/\(step)/gradient"), learningRate: learningRate,
                gradientScale: 1)
            for (path, expected) in try values("\(name)/\(step)/parameter") {
                let own = try #require(parameters[path])
                #expect(largestError(own, expected) < 2e-6, "\(path) after step \(step)")
            }
        }
        return optimizer
    }

    @Test func lionFollowsItsPackage() throws {
        _ = try follow("lion", { Lion(beta1: 0.9, beta2: 0.98, weightDecay: 0.1) }, learningRate: 0.01)
    }

    @Test func prodigyFollowsItsPackage() throws {
        let optimizer = try follow(
            "prodigy", { Prodigy(beta1: 0.9, beta2: 0.99, weightDecay: 0.05, initialStepSize: 1e-4) }, learningRate: 1)
        let expected = Double(try Fixtures.require(golden, "prodigy/step_size").item)
        #expect(expected > 2e-4, "the step size never moved; this would test nothing")
        #expect(abs(((optimizer as? Prodigy)?.stepSize ?? 0) - expected) < 1e-4 * expected)
    }

    @Test func aStateOfAnotherParameterIsRefused() throws {
        var lion = Lion()
        #expect(throws: OptimizerStateError.self) {
            try lion.restore(["momentum.w1": Tensor.zeros([2])], for: try start())
        }
        var prodigy = Prodigy()
        #expect(throws: OptimizerStateError.self) { try prodigy.restore([:], for: try start()) }
    }
}
