import Foundation
@testable import TensorCore
import TestSupport
import Testing

/// What must not change a single bit: who else is in the batch, and how many threads work.
@Suite(.serialized) struct InvarianceTests {
    struct Subject: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let shape: [Int]
        let body: @Sendable (Tensor) -> Tensor
    }

    private static func weights(_ shape: [Int]) -> Tensor {
        var generator = Generator(seed: 11)
        return (generator.normals(shape) * 0.1).frozen()
    }

    private static func linear(_ tokens: Int, _ input: Int, _ output: Int, isFrozen: Bool = true) -> Subject {
        let (weight, bias) = (isFrozen ? weights([output, input]) : weights([output, input]) * 1, weights([output]))
        let name = "\(isFrozen ? "frozen" : "trained") linear \(tokens)x\(input)->\(output)"
        return Subject(testDescription: name, shape: [tokens, input]) {
            TensorCore.linear($0, weight, bias)
        }
    }

    private static func convolution(
        _ input: Int, _ output: Int, size: Int, kernel: Int = 3, _ geometry: ConvolutionGeometry
    ) -> Subject {
        let (weight, bias) = (weights([output, input / geometry.groups, kernel, kernel]), weights([output]))
        let name = "convolution \(input)->\(output) at \(size), kernel \(kernel), stride \(geometry.stride)"
        return Subject(testDescription: name, shape: [input, size, size]) {
            TensorCore.convolution($0, weight, bias, geometry)
        }
    }

    private static func attention(_ tokens: Int, _ dimension: Int) -> Subject {
        Subject(testDescription: "attention \(tokens)x\(dimension)", shape: [tokens, 2, dimension]) {
            TensorCore.attention(queries: $0, keys: $0 * 0.5, values: $0 + 1, .init(scale: 0.3))
        }
    }

    private static func groupNorm(_ channels: Int, _ size: Int) -> Subject {
        Subject(testDescription: "groupNorm \(channels) at \(size)", shape: [channels, size, size]) {
            TensorCore.groupNorm($0.channelsLast(), groups: 8, silu: true)
        }
    }

    /// Kernels of oneDNN, over frozen weights.
    static let products = [
        linear(1, 64, 64), linear(7, 33, 65), linear(77, 128, 384), linear(256, 64, 512), linear(64, 320, 320),
        convolution(64, 32, size: 16, kernel: 1, .init()),
        convolution(3, 32, size: 16, .init(padding: 1)), convolution(32, 32, size: 16, .init(padding: 1)),
        convolution(64, 48, size: 32, .init(padding: 1)), convolution(32, 4, size: 16, .init(padding: 1)),
        convolution(64, 64, size: 8, .init(padding: 1)), convolution(128, 128, size: 4, .init(padding: 1)),
        convolution(32, 64, size: 16, .init(stride: 2, padding: 1)),
    ]

    static let trainedProducts = [
        linear(1, 64, 64, isFrozen: false), linear(7, 33, 65, isFrozen: false), linear(77, 128, 384, isFrozen: false),
    ]

    /// Own kernels.
    static let own = [
        attention(16, 8), attention(77, 64), attention(256, 40), groupNorm(32, 16), groupNorm(64, 8),
        groupNorm(16, 33),
        Subject(testDescription: "layerNorm", shape: [77, 96]) { layerNorm($0) },
        Subject(testDescription: "softmax", shape: [8, 300]) { softmax($0) },
        Subject(testDescription: "geglu", shape: [64, 256]) { geglu($0) },
        Subject(testDescription: "nearest", shape: [8, 16, 16]) { resample($0, .nearest(factor: 2)) },
    ]

    @Test("a batch of two is two batches of one", arguments: products + own)
    func batch(subject: Subject) throws {
        #expect(try difference(subject, batch: 2, rows: [0, 1]) == 0)
    }

    @Test("rows of a batch of five are those of batches of one", arguments: products + own)
    func largerBatch(subject: Subject) throws {
        #expect(try difference(subject, batch: 5, rows: [0, 3]) == 0)
    }

    /// oneDNN chooses the order of the sums of a matrix product by the number of rows. Trained weights take a batch at
    /// once, so there it shows in the last bits.
    @Test("products with trained weights agree but for rounding", arguments: trainedProducts)
    func trainedProduct(subject: Subject) throws {
        #expect(try difference(subject, batch: 2, rows: [0, 1]) < 1e-5)
    }

    /// The largest difference between rows of a batch and the same rows alone, in values and input gradients.
    private func difference(_ subject: Subject, batch: Int, rows: [Int]) throws -> Float {
        var generator = Generator(seed: 12)
        let x = generator.normals([batch] + subject.shape)
        let seed = generator.normals(subject.body(x).shape)
        func run(_ x: Tensor, _ seed: Tensor) throws -> (Tensor, Tensor) {
            let leaf = x.tracked()
            let y = subject.body(leaf)
            return (y, try #require(gradients(of: y, seed: seed)[leaf]))
        }
        func row(_ x: Tensor, _ index: Int) -> Tensor { x.narrowed(0, start: index, count: 1) }
        let (values, slopes) = try run(x, seed)
        return try rows.reduce(0) { largest, index in
            let (value, slope) = try run(row(x, index), row(seed, index))
            return max(
                largest, maximumDifference(value, row(values, index)), maximumDifference(slope, row(slopes, index)))
        }
    }

    /// Threads must not show in the results of own kernels, forward or backward.
    @Test func threadCountDoesNotShow() throws {
        let usual = ComputeThread.shared.threadCount
        defer { ComputeThread.shared.threadCount = usual }
        var generator = Generator(seed: 15)
        let ops: [OpCase] =
            InvarianceTests.own.map { subject in
                OpCase(subject.testDescription, [[3] + subject.shape]) { subject.body($0[0]) }
            } + OpCase.reductions + OpCase.normalizations + OpCase.attentions + OpCase.elementwise
            + [
                OpCase("many rows", [[5000, 12], [12], [12]]) { layerNorm($0[0], weight: $0[1], bias: $0[2]) },
                OpCase("large maps", [[2, 32, 40, 40], [32], [32]]) {
                    TensorCore.groupNorm($0[0], groups: 4, weight: $0[1], bias: $0[2], silu: true)
                },
                OpCase("bias sum", [[9000, 16], [16]]) { $0[0] + $0[1] },
            ]
        for op in ops {
            let inputs = op.operands.map { $0.values.tensor($0.shape, &generator) }
            // oneDNN inside an op may divide its sums by threads; these ops have no products.
            if op.name == "attention with a differentiated mask" { continue }
            ComputeThread.shared.threadCount = 1
            let one = op.evaluate(inputs)
            ComputeThread.shared.threadCount = 2
            let two = op.evaluate(inputs)
            #expect(isBitEqual(one.output, two.output), "\(op.name)")
            for (a, b) in zip(one.gradients, two.gradients) {
                let (a, b) = (try #require(a), try #require(b))
                #expect(isBitEqual(a, b), "\(op.name)")
            }
        }
    }

    /// Weights packed under one number of threads serve another.
    @Test func packedWeightsSurviveAChangeOfThreads() {
        let usual = ComputeThread.shared.threadCount
        defer { ComputeThread.shared.threadCount = usual }
        var generator = Generator(seed: 16)
        let matrix = generator.normals([96, 80]).frozen()
        let kernel = generator.normals([32, 32, 3, 3]).frozen()
        let (x, map) = (generator.normals([20, 80]), generator.normals([1, 32, 16, 16]))
        var values: [(Tensor, Tensor)] = []
        for threads in [1, 2, 3, 1] {
            ComputeThread.shared.threadCount = threads
            values.append((TensorCore.linear(x, matrix), TensorCore.convolution(map, kernel, nil, .init(padding: 1))))
        }
        for value in values.dropFirst() {
            #expect(maximumDifference(value.0, values[0].0) < 1e-4)
            #expect(maximumDifference(value.1, values[0].1) < 1e-3)
        }
    }

    @Test func kernelsRunOnOneThread() async {
        func current() -> UInt { ComputeThread.shared.run { UInt(pthread_self()) } }
        let first = current()
        #expect(first != UInt(pthread_self()))
        let all = await withTaskGroup(of: UInt.self) { group in
            for _ in 0..<64 {
                group.addTask { ComputeThread.shared.run { ComputeThread.shared.run { UInt(pthread_self()) } } }
            }
            return await group.reduce(into: Set<UInt>()) { $0.insert($1) }
        }
        #expect(all == [first])
    }

    /// A closure lent to the compute thread is let go of before its owner goes on.
    @Test func lentWorkIsReturned() async {
        await withTaskGroup(of: Int.self) { group in
            for _ in 0..<3 {
                group.addTask {
                    var count = 0
                    for _ in 0..<5_000 { ComputeThread.shared.run { count += 1 } }
                    return count
                }
            }
            for await count in group { #expect(count == 5_000) }
        }
    }

    @Test func errorsComeBackFromTheComputeThread() {
        struct Refusal: Error {}
        #expect(throws: Refusal.self) { try ComputeThread.shared.run { throw Refusal() } }
    }
}
