internal import Layers
internal import TensorCore
internal import Weights

/// Halves height and width by a strided convolution.
struct Downsampler: Layer {
    private var convolution: Convolution
    private let site: Int

    /// - Parameter padding: 1 pads every side; 0 pads below and right only, as autoencoders do.
    init(_ channels: Int, padding: Int = 1, _ weights: ScopedWeights) throws {
        let geometry =
            padding == 0
            ? ConvolutionGeometry(stride: 2, paddingBefore: [0, 0], paddingAfter: [1, 1])
            : ConvolutionGeometry(stride: 2, padding: padding)
        convolution = try Convolution(channels, channels, kernel: 3, geometry: geometry, weights.scope("conv"))
        site = weights.site
    }

    func callAsFunction(_ x: Tensor, _ pass: Pass) -> Tensor {
        pass.visit(site, .output, convolution(pass.visit(site, .input, x), pass))
    }

    mutating func mapParameters(_ transform: (Tensor) -> Tensor) { convolution.mapParameters(transform) }
}

/// Doubles height and width by repeating pixels, then convolves.
struct Upsampler: Layer {
    private var convolution: Convolution
    private let site: Int

    init(_ channels: Int, _ weights: ScopedWeights) throws {
        convolution = try Convolution(channels, channels, kernel: 3, weights.scope("conv"))
        site = weights.site
    }

    /// - Parameter size: height and width to reach: twice those of `x`, or one less where the partner's size was odd.
    ///   Nearest-neighbour resizing to such a size is doubling and leaving out the last row or column.
    func callAsFunction(_ x: Tensor, to size: [Int]? = nil, _ pass: Pass) -> Tensor {
        let x = pass.visit(site, .input, x)
        let source = convolution.roundsInput(pass) && !x.isTracked ? x.converted(to: .bfloat16) : x
        var h = resample(source, .nearest(factor: 2))
        if let size {
            h = h.narrowed(2, start: 0, count: size[0]).narrowed(3, start: 0, count: size[1])
        }
        return pass.visit(site, .output, convolution(h, pass))
    }

    mutating func mapParameters(_ transform: (Tensor) -> Tensor) { convolution.mapParameters(transform) }
}
