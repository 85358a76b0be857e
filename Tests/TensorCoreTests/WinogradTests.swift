import Foundation
@testable import TensorCore
import TestSupport
import Testing

/// The engine's own Winograd kernels beside a direct convolution in double precision.
@Suite(.serialized) struct WinogradTests {
    struct Problem: Sendable, CustomTestStringConvertible {
        let kernel: ConvolutionKernel
        let batch: Int, input: Int, output: Int, height: Int, width: Int
        let before: [Int], after: [Int]

        var geometry: ConvolutionGeometry { .init(paddingBefore: before, paddingAfter: after) }
        var inputShape: [Int] { [batch, input, height, width] }
        var weightShape: [Int] { [output, input, 3, 3] }
        var testDescription: String {
            "\(kernel) \(batch) x \(input)->\(output) at \(height)x\(width), padding \(before) \(after)"
        }

        func key(_ pass: ConvolutionPass, batch: Int? = nil, hasBias: Bool = false) -> ConvolutionKey {
            CPUBackend.shared.key(
                pass, [batch ?? self.batch] + inputShape.dropFirst(), weightShape, geometry, hasBias: hasBias,
                kernel: kernel)
        }
    }

    /// Odd sizes, channels that fill no vector, every padding, and sums long enough to be split.
    static let problems = [ConvolutionKernel.winograd, .smallWinograd].flatMap { kernel in
        [
            (1, 16, 32, 8, 8, [1, 1], [1, 1]), (2, 3, 5, 7, 9, [1, 1], [1, 1]), (3, 17, 33, 5, 6, [0, 1], [1, 0]),
            (2, 40, 70, 13, 11, [1, 0], [0, 1]), (1, 33, 16, 3, 3, [0, 0], [0, 0]), (1, 1, 1, 4, 4, [1, 1], [1, 1]),
            (2, 20, 48, 6, 10, [2, 2], [2, 2]), (2, 32, 65, 17, 18, [1, 1], [1, 1]),
            (1, 300, 20, 9, 8, [1, 1], [1, 1]),
            (1, 8, 12, 70, 66, [1, 1], [1, 1]),
        ].map {
            Problem(
                kernel: kernel, batch: $0.0, input: $0.1, output: $0.2, height: $0.3, width: $0.4, before: $0.5,
                after: $0.6)
        }
    }

    private let backend = CPUBackend.shared

    private struct Operands {
        let x: Tensor, weight: Tensor, bias: Tensor, gradient: Tensor

        init(_ problem: Problem) {
            var generator = Generator(seed: 21)
            x = generator.normals(problem.inputShape).channelsLast()
            weight = generator.normals(problem.weightShape).frozen()
            bias = generator.normals([problem.output])
            gradient = generator.normals(problem.key(.forward).outputShape).channelsLast()
        }
    }

    /// Calls `visit` with the positions of an output, a weight and an input that meet, all row-major.
    private func forEachProduct(_ problem: Problem, _ visit: (_ y: Int, _ w: Int, _ x: Int) -> Void) {
        let out = problem.key(.forward).outputShape
        for n in 0..<out[0] {
            for k in 0..<out[1] {
                for i in 0..<out[2] {
                    for j in 0..<out[3] {
                        for tap in 0..<9 {
                            let (r, q) = (i + tap / 3 - problem.before[0], j + tap % 3 - problem.before[1])
                            guard (0..<problem.height).contains(r), (0..<problem.width).contains(q) else { continue }
                            for c in 0..<problem.input {
                                visit(
                                    ((n * out[1] + k) * out[2] + i) * out[3] + j, (k * problem.input + c) * 9 + tap,
                                    ((n * problem.input + c) * problem.height + r) * problem.width + q)
                            }
                        }
                    }
                }
            }
        }
    }

    private func relativeError(_ actual: Tensor, _ expected: [Double]) -> Double {
        var (difference, norm) = (0.0, 0.0)
        for (a, b) in zip(actual.contiguous().floats, expected) {
            difference += (Double(a) - b) * (Double(a) - b)
            norm += b * b
        }
        return actual.count == expected.count ? (difference / norm).squareRoot() : .infinity
    }

    @Test(arguments: problems) func accuracy(problem: Problem) {
        let operands = Operands(problem)
        let x = operands.x.contiguous().floats.map(Double.init)
        let weight = operands.weight.floats.map(Double.init)
        let gradient = operands.gradient.contiguous().floats.map(Double.init)
        let outputShape = problem.key(.forward).outputShape
        let pixels = outputShape[2] * outputShape[3]
        let bias = operands.bias.floats
        var value = gradient.indices.map { Double(bias[$0 / pixels % outputShape[1]]) }
        var inputGradient = x.map { _ in 0.0 }
        var weightGradient = weight.map { _ in 0.0 }
        forEachProduct(problem) { y, w, i in
            value[y] += x[i] * weight[w]
            inputGradient[i] += gradient[y] * weight[w]
            weightGradient[w] += gradient[y] * x[i]
        }
        let forward = backend.convolution(
            operands.x, weight: operands.weight, bias: operands.bias, problem.key(.forward, hasBias: true))
        #expect(relativeError(forward, value) < 2e-6)
        let toInput = backend.convolutionInputGradient(
            operands.gradient, weight: operands.weight, problem.key(.inputGradient))
        #expect(relativeError(toInput, inputGradient) < 2e-6)
        let toWeight = backend.convolutionWeightGradient(
            operands.gradient, x: operands.x, problem.key(.weightGradient))
        #expect(relativeError(toWeight, weightGradient) < 2e-6)
    }

    /// Frozen weights are transformed once and kept, others on the fly, in blocks where they are large.
    @Test(arguments: problems) func keptWeightsGiveTheBitsOfOthers(problem: Problem) {
        let operands = Operands(problem)
        let loose = operands.weight * 1
        func run(_ weight: Tensor) -> (Tensor, Tensor) {
            (
                backend.convolution(operands.x, weight: weight, bias: nil, problem.key(.forward)),
                backend.convolutionInputGradient(operands.gradient, weight: weight, problem.key(.inputGradient))
            )
        }
        let (kept, made) = (run(operands.weight), run(loose))
        #expect(isBitEqual(kept.0, made.0))
        #expect(isBitEqual(kept.1, made.1))
    }

    @Test func manyChannelsAreTransformedInBlocks() {
        let problem = Problem(
            kernel: .winograd, batch: 1, input: 384, output: 400, height: 9, width: 8, before: [1, 1], after: [1, 1])
        keptWeightsGiveTheBitsOfOthers(problem: problem)
    }

    @Test(arguments: problems) func aRowDoesNotDependOnItsBatch(problem: Problem) {
        let operands = Operands(problem)
        let (x, gradient) = (operands.x, operands.gradient)
        func run(_ x: Tensor, _ gradient: Tensor) -> (Tensor, Tensor) {
            let batch = x.size(0)
            return (
                backend.convolution(x, weight: operands.weight, bias: nil, problem.key(.forward, batch: batch)),
                backend.convolutionInputGradient(
                    gradient, weight: operands.weight, problem.key(.inputGradient, batch: batch))
            )
        }
        func row(_ x: Tensor, _ index: Int) -> Tensor { x.narrowed(0, start: index, count: 1) }
        let all = run(x, gradient)
        for index in 0..<problem.batch {
            let alone = run(row(x, index), row(gradient, index))
            #expect(isBitEqual(alone.0, row(all.0, index)))
            #expect(isBitEqual(alone.1, row(all.1, index)))
        }
    }

    @Test(arguments: problems) func threadsDoNotShow(problem: Problem) {
        let usual = ComputeThread.shared.threadCount
        defer { ComputeThread.shared.threadCount = usual }
        let operands = Operands(problem)
        func run(_ threads: Int) -> [Tensor] {
            ComputeThread.shared.threadCount = threads
            return [
                backend.convolution(operands.x, weight: operands.weight, bias: nil, problem.key(.forward)),
                backend.convolution(operands.x, weight: operands.weight * 1, bias: nil, problem.key(.forward)),
                backend.convolutionInputGradient(
                    operands.gradient, weight: operands.weight, problem.key(.inputGradient)),
                backend.convolutionWeightGradient(
                    operands.gradient, x: operands.x, problem.key(.weightGradient)),
            ]
        }
        for (one, two) in zip(run(1), run(2)) { #expect(isBitEqual(one, two)) }
    }

    @Test(arguments: Presentation.allCases) func everyLayoutIsRead(presentation: Presentation) {
        for problem in WinogradTests.problems.prefix(4) {
            let operands = Operands(problem)
            func run(_ present: (Tensor) -> Tensor) -> [Tensor] {
                let (x, gradient) = (present(operands.x), present(operands.gradient))
                let weight = present(operands.weight)
                return [
                    backend.convolution(
                        x, weight: weight, bias: present(operands.bias), problem.key(.forward, hasBias: true)),
                    backend.convolutionInputGradient(gradient, weight: weight, problem.key(.inputGradient)),
                    backend.convolutionWeightGradient(gradient, x: x, problem.key(.weightGradient)),
                ]
            }
            for (a, b) in zip(run { $0 }, run { presentation.present($0) }) { #expect(isBitEqual(a, b)) }
        }
    }

    @Test func anEmptyBatchHasNoWeightGradient() {
        let problem = WinogradTests.problems[1]
        let key = problem.key(.weightGradient, batch: 0)
        let result = backend.convolutionWeightGradient(
            Tensor.empty(key.outputShape), x: Tensor.empty(key.inputShape), key)
        #expect(result.floats.allSatisfy { $0 == 0 })
    }

    // MARK: The table

    @Test func theTableKnowsNoBatch() {
        for set in ["x86-64-v4", "x86-64-v3", "x86-64", "generic"] {
            let table = KernelTable(instructionSet: set)
            for pass in ConvolutionPass.allCases {
                let choices = [1, 2, 7].map {
                    table.kernel(
                        pass, inputShape: [$0, 320, 64, 64], weightShape: [320, 320, 3, 3], .init(padding: 1))
                }
                #expect(Set(choices).count == 1)
            }
        }
    }

    @Test func anUnmeasuredInstructionSetRunsDirect() {
        let table = KernelTable(instructionSet: "none")
        #expect(
            table.kernel(.forward, inputShape: [1, 64, 32, 32], weightShape: [64, 64, 3, 3], .init(padding: 1))
                == .directBlocked)
    }

    @Test func stridesAndGroupsNeverRunWinograd() {
        let shapes: [([Int], ConvolutionGeometry)] = [
            ([64, 64, 3, 3], .init(stride: 2, padding: 1)), ([64, 32, 3, 3], .init(padding: 1, groups: 2)),
            ([64, 64, 3, 3], .init(padding: 2, dilation: 2)), ([64, 64, 4, 4], .init(padding: 1)),
            ([64, 64, 3, 3], .init(paddingBefore: [0, 0], paddingAfter: [3, 0])),
        ]
        for (weight, geometry) in shapes { #expect(ConvolutionKind(weight, geometry) == .other) }
    }

    @Test func writingTheTableKeepsOtherInstructionSets() {
        let measured = [KernelTable.Row("x86-64-v4", .forward, .other, .directChannelsLast)]
        let source = KernelTable.source(replacing: measured)
        for row in KernelTable.rows where row.instructionSet == "x86-64-v3" {
            #expect(source.contains("\"x86-64-v3\", .\(row.pass), .\(row.kind)"))
        }
        #expect(source.components(separatedBy: "\"x86-64-v4\"").count == 2)
    }

    /// A row that the next one includes says nothing.
    @Test func rowsAreMerged() {
        let rows = [
            KernelTable.Row("set", .forward, .unitStride3x3, pixels: 16, channels: 8, .winograd),
            KernelTable.Row("set", .forward, .unitStride3x3, pixels: 16, .winograd),
            KernelTable.Row("set", .forward, .unitStride3x3, pixels: 64, channels: 8, .directBlocked),
            KernelTable.Row("set", .forward, .unitStride3x3, .winograd),
        ]
        #expect(KernelTable.merged(rows) == Array(rows[1...]))
    }
}
