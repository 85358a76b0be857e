/// Measures every kernel on one shape of each class, for the committed table.
extension KernelBenchmark {
    private struct Subject {
        let input: Int, output: Int
        let geometry: ConvolutionGeometry
    }

    /// A class of shapes by its largest pixels and channels, and what stands for it: maps of `size`, these convolutions.
    private struct ShapeClass {
        let kind: ConvolutionKind
        let pixels: Int, channels: Int
        let size: Int
        let subjects: [Subject]
    }

    private static let classes: [ShapeClass] = {
        let same = ConvolutionGeometry(padding: 1)
        let sizes = [(16, 4), (64, 8), (256, 16), (1024, 32), (Int.max, 64)]
        let widths: [(Int, [(Int, Int)])] = [
            (8, [(4, 128), (128, 4)]), (32, [(32, 32), (32, 64)]), (128, [(128, 128), (64, 128)]),
            (.max, [(640, 640), (320, 640)]),
        ]
        let unitStride = sizes.flatMap { pixels, size in
            widths.map { channels, pairs in
                ShapeClass(
                    kind: .unitStride3x3, pixels: pixels, channels: channels, size: size,
                    subjects: pairs.map { Subject(input: $0.0, output: $0.1, geometry: same) })
            }
        }
        let stride2 = ConvolutionGeometry(stride: 2, padding: 1)
        let other = ShapeClass(
            kind: .other, pixels: .max, channels: .max, size: 32,
            subjects: [(128, 128), (320, 320)].map { Subject(input: $0.0, output: $0.1, geometry: stride2) })
        return unitStride + [other]
    }()

    /// The Swift file of the kernel table, with this machine's instruction set measured anew.
    ///
    /// - Parameter report: is told each class as it is done, in words.
    public func kernelTableSource(report: (String) -> Void) -> String {
        var rows: [KernelTable.Row] = []
        for pass in ConvolutionPass.allCases {
            for shapes in KernelBenchmark.classes {
                let times = measure(pass, shapes)
                // A kernel must be 3 % faster than those that are preferred to it.
                let winner = times.indices.dropFirst().reduce(0) { times[$1] < 0.97 * times[$0] ? $1 : $0 }
                let kernel = shapes.kind.kernels[winner]
                rows.append(
                    KernelTable.Row(
                        CPUBackend.shared.instructionSet, pass, shapes.kind, pixels: shapes.pixels,
                        channels: shapes.channels, kernel))
                let list = zip(shapes.kind.kernels, times).map { "\($0) \(Int($1 * 1e6))" }.joined(separator: ", ")
                report(
                    "\(pass), \(shapes.kind), \(shapes.size)x\(shapes.size), \(shapes.subjects[0].input) "
                        + "channels: \(kernel) (µs: \(list))")
            }
        }
        return KernelTable.source(replacing: KernelTable.merged(rows))
    }

    /// Seconds of each kernel over the shapes of a class.
    private func measure(_ pass: ConvolutionPass, _ shapes: ShapeClass) -> [Double] {
        let backend = CPUBackend.shared
        var total = [Double](repeating: 0, count: shapes.kind.kernels.count)
        for subject in shapes.subjects {
            let inputShape = [1, subject.input, shapes.size, shapes.size]
            let weightShape = [subject.output, subject.input, 3, 3]
            let x = ramp(inputShape).channelsLast()
            let weight = ramp(weightShape).frozen()
            let candidates = shapes.kind.kernels.map { kernel in
                let key = backend.key(pass, inputShape, weightShape, subject.geometry, kernel: kernel)
                let gradient = ramp(key.outputShape).channelsLast()
                return {
                    switch pass {
                    case .forward: _ = backend.convolution(x, weight: weight, bias: nil, key)
                    case .inputGradient: _ = backend.convolutionInputGradient(gradient, weight: weight, key)
                    case .weightGradient: _ = backend.convolutionWeightGradient(gradient, x: x, key)
                    }
                }
            }
            total = zip(total, shortestTimes(candidates)).map { $0 + $1 }
        }
        return total
    }
}
