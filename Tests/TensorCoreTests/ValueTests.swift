import Foundation
import TensorCore
import TestSupport
import Testing

/// Values beside scalar references in double precision, special values, integers and conversions.
@Suite struct ValueTests {
    private static func exactErf(_ x: Double) -> Double { Foundation.erf(x) }
    private static func exactSigmoid(_ x: Double) -> Double { 1 / (1 + Foundation.exp(-x)) }

    struct Function: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let range: ClosedRange<Float>
        let ours: @Sendable (Tensor) -> Tensor
        let reference: @Sendable (Double) -> Double
    }

    static let functions = [
        Function(testDescription: "exp", range: -20...20, ours: { exp($0) }, reference: { Foundation.exp($0) }),
        Function(testDescription: "log", range: 1e-6...1e6, ours: { log($0) }, reference: { Foundation.log($0) }),
        Function(testDescription: "sqrt", range: 0...1e4, ours: { sqrt($0) }, reference: { $0.squareRoot() }),
        Function(testDescription: "rsqrt", range: 1e-4...1e4, ours: { rsqrt($0) }, reference: { 1 / $0.squareRoot() }),
        Function(testDescription: "reciprocal", range: 0.01...100, ours: { reciprocal($0) }, reference: { 1 / $0 }),
        Function(testDescription: "sin", range: -100...100, ours: { sin($0) }, reference: { Foundation.sin($0) }),
        Function(testDescription: "cos", range: -100...100, ours: { cos($0) }, reference: { Foundation.cos($0) }),
        Function(testDescription: "tanh", range: -12...12, ours: { tanh($0) }, reference: { Foundation.tanh($0) }),
        Function(testDescription: "erf", range: -5...5, ours: { erf($0) }, reference: exactErf),
        Function(testDescription: "sigmoid", range: -40...40, ours: { sigmoid($0) }, reference: exactSigmoid),
        Function(testDescription: "silu", range: -40...40, ours: { silu($0) }, reference: { $0 * exactSigmoid($0) }),
        Function(
            testDescription: "gelu", range: -8...8, ours: { gelu($0) },
            reference: { $0 * (1 + exactErf($0 / 2.0.squareRoot())) / 2 }),
        Function(
            testDescription: "softplus", range: -40...40, ours: { softplus($0) },
            reference: { Swift.max($0, 0) + log1p(Foundation.exp(-Swift.abs($0))) }),
        Function(
            testDescription: "round", range: -9...9, ours: { round($0) },
            reference: { $0.rounded(.toNearestOrEven) }),
        Function(testDescription: "floor", range: -9...9, ours: { floor($0) }, reference: { $0.rounded(.down) }),
        Function(testDescription: "ceil", range: -9...9, ours: { ceil($0) }, reference: { $0.rounded(.up) }),
        Function(
            testDescription: "pow", range: 0.01...30, ours: { pow($0, 2.3) }, reference: { Foundation.pow($0, 2.3) }),
    ]

    /// Sizes around the vector width, so that the rest of a row is covered.
    @Test(arguments: functions, [1, 7, 64, 1003])
    func function(function: Function, count: Int) {
        var generator = Generator(seed: 1)
        let x = Tensor((0..<count).map { _ in generator.uniform(function.range) })
        let expected = x.floats.map { Float(function.reference(Double($0))) }
        let problem = mismatch(function.ours(x), Tensor(expected), absolute: 1e-6, relative: 1e-6)
        #expect(problem == nil)
    }

    @Test func specialValues() {
        let x = Tensor([.nan, .infinity, -.infinity, 0, -0.0, 1e38, -1e38, 1e-40] as [Float])
        #expect(mismatch(exp(x), Tensor([.nan, .infinity, 0, 1, 1, .infinity, 0, 1] as [Float])) == nil)
        #expect(mismatch(sigmoid(x), Tensor([.nan, 1, 0, 0.5, 0.5, 1, 0, 0.5] as [Float])) == nil)
        #expect(mismatch(tanh(x), Tensor([.nan, 1, -1, 0, 0, 1, -1, 0] as [Float])) == nil)
        #expect(silu(x).floats[1] == .infinity && silu(x).floats[6] == 0 && silu(x).floats[0].isNaN)
        #expect(gelu(x).floats[5] == 1e38 && gelu(x).floats[6] == 0)
        #expect(relu(x).floats[0].isNaN && relu(x).floats[2] == 0)
        #expect(log(Tensor([0, -1] as [Float])).floats[0] == -.infinity)
        #expect(log(Tensor([0, -1] as [Float])).floats[1].isNaN)
        #expect(clamp(x, -1...1).floats[0].isNaN && clamp(x, -1...1).floats[1] == 1)
        #expect(maximum(x, Tensor(scalar: 0)).floats[0].isNaN)
        #expect(softmax(Tensor([-.infinity, 0, 0] as [Float])).floats == [0, 0.5, 0.5])
        #expect(logSumExp(Tensor([1000, 1000] as [Float]), axis: 0).item == 1000 + Foundation.log(Float(2)))
        #expect(logSumExp(Tensor([-.infinity, -.infinity] as [Float]), axis: 0).item == -.infinity)
        #expect(logSumExp(Tensor([.infinity, 0] as [Float]), axis: 0).item == .infinity)
    }

    @Test func gradientsAtSpecialPlaces() {
        func slope(_ x: [Float], _ body: (Tensor) -> Tensor) -> [Float]? {
            let leaf = Tensor(x).tracked()
            return gradients(of: sum(body(leaf)))[leaf]?.floats
        }
        #expect(slope([0, -1, 2]) { relu($0) } == [0, 0, 1])
        #expect(slope([0, -1, 2]) { abs($0) } == [0, -1, 1])
        #expect(slope([0, 3]) { pow($0, 2) } == [0, 6])
        #expect(slope([0, 3]) { pow($0, 0) } == [0, 0])
        #expect(slope([0, 2]) { pow($0, Tensor([2, 0] as [Float])) } == [0, 0])
        #expect(slope([2, 0]) { pow(Tensor([0, 0] as [Float]), $0) } == [0, 0])
        #expect(slope([2, 2, 1]) { maximum($0, axis: 0) } == [0.5, 0.5, 0])
        #expect(slope([2, 1]) { maximum($0, Tensor([2, 3] as [Float])) } == [0.5, 0])
        #expect(slope([0, 2, 3]) { product($0, axis: 0) } == [6, 0, 0])
        #expect(slope([0, 0, 3]) { product($0, axis: 0) } == [0, 0, 0])
        #expect(slope([-200, 200]) { sigmoid($0) } == [0, 0])
        #expect(slope([-200, 200]) { softplus($0) } == [0, 1])
    }

    @Test(arguments: [DType.int32, .int64])
    func integers(dtype: DType) {
        func tensor(_ elements: [Int64], _ shape: [Int]? = nil) -> Tensor {
            Tensor(elements, shape: shape).converted(to: dtype)
        }
        let (a, b) = (tensor([7, -7, 7, 0], [2, 2]), tensor([2, 2, -2, 5], [2, 2]))
        #expect((a + b).dtype == dtype)
        #expect((a + b).integers == [9, -5, 5, 5])
        #expect((a - b).integers == [5, -9, 9, -5])
        #expect((a * b).integers == [14, -14, -14, 0])
        #expect((a / b).integers == [3, -4, -4, 0])
        #expect(maximum(a, b).integers == [7, 2, 7, 5])
        #expect((a.transposed(0, 1) + tensor([10])).integers == [17, 17, 3, 10])
        #expect((a * 3).integers == [21, -21, 21, 0])
        #expect((1 - a).integers == [-6, 8, -6, 1])
        #expect((-a).integers == [-7, 7, -7, 0])
        #expect(abs(a).integers == [7, 7, 7, 0])
        #expect((a * 0.5).floats == [3.5, -3.5, 3.5, 0])
        #expect(sigmoid(tensor([0])).floats == [0.5])
        #expect(sum(a, axes: [1]).integers == [0, 7])
        #expect(mean(a).item == 1.75)
        #expect(maximum(a, axis: 1).integers == [7, 7])
        #expect(maximum(a, axis: 1).dtype == dtype)
        #expect(product(b, axis: 0).integers == [-4, 10])
        #expect(argumentMaximum(a, axis: 1).integers == [0, 0])
        #expect(compare(.less, b, a).array(of: Bool.self) == [true, false, true, false])
        #expect(select(compare(.equal, a, tensor([7])), a, b).integers == [7, 2, 7, 5])
        #expect(concatenated([a, b], axis: 0).integers == [7, -7, 7, 0, 2, 2, -2, 5])
        #expect(padded(a, before: [0, 1], after: [0, 0], value: -1).integers == [-1, 7, -7, -1, 7, 0])
        #expect(gather(a, indices: Tensor([1, 0] as [Int64], shape: [2, 1]), axis: 1).integers == [-7, 7])
        #expect(embedding(Tensor([1] as [Int64]), a).integers == [7, 0])
        #expect(cumulativeSum(a, axis: 1).integers == [7, 0, 7, 7])
    }

    @Test func largeIntegersStayExact() {
        let large: [Int64] = [(1 << 40) + 1, (1 << 40) + 3, -(1 << 50) - 1]
        let x = Tensor(large)
        #expect((x + 1).integers == large.map { $0 + 1 })
        #expect(sum(x).integers == [large.reduce(0, +)])
        #expect(maximum(x, axis: 0).integers == [large[1]])
        #expect(gather(x, indices: Tensor([2] as [Int64]), axis: 0).integers == [large[2]])
        #expect(compare(.equal, x, x + 1).array(of: Bool.self) == [false, false, false])
        #expect(x.converted(to: .int32).integers == [1, 3, -1])
    }

    @Test func bytesAndTruths() {
        let bytes = Tensor([0, 1, 200, 255] as [UInt8])
        #expect((bytes * 1).array(of: UInt8.self) == [0, 1, 200, 255])
        #expect((bytes / 255.0).dtype == .uint8)
        #expect((bytes * 0.5).floats == [0, 0.5, 100, 127.5])
        #expect(sum(bytes).integers == [456])
        #expect(mean(bytes).item == 114)
        let truths = Tensor([true, false, true] as [Bool])
        #expect(sum(truths).integers == [2])
        #expect(abs(mean(truths).item - 2.0 / 3) < 1e-6)
        #expect(truths.converted(to: .float32).floats == [1, 0, 1])
        #expect(Tensor([0, .nan, -0.0, 0.1] as [Float]).array(of: Bool.self) == [false, true, false, true])
    }

    @Test(arguments: DType.allCases, DType.allCases)
    func conversions(source: DType, target: DType) {
        let x = Tensor([0, 1, 1, 0, 1, 0] as [Float], shape: [2, 3]).converted(to: source)
        let converted = x.transposed(0, 1).converted(to: target)
        #expect(converted.dtype == target)
        #expect(converted.floats == [0, 0, 1, 1, 1, 0])
        #expect(Tensor.full(1, shape: [3], dtype: target).converted(to: source).floats == [1, 1, 1])
    }

    @Test func roundingOfConversions() {
        let x = Tensor([2.5, -2.5, 300, -1, .nan, .infinity] as [Float])
        #expect(x.integers == [2, -2, 300, -1, 0, .max])
        #expect(x.array(of: UInt8.self) == [2, 0, 255, 0, 0, 255])
        #expect(x.array(of: Int32.self) == [2, -2, 300, -1, 0, .max])
        let fine = Tensor([1.00390625, 1.01171875, 65519, 65520, 3e-8] as [Float])
        #expect(fine.converted(to: .bfloat16).floats.prefix(2) == [1, 1.015625])
        #expect(fine.converted(to: .float16).floats == [1.00390625, 1.01171875, 65504, .infinity, 5.9604645e-08])
        #expect(Tensor.full(1.01171875, shape: [1], dtype: .bfloat16).floats == [1.015625])
        #expect(fine.converted(to: .float16).array(of: Float16.self).count == 5)
    }

    @Test func halfMeansDoNotOverflow() {
        let x = Tensor.full(60000, shape: [100], dtype: .float16)
        #expect(mean(x).item == 60000)
        #expect(mean(x).dtype == .float16)
    }

    @Test(arguments: TestedBackend.all, Presentation.allCases)
    func positionOfTheLargest(tested: TestedBackend, presentation: Presentation) {
        let x = presentation.present(
            Tensor([1, 5, 2, 5, .nan, 0, -1, -1, -2] as [Float], shape: [3, 3]), on: tested.backend)
        #expect(argumentMaximum(x, axis: 1).integers == [1, 1, 0])
        #expect(argumentMaximum(x, axis: 0, keepDimensions: true).shape == [1, 3])
        #expect(argumentMaximum(x.narrowed(1, start: 0, count: 1), axis: 0).integers == [1])
    }

    /// Rows of more than one block: the first of equals, and a NaN before all.
    @Test func positionOfTheLargestOfMany() {
        var values = [Float](repeating: -.infinity, count: 7000)
        #expect(argumentMaximum(Tensor(values), axis: 0).item == 0)
        for place in [3000, 3001, 6999] { values[place] = 4 }
        values[10] = 3.5
        #expect(argumentMaximum(Tensor(values), axis: 0).item == 3000)
        values[5000] = .nan
        values[5100] = .nan
        #expect(argumentMaximum(Tensor(values), axis: 0).item == 5000)
    }

    @Test(arguments: TestedBackend.all, Presentation.allCases)
    func comparisons(tested: TestedBackend, presentation: Presentation) {
        let a = presentation.present(Tensor([1, 2, 3, .nan] as [Float], shape: [2, 2]), on: tested.backend)
        let b = Tensor([2, 2] as [Float])
        let expected: [(Comparison, [Bool])] = [
            (.equal, [false, true, false, false]), (.notEqual, [true, false, true, true]),
            (.less, [true, false, false, false]), (.lessOrEqual, [true, true, false, false]),
            (.greater, [false, false, true, false]), (.greaterOrEqual, [false, true, true, false]),
        ]
        for (comparison, values) in expected {
            #expect(compare(comparison, a, b).array(of: Bool.self) == values, "\(comparison)")
        }
    }

    /// Indices in any layout mean the same.
    @Test func indicesInAnyLayout() {
        let table = Tensor((0..<12).map(Float.init), shape: [4, 3])
        let indices = Tensor([3, 0, 1, 2, 2, 1] as [Int64], shape: [2, 3])
        let expected = embedding(indices.transposed(0, 1).contiguous(), table)
        #expect(isBitEqual(embedding(indices.transposed(0, 1), table), expected))
        #expect(isBitEqual(embedding(indices.transposed(0, 1).converted(to: .int32), table), expected))
        let repeated = Tensor([2] as [Int64], shape: [1, 1]).expanded(to: [4, 3])
        #expect(gather(table, indices: repeated, axis: 1).floats == [2, 2, 2, 5, 5, 5, 8, 8, 8, 11, 11, 11])
        #expect(
            scatterAdd(table, indices: repeated.narrowed(0, start: 0, count: 4), axis: 0, size: 3).floats
                == [0, 0, 0, 0, 0, 0, 18, 22, 26])
    }

    @Test func sixteenBitTables() throws {
        let table = Tensor((0..<6).map(Float.init), shape: [3, 2]).converted(to: .bfloat16).tracked()
        let rows = embedding(Tensor([2, 0, 2] as [Int64]), table)
        #expect(rows.dtype == .bfloat16)
        #expect(rows.floats == [4, 5, 0, 1, 4, 5])
        let gradient = try #require(gradients(of: sum(rows))[table])
        #expect(gradient.floats == [1, 1, 0, 0, 2, 2])
    }
}
