internal import Layers
internal import TensorCore
internal import Weights

/// A selective state-space model between two projections:
///
///     a, z = in_proj(x)
///     u = activation(conv1d(a))
///     r, B, C = x_proj(u);  Δ = softplus(dt_proj(r))
///     y = out_proj(scan(u, Δ, -exp(A_log), B, C, D) * activation(z))
///
/// The convolution is causal and each channel has its own. Padding is held at zero before and after it, whatever bias
/// `in_proj` adds, so it leaves no trace in the states.
struct MambaMixer: Layer {
    private var input: Linear
    /// `[channels, 1, kernel]`; the last tap is the current token.
    private var kernel: Tensor
    private var kernelBias: Tensor?
    private var selection: Linear
    private var timeStep: Linear
    private var logDecay: Tensor
    private var skip: Tensor
    private var output: Linear
    private let activation: Activation
    private let rank: Int
    private let convolutionSite: Int
    private let activationSite: Int
    private let site: Int

    init(_ configuration: MambaConfiguration, _ weights: ScopedWeights) throws {
        let (width, channels, states) = (configuration.hiddenSize, configuration.inner, configuration.states)
        let initial = Initialization.normal(standardDeviation: configuration.initializerRange)
        rank = configuration.rank
        input = try Linear(
            width, 2 * channels, hasBias: configuration.hasBias, initialWeight: initial, initialBias: .zeros,
            weights.scope("in_proj"))
        let convolution = weights.scope("conv1d")
        kernel = try convolution.tensor(
            "weight", shape: [channels, 1, configuration.kernel],
            initial: .kaimingUniform(fanIn: configuration.kernel))
        kernelBias =
            configuration.hasConvolutionBias
            ? try convolution.tensor("bias", shape: [channels], initial: .zeros) : nil
        convolutionSite = convolution.site
        activationSite = weights.scope("act").site
        selection = try Linear(
            channels, rank + 2 * states, hasBias: false, initialWeight: initial, weights.scope("x_proj"))
        timeStep = try Linear(
            rank, channels, initialWeight: .uniform(bound: 1 / Float(rank).squareRoot()),
            initialBias: .constant(-4.6), weights.scope("dt_proj"))
        logDecay = try weights.tensor("A_log", shape: [channels, states], initial: .constant(1))
        skip = try weights.tensor("D", shape: [channels], initial: .ones)
        output = try Linear(
            channels, width, hasBias: configuration.hasBias, initialWeight: initial, initialBias: .zeros,
            weights.scope("out_proj"))
        activation = configuration.activation
        site = weights.site
    }

    func callAsFunction(_ x: Tensor, _ context: DecoderContext, _ state: inout LayerState?, _ pass: Pass) -> Tensor {
        let given = pass.visit(site, .input, x)
        let presence = context.presence
        let x = presence.map { given * $0 } ?? given
        let halves = input(x, pass).chunked(2, count: 2)
        let a = pass.visit(site, .branch, presence.map { halves[0] * $0 } ?? halves[0])
        let z = pass.visit(site, .gateInput, halves[1])
        var (window, states) = (Tensor?.none, Tensor?.none)
        if case .recurrent(let oldWindow, let oldStates) = state ?? .empty { (window, states) = (oldWindow, oldStates) }
        let (convolved, newWindow) = convolution(pass.visit(convolutionSite, .input, a), after: window)
        let before = pass.visit(convolutionSite, .output, convolved)
        var u = activation(pass.visit(activationSite, .input, before))
        u = pass.visit(activationSite, .output, presence.map { u * $0 } ?? u)
        let inputs = scanInputs(u, pass)
        let (read, newStates) = scan(inputs, after: states, pass)
        if state != nil { state = .recurrent(window: newWindow.detached.contiguous(), states: newStates.detached) }
        let s = pass.visit(site, .scan, read)
        let gate = pass.visit(site, .gate, activation(z))
        return pass.visit(site, .output, output(s * gate, pass))
    }

    /// The causal convolution of each channel, and the last inputs, which the next call begins with.
    private func convolution(_ a: Tensor, after window: Tensor?) -> (Tensor, Tensor) {
        let taps = kernel.size(2)
        let before = window ?? Tensor.zeros([a.size(0), taps - 1, a.size(2)])
        let whole = concatenated([before, a], axis: 1)
        var sum = kernelBias
        for tap in 0..<taps {
            let part = whole.narrowed(1, start: tap, count: a.size(1)) * kernel.selected(2, tap).squeezed(1)
            sum = sum.map { $0 + part } ?? part
        }
        return (sum ?? a, whole.narrowed(1, start: a.size(1), count: taps - 1))
    }

    private func scanInputs(_ u: Tensor, _ pass: Pass) -> ScanInputs {
        let states = logDecay.size(1)
        let parts = selection(u, pass).split(2, sizes: [rank, states, states])
        return ScanInputs(
            input: u,
            timeStep: pass.visit(site, .timeStep, softplus(timeStep(parts[0], pass))),
            decay: -exp(logDecay.converted(to: .float32)),
            inputMatrix: pass.visit(site, .inputMatrix, parts[1]),
            outputMatrix: pass.visit(site, .outputMatrix, parts[2]), skip: skip)
    }

    /// The fused recurrence, or, when the plan visits the states, the plain path in which they exist.
    private func scan(_ inputs: ScanInputs, after states: Tensor?, _ pass: Pass) -> (Tensor, Tensor) {
        guard pass.isVisiting(site, .state) else { return selectiveScan(inputs, initial: states) }
        let h = selectiveScanStates(inputs, initial: states)
        var shown = ShownValues(site, pass)
        let read = sum(shown.visit(.state, h) * inputs.outputMatrix.unsqueezed(2), axes: [3])
        let plain = read + inputs.skip * inputs.input
        guard !h.isTracked else { return (plain, h.selected(1, -1)) }
        let fused = selectiveScan(inputs, initial: states)
        return (shown.answer(plain: plain, fused: fused.0), fused.1)
    }

    mutating func mapParameters(_ transform: (Tensor) -> Tensor) {
        input.mapParameters(transform)
        kernel = transform(kernel)
        kernelBias = kernelBias.map(transform)
        selection.mapParameters(transform)
        timeStep.mapParameters(transform)
        logDecay = transform(logDecay)
        skip = transform(skip)
        output.mapParameters(transform)
    }
}
