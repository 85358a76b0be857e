import TensorCore
import TestSupport
import Testing

/// The fused kernels of every backend beside those that `Composed` makes of plain ones.
@Suite struct ComposedTests {
    private let plain: any Backend = PlainBackend()

    private func expectEqual(
        _ actual: Tensor?, _ expected: Tensor?, _ what: Comment? = nil, at place: SourceLocation = #_sourceLocation
    ) {
        #expect((actual == nil) == (expected == nil), what, sourceLocation: place)
        guard let actual, let expected else { return }
        let problem = mismatch(actual, expected, absolute: 2e-5, relative: 2e-5)
        #expect(problem == nil, what, sourceLocation: place)
    }

    private func expectEqual(
        _ actual: NormGradients, _ expected: NormGradients, at place: SourceLocation = #_sourceLocation
    ) {
        expectEqual(actual.input, expected.input, "input", at: place)
        expectEqual(actual.weight, expected.weight, "weight", at: place)
        expectEqual(actual.bias, expected.bias, "bias", at: place)
    }

    private func expectEqual(
        _ actual: (y: Tensor, statistics: NormStatistics), _ expected: (y: Tensor, statistics: NormStatistics),
        at place: SourceLocation = #_sourceLocation
    ) {
        expectEqual(actual.y, expected.y, "value", at: place)
        expectEqual(actual.statistics.mean, expected.statistics.mean, "mean", at: place)
        expectEqual(
            actual.statistics.reciprocalDeviation, expected.statistics.reciprocalDeviation, "deviation", at: place)
    }

    @Test(arguments: TestedBackend.all, [false, true])
    func softmax(tested: TestedBackend, logarithm: Bool) {
        var generator = Generator(seed: 1)
        for shape in [[3, 5], [2, 4, 130], [1, 1], [7]] {
            let (x, gradient) = (generator.normals(shape) * 4, generator.normals(shape))
            let y = plain.softmax(x, logarithm: logarithm)
            expectEqual(tested.backend.softmax(x, logarithm: logarithm), y)
            expectEqual(
                tested.backend.softmaxBackward(gradient, y: y, logarithm: logarithm),
                plain.softmaxBackward(gradient, y: y, logarithm: logarithm))
        }
    }

    @Test(arguments: TestedBackend.all, [false, true])
    func groupNorm(tested: TestedBackend, silu: Bool) {
        var generator = Generator(seed: 2)
        for (shape, groups) in [([2, 8, 5, 3], 4), ([1, 64, 9, 9], 32), ([2, 6, 7], 1), ([3, 8], 2)] {
            for isAffine in [true, false] {
                let weight = isAffine ? generator.normals([shape[1]]) : nil
                let bias = isAffine ? generator.normals([shape[1]]) : nil
                let dense = generator.normals(shape) + 3
                for x in shape.count > 2 ? [dense, dense.channelsLast()] : [dense] {
                    let gradient = generator.normals(shape)
                    let expected = plain.groupNorm(
                        x, groups: groups, weight: weight, bias: bias, epsilon: 1e-5, silu: silu)
                    expectEqual(
                        tested.backend.groupNorm(
                            x, groups: groups, weight: weight, bias: bias, epsilon: 1e-5, silu: silu), expected)
                    expectEqual(
                        tested.backend.groupNormBackward(
                            gradient, x: x, groups: groups, weight: weight, bias: bias, silu: silu,
                            statistics: expected.statistics),
                        plain.groupNormBackward(
                            gradient, x: x, groups: groups, weight: weight, bias: bias, silu: silu,
                            statistics: expected.statistics))
                }
            }
        }
    }

    @Test(arguments: TestedBackend.all, [false, true])
    func rowNorms(tested: TestedBackend, isAffine: Bool) {
        var generator = Generator(seed: 3)
        for shape in [[3, 4, 6], [70, 33], [9]] {
            let channels = [shape[shape.count - 1]]
            let weight = isAffine ? generator.normals(channels) : nil
            let bias = isAffine ? generator.normals(channels) : nil
            let (x, gradient) = (generator.normals(shape) + 2, generator.normals(shape))
            let layer = plain.layerNorm(x, weight: weight, bias: bias, epsilon: 1e-5)
            expectEqual(tested.backend.layerNorm(x, weight: weight, bias: bias, epsilon: 1e-5), layer)
            expectEqual(
                tested.backend.layerNormBackward(
                    gradient, x: x, weight: weight, hasBias: isAffine, statistics: layer.statistics),
                plain.layerNormBackward(
                    gradient, x: x, weight: weight, hasBias: isAffine, statistics: layer.statistics))
            let square = plain.rmsNorm(x, weight: weight, epsilon: 1e-6)
            expectEqual(tested.backend.rmsNorm(x, weight: weight, epsilon: 1e-6), square)
            expectEqual(
                tested.backend.rmsNormBackward(gradient, x: x, weight: weight, statistics: square.statistics),
                plain.rmsNormBackward(gradient, x: x, weight: weight, statistics: square.statistics))
        }
    }

    @Test(arguments: TestedBackend.all)
    func geglu(tested: TestedBackend) {
        var generator = Generator(seed: 4)
        let (x, gradient) = (generator.normals([5, 3, 34]), generator.normals([5, 3, 17]))
        expectEqual(tested.backend.geglu(x), plain.geglu(x))
        expectEqual(tested.backend.gegluBackward(gradient, x: x), plain.gegluBackward(gradient, x: x))
    }

    /// The fused kernel has the bits of its two halves.
    @Test(arguments: TestedBackend.all)
    func swiglu(tested: TestedBackend) {
        var generator = Generator(seed: 5)
        let (gate, up) = (generator.normals([5, 3, 77]), generator.normals([5, 3, 77]))
        let gradient = generator.normals([5, 3, 77])
        let y = tested.backend.swiglu(gate: gate, up: up)
        expectEqual(y, plain.swiglu(gate: gate, up: up))
        #expect(isBitEqual(y, tested.backend.binary(.multiply, tested.backend.unary(.silu, gate), up)))
        let (fused, composed) = (
            tested.backend.swigluBackward(gradient, gate: gate, up: up),
            plain.swigluBackward(gradient, gate: gate, up: up)
        )
        expectEqual(fused.gate, composed.gate)
        expectEqual(fused.up, composed.up)
    }

    /// Sizes around the tiles of the kernels, with and without causality and masks.
    @Test(
        arguments: [
            [1, 1, 1, 1], [2, 3, 5, 8], [1, 64, 64, 8], [1, 65, 129, 40], [2, 17, 300, 64], [1, 200, 77, 20],
        ],
        [false, true])
    func attention(sizes: [Int], isCausal: Bool) {
        let (batch, queryTokens, keyTokens, dimension) = (sizes[0], sizes[1], sizes[2], sizes[3])
        var generator = Generator(seed: 5)
        let q = generator.normals([batch, queryTokens, 2, dimension])
        let k = generator.normals([batch, keyTokens, 2, dimension])
        let v = generator.normals([batch, keyTokens, 2, dimension])
        let gradient = generator.normals(q.shape)
        for mask in [nil, generator.normals([2, queryTokens, keyTokens]), generator.normals([keyTokens])] {
            let options = AttentionOptions(
                scale: 1 / Float(dimension).squareRoot(), isCausal: isCausal, mask: mask)
            let expected = plain.attention(queries: q, keys: k, values: v, options)
            for tested in TestedBackend.all {
                let actual = tested.backend.attention(queries: q, keys: k, values: v, options)
                expectEqual(actual.output, expected.output)
                expectEqual(actual.logSumExp, expected.logSumExp)
                let (ours, theirs) = (
                    tested.backend.attentionBackward(
                        gradient, queries: q, keys: k, values: v, output: expected.output,
                        logSumExp: expected.logSumExp, options),
                    plain.attentionBackward(
                        gradient, queries: q, keys: k, values: v, output: expected.output,
                        logSumExp: expected.logSumExp, options)
                )
                expectEqual(ours.queries, theirs.queries, "queries")
                expectEqual(ours.keys, theirs.keys, "keys")
                expectEqual(ours.values, theirs.values, "values")
            }
        }
    }

    /// Keys that a mask hides altogether leave zeros, not NaN.
    @Test(arguments: TestedBackend.all)
    func queryWithoutKeys(tested: TestedBackend) {
        var generator = Generator(seed: 6)
        let (q, k, v) = (
            generator.normals([1, 3, 1, 4]), generator.normals([1, 5, 1, 4]), generator.normals([1, 5, 1, 4])
        )
        let hidden: [Float] = (0..<15).map { $0 / 5 == 1 || $0 % 5 == 0 ? -.infinity : 0 }
        let options = AttentionOptions(scale: 0.5, mask: Tensor(hidden, shape: [3, 5]))
        let gradient = generator.normals(q.shape)
        for backend in [tested.backend, plain] {
            let (output, logSumExp) = backend.attention(queries: q, keys: k, values: v, options)
            #expect(output.selected(1, 1).floats == [0, 0, 0, 0])
            #expect(logSumExp.floats[1] == -.infinity)
            let result = backend.attentionBackward(
                gradient, queries: q, keys: k, values: v, output: output, logSumExp: logSumExp, options)
            #expect(result.queries.selected(1, 1).floats == [0, 0, 0, 0])
            #expect(result.keys.selected(1, 0).floats == [0, 0, 0, 0])
            let isFinite = (result.queries.floats + result.keys.floats + result.values.floats).allSatisfy(\.isFinite)
            #expect(isFinite)
        }
    }

    @Test(
        arguments: TestedBackend.all,
        [
            Resampling.nearest(factor: 2), .nearest(factor: 3), .averagePool(size: 2), .averagePool(size: 3),
            .bilinear(height: 14, width: 10), .bilinear(height: 3, width: 4), .bilinear(height: 1, width: 9),
        ])
    func resampling(tested: TestedBackend, resampling: Resampling) {
        var generator = Generator(seed: 7)
        for shape in [[2, 3, 7, 5], [1, 17, 4, 4]] {
            let x = generator.normals(shape)
            let expected = plain.resample(x, resampling)
            expectEqual(tested.backend.resample(x, resampling), expected)
            let gradient = generator.normals(expected.shape)
            expectEqual(
                tested.backend.resampleBackward(gradient, inputShape: shape, resampling),
                plain.resampleBackward(gradient, inputShape: shape, resampling))
        }
    }

    @Test(arguments: TestedBackend.all, [false, true])
    func linear(tested: TestedBackend, hasBias: Bool) {
        var generator = Generator(seed: 8)
        for (x, weight) in [([3, 4, 6], [5, 6]), ([1, 40], [24, 40]), ([6], [5, 6])] {
            let (x, weight) = (generator.normals(x), generator.normals(weight))
            let bias = hasBias ? generator.normals([weight.size(0)]) : nil
            let expected = plain.linear(x, weight: weight, bias: bias)
            expectEqual(tested.backend.linear(x, weight: weight, bias: bias), expected)
            expectEqual(tested.backend.linear(x, weight: weight.frozen(), bias: bias), expected, "frozen")
            let half = weight.converted(to: .float16)
            expectEqual(
                tested.backend.linear(x, weight: half.frozen(), bias: bias),
                plain.linear(x, weight: half, bias: bias), "float16")
        }
        var (x, y) = (generator.normals([3, 5]), generator.normals([5, 3]).transposed(0, 1))
        expectEqual(
            tested.backend.linearCombination(0.3, x, -2, y), plain.linearCombination(0.3, x, -2, y), "combination")
        swap(&x, &y)
        expectEqual(
            tested.backend.linearCombination(0.3, x, -2, y), plain.linearCombination(0.3, x, -2, y), "combination")
    }

    @Test(arguments: TestedBackend.all, [false, true])
    func adam(tested: TestedBackend, isDecoupled: Bool) {
        var generator = Generator(seed: 9)
        let start = generator.normals([7, 11])
        let zero = Tensor.zeros([7, 11])
        var (ours, theirs) = (
            AdamState(parameter: start, firstMoment: zero, secondMoment: zero),
            AdamState(parameter: start, firstMoment: zero, secondMoment: zero)
        )
        for index in 1...5 {
            let gradient = generator.normals([11, 7]).transposed(0, 1)
            let step = AdamStep(
                learningRate: 0.01, weightDecay: 0.1, isDecayDecoupled: isDecoupled, gradientScale: 0.5, index: index)
            ours = tested.backend.adamStep(ours, gradient: gradient, step)
            theirs = plain.adamStep(theirs, gradient: gradient, step)
            expectEqual(ours.parameter, theirs.parameter, "step \(index)")
            expectEqual(ours.firstMoment, theirs.firstMoment, "step \(index)")
            expectEqual(ours.secondMoment, theirs.secondMoment, "step \(index)")
        }
        let moved = maximumDifference(ours.parameter, start)
        #expect(moved > 0.01 && moved < 0.1)
    }
}
