import Layers
import TensorCore
import Weights

/// A convolution whose inputs a style scales, and whose outputs may be brought back to unit size:
///
///     y = d · (weight * (s x)),    s = affine(w),    d_o = 1 / sqrt(sum over i, k of (weight_oik s_i)² + 1e-8)
///
/// Follows StyleGAN2's `modulated_conv2d`; a picture's style scales its features instead of a copy of the kernel.
struct ModulatedConvolution: Layer {
    private var weight: Tensor
    private var affine: EqualizedLinear
    private let demodulates: Bool
    /// Doubles the size first; nil keeps it.
    private var filter: Tensor?
    /// Multiplies the style.
    private let gain: Double
    let inputs: Int

    /// - Parameters:
    ///   - upsamples: whether the size is doubled.
    ///   - gain: multiplies the style.
    init(
        _ inputs: Int, _ outputs: Int, kernel: Int, styleSize: Int, demodulates: Bool, upsamples: Bool = false,
        gain: Double = 1, _ weights: ScopedWeights
    ) throws {
        weight = try weights.tensor(
            "weight", shape: [outputs, inputs, kernel, kernel], initial: .normal(standardDeviation: 1))
        affine = try EqualizedLinear(styleSize, inputs, weights.scope("affine"))
        filter = upsamples ? try weights.resampleFilter() : nil
        self.demodulates = demodulates
        self.gain = gain
        self.inputs = inputs
    }

    /// Turns the kernel of an upsampling layer, which convolves instead of correlating, once and for all.
    mutating func prepare() {
        if filter != nil { weight = flipped(weight).frozen() }
    }

    /// The style: `[batch, inputs]`.
    func style(_ w: Tensor, offset: Tensor?, _ pass: Pass) -> Tensor {
        let style = affine(w, pass)
        return offset.map { style + $0 } ?? style
    }

    /// - Parameters:
    ///   - x: `[batch, inputs, height, width]`.
    ///   - w: `[batch, styleSize]`.
    ///   - offset: added to the style, `[1, inputs]`.
    func callAsFunction(_ x: Tensor, _ w: Tensor, offset: Tensor?, _ pass: Pass) -> Tensor {
        let style = style(w, offset: offset, pass) * gain
        let scaled = x * style.unsqueezed(-1).unsqueezed(-1)
        let margin = weight.size(2) / 2
        var y: Tensor
        if let filter {
            y = convolution(upsampled(scaled, by: filter, margin: margin), weight)
        } else {
            y = convolution(scaled, weight, nil, ConvolutionGeometry(padding: margin))
        }
        if demodulates {
            let energies = sum(square(weight), axes: [2, 3])
            y = y * rsqrt(linear(square(style), energies) + 1e-8).unsqueezed(-1).unsqueezed(-1)
        }
        return y
    }

    mutating func mapParameters(_ transform: (Tensor) -> Tensor) {
        weight = transform(weight)
        affine.mapParameters(transform)
    }
}

/// Modulated convolution, noise, bias and activation.
struct StyledLayer: Layer {
    var convolution: ModulatedConvolution
    private var bias: Tensor
    private var noiseStrength: Tensor
    private var noiseMap: Tensor
    private let resolution: Int
    private let clamp: Double?
    private let site: Int

    init(
        _ inputs: Int, _ outputs: Int, resolution: Int, upsamples: Bool = false,
        _ configuration: StyleGAN2Configuration, _ weights: ScopedWeights
    ) throws {
        convolution = try ModulatedConvolution(
            inputs, outputs, kernel: 3, styleSize: configuration.styleSize, demodulates: true, upsamples: upsamples,
            weights)
        bias = try weights.tensor("bias", shape: [outputs], initial: .zeros)
        noiseStrength = try weights.tensor("noise_strength", shape: [], initial: .zeros)
        noiseMap = try weights.tensor(
            "noise_const", shape: [resolution, resolution], initial: .normal(standardDeviation: 1))
        self.resolution = resolution
        clamp = configuration.clamp
        site = weights.site
    }

    func callAsFunction(
        _ x: Tensor, _ w: Tensor, offset: Tensor?, noise: StyleNoise, random: inout TorchGenerator, _ pass: Pass
    ) -> Tensor {
        var y = convolution(x, w, offset: offset, pass)
        switch noise {
        case .none: break
        case .constant: y = y + noiseMap * noiseStrength
        case .random: y = y + random.normal([y.size(0), 1, resolution, resolution]) * noiseStrength
        }
        y = leakyRectified(y + bias.reshaped([1, -1, 1, 1]))
        return pass.visit(site, .output, clamp.map { TensorCore.clamp(y, -$0...$0) } ?? y)
    }

    mutating func mapParameters(_ transform: (Tensor) -> Tensor) {
        convolution.mapParameters(transform)
        bias = transform(bias)
        noiseStrength = transform(noiseStrength)
        noiseMap = transform(noiseMap)
    }
}

/// From features to colours, without demodulation.
struct ColorLayer: Layer {
    var convolution: ModulatedConvolution
    private var bias: Tensor
    private let clamp: Double?
    private let site: Int

    init(_ inputs: Int, _ configuration: StyleGAN2Configuration, _ weights: ScopedWeights) throws {
        convolution = try ModulatedConvolution(
            inputs, configuration.pictureChannels, kernel: 1, styleSize: configuration.styleSize, demodulates: false,
            gain: 1 / Double(inputs).squareRoot(), weights)
        bias = try weights.tensor("bias", shape: [configuration.pictureChannels], initial: .zeros)
        clamp = configuration.clamp
        site = weights.site
    }

    func callAsFunction(_ x: Tensor, _ w: Tensor, offset: Tensor?, _ pass: Pass) -> Tensor {
        let y = convolution(x, w, offset: offset, pass) + bias.reshaped([1, -1, 1, 1])
        return pass.visit(site, .output, clamp.map { TensorCore.clamp(y, -$0...$0) } ?? y)
    }

    mutating func mapParameters(_ transform: (Tensor) -> Tensor) {
        convolution.mapParameters(transform)
        bias = transform(bias)
    }
}

extension ScopedWeights {
    /// The filter of a layer or block that doubles the size; [1, 3, 3, 1] in both directions where the file has none.
    func resampleFilter() throws -> Tensor {
        let ramp = Tensor([1, 3, 3, 1] as [Float])
        return try optionalTensor("resample_filter", shape: [4, 4])
            ?? matmul(ramp.unsqueezed(1), ramp.unsqueezed(0)) * (1 / 64.0)
    }
}
