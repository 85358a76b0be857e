/// The operands of a selective scan.
public struct ScanInputs: Sendable {
    /// What enters: `[batch, tokens, channels]`.
    public var input: Tensor
    /// Time steps, positive: `[batch, tokens, channels]`.
    public var timeStep: Tensor
    /// Rates of decay, negative: `[channels, states]`.
    public var decay: Tensor
    /// How the input enters the states: `[batch, tokens, states]`.
    public var inputMatrix: Tensor
    /// How the states are read: `[batch, tokens, states]`.
    public var outputMatrix: Tensor
    /// The direct path from the input: `[channels]`.
    public var skip: Tensor

    public init(
        input: Tensor, timeStep: Tensor, decay: Tensor, inputMatrix: Tensor, outputMatrix: Tensor, skip: Tensor
    ) {
        self.input = input
        self.timeStep = timeStep
        self.decay = decay
        self.inputMatrix = inputMatrix
        self.outputMatrix = outputMatrix
        self.skip = skip
    }

    var all: [Tensor] { [input, timeStep, decay, inputMatrix, outputMatrix, skip] }

    func mapped(_ transform: (Tensor) -> Tensor) -> ScanInputs {
        ScanInputs(
            input: transform(input), timeStep: transform(timeStep), decay: transform(decay),
            inputMatrix: transform(inputMatrix), outputMatrix: transform(outputMatrix), skip: transform(skip))
    }
}

/// The recurrence of a selective state-space model, one for each channel e and state n:
///
///     h[t] = exp(timeStep[t, e] decay[e, n]) h[t - 1] + timeStep[t, e] input[t, e] inputMatrix[t, n]
///     output[t, e] = Σₙ h[t] outputMatrix[t, n] + skip[e] input[t, e]
///
/// - Parameter initial: the states before the first token, `[batch, channels, states]`, a constant; zero when nil.
/// - Returns: `[batch, tokens, channels]`, and the states after the last token, which are a constant.
/// Follows transformers `modeling_mamba.py` and Mamba's selective_scan_ref.
public func selectiveScan(_ inputs: ScanInputs, initial: Tensor? = nil) -> (output: Tensor, state: Tensor) {
    let (x, states) = (inputs.input, inputs.decay.size(1))
    let matrices = [x.size(0), x.size(1), states]
    precondition(
        x.rank == 3 && inputs.timeStep.shape == x.shape && inputs.decay.size(0) == x.size(2)
            && inputs.inputMatrix.shape == matrices && inputs.outputMatrix.shape == matrices
            && inputs.skip.shape == [x.size(2)] && states <= 256,
        "selectiveScan: shapes \(inputs.all.map(\.shape))")
    let inputs = inputs.mapped { $0.converted(to: .float32) }
    let plain = inputs.mapped(\.detached)
    let initial = initial?.detached
    let (output, state) = sharedBackend(plain.all).selectiveScan(plain, initial: initial)
    let recorded = output.recorded(from: inputs.all) { gradient in
        gradient.backend.selectiveScanBackward(gradient, plain, initial: initial).all
    }
    return (recorded, state)
}

/// The states of `selectiveScan` after every token: `[batch, tokens, channels, states]`, from plain operations.
public func selectiveScanStates(_ inputs: ScanInputs, initial: Tensor? = nil) -> Tensor {
    let (batch, tokens, channels) = (inputs.input.size(0), inputs.input.size(1), inputs.input.size(2))
    let states = inputs.decay.size(1)
    let step = inputs.timeStep.unsqueezed(3)
    let decay = exp(step * inputs.decay)
    let entering = step * inputs.input.unsqueezed(3) * inputs.inputMatrix.unsqueezed(2)
    var h = initial ?? Tensor.zeros([batch, channels, states])
    return stacked(
        (0..<tokens).map { t in
            h = decay.selected(1, t) * h + entering.selected(1, t)
            return h
        }, axis: 1)
}

extension Composed {
    static func selectiveScan(
        _ backend: any Backend, _ inputs: ScanInputs, initial: Tensor?
    ) -> (output: Tensor, state: Tensor) {
        let states = selectiveScanStates(inputs, initial: initial)
        let read = backend.reduce(.sum, states * inputs.outputMatrix.unsqueezed(2), axes: [3]).squeezed(3)
        return (read + inputs.skip * inputs.input, states.selected(1, -1))
    }

    /// Backwards in time, with `carry` the gradient of the states:
    ///
    ///     carry[t] = gradient[t] outputMatrixᵀ[t] + exp(timeStep[t + 1] decay) carry[t + 1]
    static func selectiveScanBackward(
        _ backend: any Backend, _ gradient: Tensor, _ inputs: ScanInputs, initial: Tensor?
    ) -> ScanInputs {
        let states = selectiveScanStates(inputs, initial: initial)
        let (batch, tokens, channels, count) = (states.size(0), states.size(1), states.size(2), states.size(3))
        let first = (initial ?? backend.full(0, shape: [batch, channels, count], dtype: .float32)).unsqueezed(1)
        let before = concatenated([first, states.narrowed(1, start: 0, count: tokens - 1)], axis: 1)
        let (step, x) = (inputs.timeStep.unsqueezed(3), inputs.input.unsqueezed(3))
        let (b, c) = (inputs.inputMatrix.unsqueezed(2), inputs.outputMatrix.unsqueezed(2))
        let decay = backend.unary(.exponential, step * inputs.decay)
        let outer = gradient.unsqueezed(3) * c
        var carry = backend.full(0, shape: [batch, channels, count], dtype: .float32)
        var carries: [Tensor] = []
        for t in (0..<tokens).reversed() {
            if t + 1 < tokens { carry = carry * decay.selected(1, t + 1) }
            carry = carry + outer.selected(1, t)
            carries.append(carry)
        }
        let lambda = stacked(carries.reversed(), axis: 1)
        let kept = decay * before
        func total(_ x: Tensor, _ axes: [Int]) -> Tensor {
            let kept = x.shape.indices.filter { !axes.contains($0) }.map { x.shape[$0] }
            return backend.reduce(.sum, x, axes: axes).reshaped(kept)
        }
        return ScanInputs(
            input: total(lambda * step * b, [3]) + gradient * inputs.skip,
            timeStep: total(lambda * (inputs.decay * kept + b * x), [3]),
            decay: total(lambda * step * kept, [0, 1]),
            inputMatrix: total(lambda * step * x, [2]),
            outputMatrix: total(gradient.unsqueezed(3) * states, [2]),
            skip: total(gradient * inputs.input, [0, 1]))
    }
}
