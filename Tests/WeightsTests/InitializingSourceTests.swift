import TensorCore
import Testing
import Weights

/// Parameters drawn from a seed.
@Suite struct InitializingSourceTests {
    private func draw(_ initial: Initialization, _ count: Int, seed: UInt64 = 1, key: String = "a") throws -> [Float] {
        let tensor = InitializingSource(seed: seed).tensor(key, shape: [count], initial: initial)
        return try #require(tensor).floats
    }

    @Test func fixedValues() throws {
        #expect(try draw(.zeros, 3) == [0, 0, 0])
        #expect(try draw(.ones, 3) == [1, 1, 1])
        #expect(try draw(.constant(-0.5), 2) == [-0.5, -0.5])
        #expect(try draw(.normal(standardDeviation: 1), 0) == [])
    }

    /// Mean, variance and fourth moment, to five standard errors of 50 000 draws.
    @Test func uniformMoments() throws {
        let x = try draw(.uniform(bound: 3), 50_000).map(Double.init)
        let mean = x.reduce(0, +) / 50_000
        let variance = x.map { $0 * $0 }.reduce(0, +) / 50_000
        #expect(abs(mean) < 5 * (3 / 50_000.0).squareRoot())
        #expect(abs(variance - 3) < 5 * (7.2 / 50_000.0).squareRoot())
        #expect(x.allSatisfy { $0 >= -3 && $0 < 3 })
        #expect(Set(x).count > 49_000)
    }

    @Test func normalMoments() throws {
        let x = try draw(.normal(standardDeviation: 2), 49_999).map { Double($0) / 2 }
        let mean = x.reduce(0, +) / 49_999
        let variance = x.map { $0 * $0 }.reduce(0, +) / 49_999
        let kurtosis = x.map { $0 * $0 * $0 * $0 }.reduce(0, +) / 49_999
        #expect(abs(mean) < 5 * (1 / 49_999.0).squareRoot())
        #expect(abs(variance - 1) < 5 * (2 / 49_999.0).squareRoot())
        #expect(abs(kurtosis - 3) < 5 * (96 / 49_999.0).squareRoot())
        let neighbours = zip(x, x.dropFirst()).map { $0 * $1 }.reduce(0, +) / 49_998
        #expect(abs(neighbours) < 5 * (1 / 49_998.0).squareRoot())
    }

    @Test func kaimingIsUniformByTheFanIn() throws {
        #expect(try draw(.kaimingUniform(fanIn: 16), 100) == draw(.uniform(bound: 0.25), 100))
    }

    @Test func numbersDependOnSeedAndKeyOnly() throws {
        let first = InitializingSource(seed: 7)
        let second = InitializingSource(seed: 7)
        let initial = Initialization.uniform(bound: 1)
        let a = first.tensor("a", shape: [4], initial: initial)?.floats
        _ = first.tensor("b", shape: [4], initial: initial)
        _ = second.tensor("c", shape: [9], initial: initial)
        #expect(second.tensor("a", shape: [2, 2], initial: initial)?.floats == a)
        #expect(first.tensors["b"]?.floats != a)
        #expect(try draw(initial, 4, seed: 8) != a)
    }

    @Test func createdParametersAreKept() throws {
        let source = InitializingSource(seed: 1)
        let (_, report) = try ScopedWeights.load(source, root: "m") { weights in
            let layer = weights.scope("layer")
            let weight = try layer.tensor("weight", shape: [2, 3], initial: .kaimingUniform(fanIn: 3))
            let again = try layer.tensor("weight", shape: [2, 3], initial: .zeros)
            #expect(weight.floats == again.floats)
            #expect(try layer.optionalTensor("bias", shape: [2]) == nil)
            #expect(try layer.optionalTensor("scale", shape: [2], initial: .ones)?.floats == [1, 1])
        }
        #expect(source.tensors.keys.sorted() == ["layer.scale", "layer.weight"])
        #expect(report.used == ["layer.scale", "layer.weight"])
        #expect(report.unused == [])
        // The leaves rebuild the same model.
        let leaves = DictionarySource(source.tensors)
        #expect(leaves.tensor("layer.weight", shape: nil, initial: nil)?.shape == [2, 3])
    }

    @Test func freshValuesFillACheckpoint() throws {
        let checkpoint = DictionarySource(["a": Tensor([4] as [Float])])
        let source = LayeredSource([checkpoint, InitializingSource(seed: 1)])
        #expect(try source.tensor("a", shape: [1], initial: .ones)?.floats == [4])
        #expect(try source.tensor("b", shape: [1], initial: .ones)?.floats == [1])
    }
}
