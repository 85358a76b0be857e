/// A device that computes: some thirty coarse kernels over plain tensors.
///
/// Kernels know no gradients: `Ops` call a forward kernel and attach the pullback, which calls the backward kernel.
/// Every argument is detached and lives on this backend, every result is new. Floating-point arguments are float32
/// unless a kernel says otherwise. Each fused kernel has a default made of plain ones (`Composed`), which is also the
/// oracle of its test; a new backend can start with the plain kernels only.
public protocol Backend: AnyObject, Sendable {
    var name: String { get }

    /// Drops whatever is cached for a storage that is going away.
    func forget(_ storage: Storage)

    // MARK: Devices (a backend whose memory is the host's has nothing to do)

    /// The same numbers in the host's memory, dense and in the same order of dimensions.
    func copiedToHost(_ x: Tensor) -> Tensor
    /// The numbers of a tensor of the host in this backend's memory.
    func copiedFromHost(_ x: Tensor) -> Tensor

    // MARK: Data movement (any element type)

    func full(_ value: Double, shape: [Int], dtype: DType) -> Tensor
    /// A dense copy whose dimensions lie in memory in the given order, slowest first.
    func copy(_ x: Tensor, order: [Int]) -> Tensor
    func convert(_ x: Tensor, to dtype: DType) -> Tensor
    /// Places each part at its start in a dense tensor that is `background` elsewhere. Parts do not overlap.
    func assemble(_ parts: [(part: Tensor, start: [Int])], shape: [Int], order: [Int], background: Double) -> Tensor
    /// `out[i...] = table[indices[i]...]`: rows of the first dimension. Indices (int64) are in range. Rows of a quantised
    /// table come as float32.
    func gatherRows(_ table: Tensor, indices: Tensor) -> Tensor
    /// The sum of `rows[i]` into row `indices[i]` of zeros, in the order of `i`.
    func scatterAddRows(_ rows: Tensor, indices: Tensor, count: Int) -> Tensor
    /// `out[.., j, ..] = x[.., indices[.., j, ..], ..]` along an axis (torch.gather).
    func gather(_ x: Tensor, indices: Tensor, axis: Int) -> Tensor
    /// The transpose of `gather`: adds `updates` into zeros of size `size` along the axis.
    func scatterAdd(_ updates: Tensor, indices: Tensor, axis: Int, size: Int) -> Tensor

    // MARK: Elementwise

    func unary(_ operation: UnaryOperation, _ x: Tensor) -> Tensor
    /// `gradient * f'(x)`, from the input `x` and the output `y = f(x)`.
    func unaryBackward(_ operation: UnaryOperation, gradient: Tensor, x: Tensor, y: Tensor) -> Tensor
    /// Broadcasts as in NumPy; float32, int32 and int64.
    func binary(_ operation: BinaryOperation, _ a: Tensor, _ b: Tensor) -> Tensor
    func binary(_ operation: BinaryOperation, _ a: Tensor, scalar: Double) -> Tensor
    func binary(_ operation: BinaryOperation, scalar: Double, _ b: Tensor) -> Tensor
    /// A bool tensor of the broadcast shape.
    func compare(_ operation: Comparison, _ a: Tensor, _ b: Tensor) -> Tensor
    func select(_ condition: Tensor, _ a: Tensor, _ b: Tensor) -> Tensor
    /// `alpha * x + beta * y` for equal shapes.
    func linearCombination(_ alpha: Double, _ x: Tensor, _ beta: Double, _ y: Tensor) -> Tensor

    // MARK: Reductions and scans

    /// Reduces the axes to size 1.
    func reduce(_ reduction: Reduction, _ x: Tensor, axes: [Int]) -> Tensor
    /// The int64 index of the first largest element along an axis, which becomes size 1.
    func argumentMaximum(_ x: Tensor, axis: Int) -> Tensor
    func cumulative(_ scan: Scan, _ x: Tensor, axis: Int, reversed: Bool) -> Tensor

    // MARK: Products

    /// `[..., m, k] x [..., k, n]` with equal leading dimensions, or `b` of rank 2 shared by all of them.
    func matmul(_ a: Tensor, _ b: Tensor) -> Tensor
    /// `x [..., in] · weightᵀ [out, in] + bias [out]`; the weight may be float16, bfloat16 or quantised.
    func linear(_ x: Tensor, weight: Tensor, bias: Tensor?) -> Tensor
    /// `linear` of one input with each of several weights: the same numbers, where there are short ways in less time.
    func linears(_ x: Tensor, _ maps: [AffineMap]) -> [Tensor]
    func convolution(_ x: Tensor, weight: Tensor, bias: Tensor?, _ geometry: ConvolutionGeometry) -> Tensor
    /// The results of the two, added to a tensor of their shape.
    func linear(_ x: Tensor, weight: Tensor, bias: Tensor?, addedTo residual: Tensor) -> Tensor
    func convolution(
        _ x: Tensor, weight: Tensor, bias: Tensor?, _ geometry: ConvolutionGeometry, addedTo residual: Tensor
    ) -> Tensor
    func convolutionInputGradient(
        _ gradient: Tensor, weight: Tensor, inputShape: [Int], _ geometry: ConvolutionGeometry
    ) -> Tensor
    /// The input may be bfloat16 where a CPU has tile registers: the gradient is then rounded, too.
    func convolutionWeightGradient(
        _ gradient: Tensor, x: Tensor, weightShape: [Int], _ geometry: ConvolutionGeometry
    ) -> Tensor

    // MARK: Fused (defaults in `Composed`)

    func softmax(_ x: Tensor, logarithm: Bool) -> Tensor
    func softmaxBackward(_ gradient: Tensor, y: Tensor, logarithm: Bool) -> Tensor
    func groupNorm(
        _ x: Tensor, groups: Int, weight: Tensor?, bias: Tensor?, epsilon: Float, silu: Bool
    ) -> (y: Tensor, statistics: NormStatistics)
    /// `groupNorm` as bfloat16 for a product that rounds its operands.
    func roundedGroupNorm(
        _ x: Tensor, groups: Int, weight: Tensor?, bias: Tensor?, epsilon: Float, silu: Bool
    ) -> (y: Tensor, statistics: NormStatistics)
    func groupNormBackward(
        _ gradient: Tensor, x: Tensor, groups: Int, weight: Tensor?, bias: Tensor?, silu: Bool,
        statistics: NormStatistics
    ) -> NormGradients
    func layerNorm(
        _ x: Tensor, weight: Tensor?, bias: Tensor?, epsilon: Float
    ) -> (y: Tensor, statistics: NormStatistics)
    /// `layerNorm` without its statistics, as bfloat16.
    func roundedLayerNorm(_ x: Tensor, weight: Tensor?, bias: Tensor?, epsilon: Float) -> Tensor
    func layerNormBackward(
        _ gradient: Tensor, x: Tensor, weight: Tensor?, hasBias: Bool, statistics: NormStatistics
    ) -> NormGradients
    func rmsNorm(_ x: Tensor, weight: Tensor?, epsilon: Float) -> (y: Tensor, statistics: NormStatistics)
    func rmsNormBackward(
        _ gradient: Tensor, x: Tensor, weight: Tensor?, statistics: NormStatistics
    ) -> NormGradients
    func geglu(_ x: Tensor) -> Tensor
    func roundedGEGLU(_ x: Tensor) -> Tensor
    /// The same of a linear map's result.
    func roundedGEGLU(_ x: Tensor, of map: AffineMap) -> Tensor
    func gegluBackward(_ gradient: Tensor, x: Tensor) -> Tensor
    /// `silu(gate) * up` of equal shapes.
    func swiglu(gate: Tensor, up: Tensor) -> Tensor
    func swigluBackward(_ gradient: Tensor, gate: Tensor, up: Tensor) -> (gate: Tensor, up: Tensor)
    /// Tiled attention with an online softmax; see `attention(_:_:_:)`.
    func attention(
        queries: Tensor, keys: Tensor, values: Tensor, _ options: AttentionOptions
    ) -> (output: Tensor, logSumExp: Tensor)
    func attentionBackward(
        _ gradient: Tensor, queries: Tensor, keys: Tensor, values: Tensor, output: Tensor, logSumExp: Tensor,
        _ options: AttentionOptions
    ) -> (queries: Tensor, keys: Tensor, values: Tensor)

    /// Attention of one query a row, whose heads may share keys: query head h reads key head `h / (heads / keyHeads)`.
    func attentionStep(queries: Tensor, keys: Tensor, values: Tensor, _ options: AttentionOptions) -> Tensor
    /// Turns pairs of channels of `[batch, tokens, heads, headDimension]`; see `rotary(_:cosines:sines:)`.
    func rotary(_ x: Tensor, cosines: Tensor, sines: Tensor, isReversed: Bool) -> Tensor
    /// The recurrence of a state-space model; see `selectiveScan(_:initial:)`.
    func selectiveScan(_ inputs: ScanInputs, initial: Tensor?) -> (output: Tensor, state: Tensor)
    /// The gradients of the output of `selectiveScan` by its inputs.
    func selectiveScanBackward(_ gradient: Tensor, _ inputs: ScanInputs, initial: Tensor?) -> ScanInputs

    // MARK: Resampling of `[batch, channels, height, width]`

    func resample(_ x: Tensor, _ resampling: Resampling) -> Tensor
    func resampleBackward(_ gradient: Tensor, inputShape: [Int], _ resampling: Resampling) -> Tensor

    // MARK: Optimisation

    func adamStep(_ state: AdamState, gradient: Tensor, _ step: AdamStep) -> AdamState
}

public enum UnaryOperation: Sendable, CaseIterable {
    case negate, absolute, exponential, logarithm, squareRoot, reciprocalSquareRoot, reciprocal, square
    case sine, cosine, tanh, errorFunction, sigmoid, silu, gelu, geluTanh, quickGELU, relu, softplus
    case floor, ceiling, round, sign
}

public enum BinaryOperation: Sendable, CaseIterable {
    case add, subtract, multiply, divide, maximum, minimum, power
}

public enum Comparison: Sendable, CaseIterable {
    case equal, notEqual, less, lessOrEqual, greater, greaterOrEqual
}

public enum Reduction: Sendable, CaseIterable {
    case sum, maximum, minimum, product
}

public enum Scan: Sendable, CaseIterable {
    case sum, product
}

/// How a feature map changes its spatial size.
public enum Resampling: Sendable, Hashable {
    /// Repeats each pixel `factor` times in both directions.
    case nearest(factor: Int)
    /// Bilinear with half-pixel centres (`align_corners=False` in PyTorch).
    case bilinear(height: Int, width: Int)
    /// The mean of each `size x size` block.
    case averagePool(size: Int)
}

/// What `linear` multiplies its input with and adds.
public struct AffineMap: Sendable {
    /// `[out, in]`.
    public var weight: Tensor
    /// `[out]`.
    public var bias: Tensor?

    public init(weight: Tensor, bias: Tensor?) {
        self.weight = weight
        self.bias = bias
    }
}

/// Stride, zero padding and groups of a two-dimensional convolution.
public struct ConvolutionGeometry: Sendable, Hashable {
    public var stride: Int
    public var paddingBefore: [Int]
    public var paddingAfter: [Int]
    public var dilation: Int
    public var groups: Int

    /// - Parameters:
    ///   - padding: zeros on every side.
    ///   - paddingBefore: zeros above and left, instead of `padding`.
    ///   - paddingAfter: zeros below and right, instead of `padding`.
    public init(
        stride: Int = 1, padding: Int = 0, dilation: Int = 1, groups: Int = 1,
        paddingBefore: [Int]? = nil, paddingAfter: [Int]? = nil
    ) {
        self.stride = stride
        self.paddingBefore = paddingBefore ?? [padding, padding]
        self.paddingAfter = paddingAfter ?? [padding, padding]
        self.dilation = dilation
        self.groups = groups
    }

    /// The spatial size of the output for one spatial dimension (0: height, 1: width).
    public func outputSize(input: Int, kernel: Int, dimension: Int) -> Int {
        (input + paddingBefore[dimension] + paddingAfter[dimension] - dilation * (kernel - 1) - 1) / stride + 1
    }
}

/// What a norm keeps for its backward pass: one mean and one reciprocal standard deviation a row (or group).
public struct NormStatistics: Sendable {
    /// Empty for `rmsNorm`.
    public var mean: Tensor
    public var reciprocalDeviation: Tensor

    public init(mean: Tensor, reciprocalDeviation: Tensor) {
        self.mean = mean
        self.reciprocalDeviation = reciprocalDeviation
    }
}

public struct NormGradients: Sendable {
    public var input: Tensor
    public var weight: Tensor?
    public var bias: Tensor?

    public init(input: Tensor, weight: Tensor?, bias: Tensor?) {
        self.input = input
        self.weight = weight
        self.bias = bias
    }
}

/// How attention weighs keys.
public struct AttentionOptions: Sendable {
    /// The factor of the scores, usually `1 / sqrt(headDimension)`.
    public var scale: Float
    /// Whether query i sees keys `0...(i + keyTokens - queryTokens)` only: queries are the last of the tokens, as
    /// when the keys of earlier ones were kept.
    public var isCausal: Bool
    /// With a cap c, scores become `c * tanh(score / c)` before the mask.
    public var softCap: Float?
    /// Added to the scores: broadcastable to `[batch, heads, queryTokens, keyTokens]`. A tracked mask gets a gradient,
    /// at the price of the whole score matrix.
    public var mask: Tensor?
    /// Whether operands may be rounded to bfloat16 where that is faster; sums and the softmax stay fp32.
    public var allowsBFloat16: Bool
    /// Whether the backward pass may do so where the forward pass did.
    public var roundsGradients: Bool

    public init(
        scale: Float, isCausal: Bool = false, softCap: Float? = nil, mask: Tensor? = nil, allowsBFloat16: Bool = false,
        roundsGradients: Bool = false
    ) {
        self.scale = scale
        self.isCausal = isCausal
        self.softCap = softCap
        self.mask = mask
        self.allowsBFloat16 = allowsBFloat16
        self.roundsGradients = roundsGradients
    }
}

/// A parameter with the moments that Adam keeps for it, all of one shape.
public struct AdamState: Sendable {
    public var parameter: Tensor
    public var firstMoment: Tensor
    public var secondMoment: Tensor

    public init(parameter: Tensor, firstMoment: Tensor, secondMoment: Tensor) {
        self.parameter = parameter
        self.firstMoment = firstMoment
        self.secondMoment = secondMoment
    }
}

/// The scalars of one Adam or AdamW step.
public struct AdamStep: Sendable, Hashable {
    public var learningRate: Double
    public var beta1: Double
    public var beta2: Double
    public var epsilon: Double
    public var weightDecay: Double
    /// Decoupled (AdamW) decay shrinks the parameter; otherwise the decay is added to the gradient (Adam).
    public var isDecayDecoupled: Bool
    /// Multiplies the gradient first (gradient clipping).
    public var gradientScale: Double
    /// 1 for the first step.
    public var index: Int

    public init(
        learningRate: Double, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8,
        weightDecay: Double = 0.01, isDecayDecoupled: Bool = true, gradientScale: Double = 1, index: Int
    ) {
        self.learningRate = learningRate
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.weightDecay = weightDecay
        self.isDecayDecoupled = isDecayDecoupled
        self.gradientScale = gradientScale
        self.index = index
    }

    /// `1 - beta1ⁱ` and `1 - beta2ⁱ` for step i.
    package var corrections: (first: Double, second: Double) {
        (1 - Self.power(beta1, index), 1 - Self.power(beta2, index))
    }

    /// `base` to a whole power by repeated squaring.
    private static func power(_ base: Double, _ exponent: Int) -> Double {
        var (result, factor, rest) = (1.0, base, exponent)
        while rest > 0 {
            if rest & 1 == 1 { result *= factor }
            factor *= factor
            rest >>= 1
        }
        return result
    }
}
