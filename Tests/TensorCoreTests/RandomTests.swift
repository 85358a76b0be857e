import Foundation
import TensorCore
import TestSupport
import Testing

@Suite struct RandomTests {
    struct Sequence: Decodable {
        let seed: UInt64
        let draws: [Draw]
    }

    struct Draw: Decodable {
        let kind: String
        let size: Int
        let dtype: String?
        let low: Int?
        let high: Int?
    }

    @Test func drawsWhatTorchDraws() throws {
        let golden = try GoldenFile("random")
        var compared = 0
        for (name, sequence) in try golden.index([String: Sequence].self) {
            // Other element types are other streams, which nothing here draws.
            if sequence.draws.contains(where: { $0.dtype.map { $0 != "float32" } ?? false }) { continue }
            var generator = TorchGenerator(seed: sequence.seed)
            for (place, draw) in sequence.draws.enumerated() {
                let expected = try golden["\(name)/\(place)"]
                compared += 1
                switch draw.kind {
                case "randn": #expect(largestError(generator.normal([draw.size]), expected) < 1e-6, "\(name)/\(place)")
                case "rand": #expect(generator.uniform([draw.size]).floats == expected.floats, "\(name)/\(place)")
                case "randint":
                    let range = try #require(draw.low)..<(try #require(draw.high))
                    let found = generator.integers(in: range, count: draw.size)
                    #expect(found == expected.integers.map(Int.init), "\(name)/\(place)")
                case "randperm":
                    #expect(
                        generator.permutation(draw.size) == expected.integers.map(Int.init), "\(name)/\(place)")
                default: Issue.record("unknown draw \(draw.kind)")
                }
            }
        }
        #expect(compared >= 60)
    }

    /// The numbers of a latent of 64 x 64, known from the specification.
    @Test func latentsOfSeedZero() {
        var generator = TorchGenerator(seed: 0)
        let first = generator.normal([1, 4, 64, 64]).floats
        #expect(largestError(Array(first.prefix(4)), [-1.12584, -1.15236, -0.250579, -0.433879]) < 1e-5)
        #expect(largestError(Array(first.suffix(4)), [-1.040714, 0.090784, -1.36647, -1.078208]) < 1e-5)
        let second = generator.normal([1, 4, 64, 64]).floats
        #expect(largestError(Array(second.prefix(4)), [-0.551836, 1.539807, 1.003559, -0.794789]) < 1e-5)
        var small = TorchGenerator(seed: 0)
        #expect(largestError(small.normal([4]).floats, [1.540996, -0.293429, -2.178789, 0.568431]) < 1e-5)
    }

    /// Also between the two halves of a pair, where a normal number is in waiting.
    @Test func storedStateContinuesExactly() throws {
        var generator = TorchGenerator(seed: 1 << 40 | 7)
        _ = generator.normal([700])
        _ = generator.normal([3])
        let data = try JSONEncoder().encode(generator)
        var restored = try JSONDecoder().decode(TorchGenerator.self, from: data)
        #expect(restored == generator)
        #expect(restored.seed == 1 << 40 | 7)
        #expect(restored.normal([1]).floats == generator.normal([1]).floats)
        #expect(restored.uniform([1000]).floats == generator.uniform([1000]).floats)
        #expect(restored.permutation(50) == generator.permutation(50))
        #expect(restored == generator)
    }

    @Test(arguments: ["", "AAAA", "not base64!", String(repeating: "/", count: 3344) + "/w=="])
    func refusesDamagedState(state: String) {
        #expect(throws: DecodingError.self) {
            try JSONDecoder().decode(TorchGenerator.self, from: Data(#"{"seed": 1, "state": "\#(state)"}"#.utf8))
        }
    }

    @Test func copiesAreIndependent() {
        var first = TorchGenerator(seed: 5)
        var second = first
        let drawn = first.normal([20]).floats
        #expect(second.normal([20]).floats == drawn)
        #expect(TorchGenerator(seed: 5) != first)
    }

    /// `torch.randn(3, 4, device="cuda")` after `torch.manual_seed(0)`.
    @Test func philoxDrawsWhatTorchDrawsOnCUDA() {
        var generator = PhiloxGenerator(seed: 0)
        let expected: [Float] = [
            -0.92466259, -0.42534415, -2.6438457, 0.14518388, -0.12086647, -0.57972564, -0.62285122, -0.32838709,
            -1.07454231, -0.36314407, -1.67105067, 2.26550497,
        ]
        #expect(largestError(generator.normal([3, 4]).floats, expected) < 1e-6)
        #expect(generator.offset == 1)
        #expect(largestError(generator.normal([3, 4]).floats, expected) > 0.1)
    }

    @Test(arguments: [0, 9] as [UInt64])
    func drawsKeepTheirRanges(seed: UInt64) {
        let sources: [any RandomSource] = [TorchGenerator(seed: seed), PhiloxGenerator(seed: seed)]
        for var source in sources {
            #expect(source.uniform([4, 500]).floats.allSatisfy { (0..<1).contains($0) })
            let integers = source.integers(below: 7, count: 500)
            #expect(Set(integers) == Set(0..<7))
            let order = source.permutation(100)
            #expect(order.sorted() == Array(0..<100))
            #expect(order != Array(0..<100))
            let numbers = source.normal([20000]).floats.map(Double.init)
            let mean = numbers.reduce(0, +) / 20000
            let variance = numbers.reduce(0) { $0 + $1 * $1 } / 20000
            #expect(abs(mean) < 0.03 && abs(variance - 1) < 0.03)
        }
    }
}
