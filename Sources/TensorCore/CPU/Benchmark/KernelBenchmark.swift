internal import COneDNN

/// Rates of the backend's products beside the raw primitives that could do the same work, measured in one run.
///
/// Candidates take turns, so that a busy machine slows all of them; each counts with its best time.
public struct KernelBenchmark: Sendable {
    /// One product and how fast it ran.
    public struct Row: Sendable, Codable {
        public let name: String
        public let gigaflop: Double
        /// GFLOP/s of the backend's own entry point, reorders and allocation counted.
        public let ours: Double
        /// GFLOP/s of each raw primitive, on data that is already in the primitive's format.
        public let primitives: [String: Double]

        /// The fastest primitive of the same precision as ours.
        public var fastest: (name: String, rate: Double)? {
            primitives.filter { !$0.key.contains("bf16") }.max { $0.value < $1.value }.map { ($0.key, $0.value) }
        }
        public var share: Double { fastest.map { ours / $0.rate } ?? 1 }
    }

    public struct ConvolutionShape: Sendable {
        public let input: Int, output: Int, size: Int, kernel: Int

        public init(_ input: Int, _ output: Int, size: Int, kernel: Int = 3) {
            (self.input, self.output, self.size, self.kernel) = (input, output, size, kernel)
        }
    }

    private let repetitions: Int

    public init(repetitions: Int = 7) { self.repetitions = repetitions }

    /// The three passes of a stride-1 convolution at batch 1.
    public func convolution(_ shape: ConvolutionShape) -> [Row] {
        let geometry = ConvolutionGeometry(padding: shape.kernel / 2)
        let inputShape = [1, shape.input, shape.size, shape.size]
        let weightShape = [shape.output, shape.input, shape.kernel, shape.kernel]
        let backend = CPUBackend.shared
        let x = ramp(inputShape).channelsLast()
        let gradient = ramp([1, shape.output, shape.size, shape.size]).channelsLast()
        let weight = ramp(weightShape).frozen()
        let gigaflop = 2e-9 * Double(weightShape.reduce(1, *) * shape.size * shape.size)
        let label = "\(shape.input)x\(shape.size)x\(shape.size)->\(shape.output)"
        let passes: [(String, ConvolutionPass, () -> Tensor)] = [
            ("forward", .forward, { backend.convolution(x, weight: weight, bias: nil, geometry) }),
            (
                "input gradient", .inputGradient,
                {
                    backend.convolutionInputGradient(gradient, weight: weight, inputShape: inputShape, geometry)
                }
            ),
            (
                "weight gradient", .weightGradient,
                {
                    backend.convolutionWeightGradient(gradient, x: x, weightShape: weightShape, geometry)
                }
            ),
        ]
        return passes.map { name, pass, ours in
            var candidates: [(String, () -> Void)] = [("ours", { _ = ours() })]
            for variant in RawConvolution.variants(pass, inputShape, weightShape, geometry) {
                candidates.append((variant.name, variant.run))
            }
            return row("conv \(label) \(name)", gigaflop, candidates)
        }
    }

    /// `[rows, input] x [output, input]ᵀ`, forward and both gradients.
    public func linear(rows: Int, input: Int, output: Int) -> [Row] {
        let backend = CPUBackend.shared
        let x = ramp([1, rows, input])
        let gradient = ramp([1, rows, output])
        let weight = ramp([output, input]).frozen()
        let gigaflop = 2e-9 * Double(rows * input * output)
        let label = "linear \(rows),\(input),\(output)"
        return [
            row(
                "\(label) forward", gigaflop,
                [
                    ("ours", { _ = backend.linear(x, weight: weight, bias: nil) })
                ] + RawMatmul.variants(rows, output, input).map { ($0.name, $0.run) }),
            row(
                "\(label) input gradient", gigaflop,
                [
                    ("ours", { _ = backend.linear(gradient, weight: weight.transposed(0, 1), bias: nil) })
                ] + RawMatmul.variants(rows, input, output).map { ($0.name, $0.run) }),
            row(
                "\(label) weight gradient", gigaflop,
                [
                    (
                        "ours",
                        {
                            _ = backend.matmul(
                                gradient.reshaped([rows, output]).transposed(0, 1), x.reshaped([rows, input]))
                        }
                    )
                ] + RawMatmul.variants(output, input, rows).map { ($0.name, $0.run) }),
        ]
    }

    /// GFLOP/s of attention, tiles and softmax included (the products counted only).
    public func attention(heads: Int, tokens: Int, headDimension: Int) -> Row {
        let q = ramp([1, tokens, heads, headDimension])
        let options = AttentionOptions(scale: 0.1)
        let gigaflop = 4e-9 * Double(heads * tokens * tokens * headDimension)
        return row(
            "attention \(heads) x \(tokens), \(headDimension)", gigaflop,
            [
                ("ours", { _ = CPUBackend.shared.attention(queries: q, keys: q, values: q, options) })
            ])
    }

    private func row(_ name: String, _ gigaflop: Double, _ candidates: [(String, () -> Void)]) -> Row {
        let rates = shortestTimes(candidates.map(\.1)).map { gigaflop / $0 }
        return Row(
            name: name, gigaflop: gigaflop, ours: rates[0],
            primitives: Dictionary(zip(candidates.map(\.0), rates).dropFirst(), uniquingKeysWith: max))
    }

    /// Seconds of each candidate; they take turns.
    func shortestTimes(_ candidates: [() -> Void]) -> [Double] {
        ComputeThread.shared.run {
            var best = [Double](repeating: .infinity, count: candidates.count)
            for repetition in 0...repetitions {
                for (index, candidate) in candidates.enumerated() {
                    let start = ContinuousClock.now
                    candidate()
                    let seconds = (ContinuousClock.now - start).seconds
                    // The first round compiles and packs.
                    if repetition > 0 { best[index] = min(best[index], seconds) }
                }
            }
            return best
        }
    }

    /// Values of both signs that neither vanish nor overflow.
    func ramp(_ shape: [Int]) -> Tensor {
        let count = shape.reduce(1, *)
        return Tensor((0..<count).map { Float($0 % 17) / 17 - 0.4 }, shape: shape)
    }
}

extension Duration {
    fileprivate var seconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}
