public import TensorCore

extension CUDADevice {
    public func attention(
        queries: Tensor, keys: Tensor, values: Tensor, _ options: AttentionOptions
    ) -> (output: Tensor, logSumExp: Tensor) {
        guard let plan = AttentionPlan(headDimension: queries.size(3)), queries.size(0) <= 65535 else {
            return Composed.attention(
                self, queries: local(queries), keys: local(keys), values: local(values), options)
        }
        let (q, k, v) = (unitStride(queries), unitStride(keys), unitStride(values))
        let out = empty(q.shape)
        let logSumExp = empty([q.size(0), q.size(2), q.size(1)])
        let mask = mask(options, q, k)
        // Tensor cores of compute capability 8 on multiply bfloat16 numbers.
        let usesTensorCores = options.allowsBFloat16 && computeCapability >= 80
        launch(
            usesTensorCores ? "attention_bf16_\(plan.width)" : "attention_forward_\(plan.width)",
            in: usesTensorCores ? .attentionBFloat16 : .attention,
            usesTensorCores
                ? plan.tensorCoreShape(tokens: q.size(1), q.size(2), q.size(0))
                : plan.shape(tokens: q.size(1), q.size(2), q.size(0)),
            .tensor(out), .tensor(logSumExp), .tensor(q), .tensor(k), .tensor(v), argument(q, k, v, mask, options))
        return (out, logSumExp)
    }

    public func attentionBackward(
        _ gradient: Tensor, queries: Tensor, keys: Tensor, values: Tensor, output: Tensor, logSumExp: Tensor,
        _ options: AttentionOptions
    ) -> (queries: Tensor, keys: Tensor, values: Tensor) {
        guard let plan = AttentionPlan(headDimension: queries.size(3)), queries.size(0) <= 65535 else {
            return Composed.attentionBackward(
                self, local(gradient), queries: local(queries), keys: local(keys), values: local(values),
                output: local(output), logSumExp: local(logSumExp), options)
        }
        let (q, k, v) = (local(queries).contiguous(), local(keys).contiguous(), local(values).contiguous())
        let (gradient, output) = (local(gradient).contiguous(), local(output).contiguous())
        let logSumExp = local(logSumExp).contiguous()
        if q.count == 0 || k.count == 0 {
            func zeros(_ x: Tensor) -> Tensor { full(0, shape: x.shape, dtype: .float32) }
            return (zeros(q), zeros(k), zeros(v))
        }
        let (dq, dk, dv) = (empty(q.shape), empty(k.shape), empty(v.shape))
        let delta = empty(logSumExp.shape)
        let mask = mask(options, q, k)
        let operands = argument(q, k, v, mask, options)
        launch(
            "attention_delta", in: .attention, .init(elements: delta.count), .tensor(delta), .tensor(gradient),
            .tensor(output), .int(delta.count), .int32(Int32(q.size(1))), .int32(Int32(q.size(2))),
            .int32(Int32(q.size(3))))
        launch(
            "attention_query_gradient_\(plan.width)", in: .attention,
            plan.shape(tokens: q.size(1), q.size(2), q.size(0)), .tensor(dq), .tensor(gradient), .tensor(q), .tensor(k),
            .tensor(v), .tensor(delta), .tensor(logSumExp), operands)
        launch(
            "attention_key_gradient_\(plan.width)", in: .attention,
            plan.shape(tokens: k.size(1), k.size(2), k.size(0)), .tensor(dk), .tensor(dv), .tensor(gradient),
            .tensor(q), .tensor(k), .tensor(v), .tensor(delta), .tensor(logSumExp), operands)
        return (dq, dk, dv)
    }

    private func unitStride(_ x: Tensor) -> Tensor {
        let x = local(x)
        return x.layout.strides[3] == 1 || x.shape[3] == 1 ? x : x.contiguous()
    }

    private func mask(_ options: AttentionOptions, _ q: Tensor, _ k: Tensor) -> Tensor? {
        local(options.mask)?.expanded(to: [q.size(0), q.size(2), q.size(1), k.size(1)])
    }

    /// `struct Attention`
    private func argument(
        _ q: Tensor, _ k: Tensor, _ v: Tensor, _ mask: Tensor?, _ options: AttentionOptions
    ) -> KernelArgument {
        var fields = Fields()
        for value in [q.size(0), q.size(2), q.size(1), k.size(1), q.size(3), options.isCausal ? 1 : 0] {
            fields.add(Int32(value))
        }
        fields.add(options.scale)
        fields.add(address: mask)
        for stride in mask?.layout.strides ?? [0, 0, 0, 0] { fields.add(Int64(stride)) }
        for operand in [q, k, v] {
            for stride in operand.layout.strides.prefix(3) { fields.add(Int64(stride)) }
        }
        return fields.argument
    }

    public func geglu(_ x: Tensor) -> Tensor {
        let x = local(x).contiguous()
        let channels = x.size(-1) / 2
        let out = empty(x.shape.dropLast() + [channels])
        launch(
            "geglu", in: .training, .init(elements: out.count), .tensor(out), .tensor(x), .int(out.count),
            .int(channels)
        )
        return out
    }

    public func gegluBackward(_ gradient: Tensor, x: Tensor) -> Tensor {
        let (gradient, x) = (local(gradient).contiguous(), local(x).contiguous())
        let out = empty(x.shape)
        launch(
            "geglu_backward", in: .training, .init(elements: gradient.count), .tensor(out), .tensor(gradient),
            .tensor(x), .int(gradient.count), .int(x.size(-1) / 2))
        return out
    }

    public func adamStep(_ state: AdamState, gradient: Tensor, _ step: AdamStep) -> AdamState {
        let parameter = local(state.parameter).contiguous()
        let (first, second) = (local(state.firstMoment).contiguous(), local(state.secondMoment).contiguous())
        let gradient = local(gradient).contiguous()
        let result = AdamState(
            parameter: empty(parameter.shape), firstMoment: empty(parameter.shape),
            secondMoment: empty(parameter.shape))
        var fields = Fields()
        for value in [
            step.learningRate, step.beta1, step.beta2, step.epsilon, step.weightDecay,
            step.corrections.first, step.corrections.second, step.gradientScale,
        ] { fields.add(Float(value)) }
        fields.add(Int32(step.isDecayDecoupled ? 1 : 0))
        launch(
            "adam_step", in: .training, .init(elements: parameter.count), .tensor(result.parameter),
            .tensor(result.firstMoment), .tensor(result.secondMoment), .tensor(parameter), .tensor(first),
            .tensor(second), .tensor(gradient), fields.argument, .int(parameter.count))
        return result
    }
}

/// The kernel that serves a head dimension: compiled for the next larger width.
private struct AttentionPlan {
    let width: Int

    init?(headDimension: Int) {
        let widths = [16, 32, 48, 64, 80, 96, 128, 160]
        guard let width = widths.first(where: { $0 >= headDimension }) else { return nil }
        self.width = width
    }

    /// Blocks of 32 tokens, four threads each, with two tiles of 32 rows in shared memory.
    func shape(tokens: Int, _ heads: Int, _ batch: Int) -> LaunchShape {
        LaunchShape(
            grid: ((tokens + 31) / 32, heads, batch), block: (128, 1), sharedBytes: (2 * 32 * width + 64) * 4)
    }

    /// Blocks of 64 queries, sixteen a warp, with 64 keys and their values in shared memory, padded by eight numbers a row.
    func tensorCoreShape(tokens: Int, _ heads: Int, _ batch: Int) -> LaunchShape {
        LaunchShape(
            grid: ((tokens + 63) / 64, heads, batch), block: (128, 1),
            sharedBytes: (64 * (width + 8) + width * (64 + 8)) * 2)
    }
}
