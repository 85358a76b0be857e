import TensorCore
import TestSupport
import Testing

/// Every op on every backend: its gradient against central differences, and both against themselves on operands that
/// lie in memory in every way.
@Suite struct OpTests {
    @Test("gradient equals central differences", arguments: TestedBackend.all, OpCase.all)
    func gradient(tested: TestedBackend, subject: OpCase) {
        let inputs = subject.inputs().map { Presentation.contiguous.present($0, on: tested.backend) }
        let problems = ComputeThread.shared.run {
            gradientProblems(of: subject.body, at: inputs, tolerance: subject.tolerance)
        }
        #expect(problems == [])
    }

    @Test("the layout of the operands changes nothing", arguments: TestedBackend.all, OpCase.all)
    func layout(tested: TestedBackend, subject: OpCase) {
        let inputs = subject.inputs()
        let expected = subject.evaluate(inputs)
        for presentation in Presentation.allCases {
            let presented = inputs.map { presentation.present($0, on: tested.backend) }
            expect(subject.evaluate(presented), expected, "all operands \(presentation.rawValue)")
            guard inputs.count > 1 else { continue }
            for position in inputs.indices {
                var mixed = inputs
                mixed[position] = presented[position]
                expect(subject.evaluate(mixed), expected, "operand \(position) \(presentation.rawValue)")
            }
        }
    }

    @Test("a broadcast operand acts like its copy", arguments: TestedBackend.all, OpCase.all)
    func broadcast(tested: TestedBackend, subject: OpCase) {
        let inputs = subject.inputs()
        for position in inputs.indices {
            for dimension in inputs[position].shape.indices where inputs[position].shape[dimension] > 1 {
                let repeated = Presentation.broadcast(inputs[position], along: dimension, on: tested.backend)
                var copied = inputs
                copied[position] = Tensor(repeated.floats, shape: repeated.shape)
                var broadcast = inputs
                broadcast[position] = repeated
                expect(
                    subject.evaluate(broadcast), subject.evaluate(copied),
                    "operand \(position) broadcast along \(dimension)")
            }
        }
    }

    @Test("16-bit operands act like their float32 values", arguments: [DType.float16, .bfloat16], OpCase.all)
    func halfPrecision(dtype: DType, subject: OpCase) {
        let inputs = subject.inputs().map { $0.converted(to: dtype) }
        let expected = subject.evaluate(inputs.map { $0.converted(to: .float32) })
        let actual = subject.evaluate(inputs)
        let tolerance: Float = dtype == .float16 ? 4e-3 : 3e-2
        expect(actual, expected, "\(dtype)", tolerance: tolerance)
    }

    @Test("sizes of 0 give empty results and zero gradients", arguments: TestedBackend.all, OpCase.all)
    func empty(tested: TestedBackend, subject: OpCase) {
        for shapes in subject.emptyShapes {
            var generator = Generator(seed: 3)
            let inputs = zip(shapes, subject.operands).map { shape, operand in
                Presentation.contiguous.present(operand.values.tensor(shape, &generator), on: tested.backend)
            }
            let (output, gradients) = subject.evaluate(inputs)
            let isFinite = output.floats.allSatisfy(\.isFinite)
            #expect(isFinite, "\(shapes): \(output)")
            for (input, gradient) in zip(inputs, gradients) {
                #expect(gradient?.shape == input.shape, "\(shapes)")
                guard let gradient, output.count == 0 else { continue }
                let isZero = gradient.floats.allSatisfy { $0 == 0 }
                #expect(isZero, "\(shapes): gradient \(gradient)")
            }
        }
    }

    private func expect(
        _ actual: (output: Tensor, gradients: [Tensor?]), _ expected: (output: Tensor, gradients: [Tensor?]),
        _ comment: String, tolerance: Float = 1e-5, at place: SourceLocation = #_sourceLocation
    ) {
        func compare(_ actual: Tensor, _ expected: Tensor, _ what: String) {
            let scale = expected.floats.reduce(Float(1)) { max($0, Swift.abs($1)) }
            let difference = maximumDifference(actual, expected)
            #expect(difference <= tolerance * scale, "\(comment), \(what)", sourceLocation: place)
        }
        compare(actual.output, expected.output, "output")
        for (position, (one, other)) in zip(actual.gradients, expected.gradients).enumerated() {
            #expect((one == nil) == (other == nil), "\(comment), gradient \(position)", sourceLocation: place)
            if let one, let other { compare(one, other, "gradient \(position)") }
        }
    }
}
