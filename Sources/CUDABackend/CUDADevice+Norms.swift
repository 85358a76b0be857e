public import TensorCore

extension CUDADevice {
    public func groupNorm(
        _ x: Tensor, groups: Int, weight: Tensor?, bias: Tensor?, epsilon: Float, silu: Bool
    ) -> (y: Tensor, statistics: NormStatistics) {
        let x = mapLayout(x)
        let (mean, deviation) = (empty([x.size(0), groups]), empty([x.size(0), groups]))
        let statistics = NormStatistics(mean: mean, reciprocalDeviation: deviation)
        var norm = GroupNormPlan(x, groups: groups, local(weight)?.contiguous(), local(bias)?.contiguous(), silu)
        norm.statistics = statistics
        let out = empty(like: x)
        if x.count == 0 { return (out, statistics) }
        let sums = empty([norm.batch * norm.chunks * norm.channels])
        for (kind, result) in [(GroupNormPlan.Sum.values, mean), (.squares, deviation)] {
            channelSums(kind, norm, into: sums, nil)
            launch(
                "group_norm_statistic", in: .norms, .init(warps: result.count), .flag(kind == .squares),
                .tensor(result), .tensor(sums), .int(result.count), .int(norm.chunks), .int32(Int32(norm.channels)),
                .int32(Int32(groups)), .int(norm.pixels), .float(epsilon))
        }
        launch(
            "group_norm_apply", in: .norms, .init(elements: out.count), .tensor(out), norm.argument(), .int(out.count))
        return (out, statistics)
    }

    public func groupNormBackward(
        _ gradient: Tensor, x: Tensor, groups: Int, weight: Tensor?, bias: Tensor?, silu: Bool,
        statistics: NormStatistics
    ) -> NormGradients {
        let x = mapLayout(x)
        let gradient = arranged(gradient, like: x)
        let (weight, bias) = (local(weight)?.contiguous(), local(bias)?.contiguous())
        if x.count == 0 {
            let zeros = full(0, shape: [x.size(1)], dtype: .float32)
            return NormGradients(input: x, weight: weight.map { _ in zeros }, bias: bias.map { _ in zeros })
        }
        var norm = GroupNormPlan(x, groups: groups, weight, bias, silu)
        norm.statistics = NormStatistics(
            mean: local(statistics.mean), reciprocalDeviation: local(statistics.reciprocalDeviation))
        let parts = (
            empty([norm.batch * norm.chunks * norm.channels]), empty([norm.batch * norm.chunks * norm.channels])
        )
        channelSums(.gradients, norm, into: parts.0, parts.1, gradient)
        func perPicture(_ x: Tensor) -> Tensor {
            norm.chunks == 1 ? x : reduceAxis(.sum, x, outer: norm.batch, axis: norm.chunks, inner: norm.channels)
        }
        let (sums, products) = (perPicture(parts.0), perPicture(parts.1))
        let shared = (empty([norm.batch * groups]), empty([norm.batch * groups]))
        launch(
            "group_norm_shared_gradients", in: .norms, .init(warps: norm.batch * groups), .tensor(shared.0),
            .tensor(shared.1), .tensor(sums), .tensor(products), .tensor(weight), .int(norm.batch * groups),
            .int32(Int32(norm.channels)), .int32(Int32(groups)), .int(norm.pixels))
        let out = empty(like: x)
        launch(
            "group_norm_input_gradient", in: .norms, .init(elements: out.count), .tensor(out), norm.argument(gradient),
            .tensor(shared.0), .tensor(shared.1), .int(out.count))
        func total(_ x: Tensor) -> Tensor {
            reduceAxis(.sum, x, outer: 1, axis: norm.batch, inner: norm.channels)
        }
        return NormGradients(
            input: out, weight: weight.map { _ in total(products) }, bias: bias.map { _ in total(sums) })
    }

    /// `[batch, channels, spatial...]` with the channels last in memory.
    private func mapLayout(_ x: Tensor) -> Tensor {
        let x = local(x)
        return x.rank >= 3 ? x.channelsLast() : x.contiguous()
    }

    private func channelSums(
        _ kind: GroupNormPlan.Sum, _ norm: GroupNormPlan, into first: Tensor, _ second: Tensor?,
        _ gradient: Tensor? = nil
    ) {
        launch(
            "group_norm_sums", in: .norms,
            .init(grid: ((norm.channels + 31) / 32, norm.chunks, norm.batch), block: (32, 8)), .int32(kind.rawValue),
            norm.argument(gradient), .tensor(first), .tensor(second), .int(norm.chunk))
    }

    // MARK: Rows

    public func layerNorm(
        _ x: Tensor, weight: Tensor?, bias: Tensor?, epsilon: Float
    ) -> (y: Tensor, statistics: NormStatistics) {
        rowNorm(x, weight, bias, epsilon, isCentred: true)
    }

    public func layerNormBackward(
        _ gradient: Tensor, x: Tensor, weight: Tensor?, hasBias: Bool, statistics: NormStatistics
    ) -> NormGradients {
        rowNormBackward(gradient, x, weight, hasBias: hasBias, statistics, isCentred: true)
    }

    public func rmsNorm(_ x: Tensor, weight: Tensor?, epsilon: Float) -> (y: Tensor, statistics: NormStatistics) {
        rowNorm(x, weight, nil, epsilon, isCentred: false)
    }

    public func rmsNormBackward(
        _ gradient: Tensor, x: Tensor, weight: Tensor?, statistics: NormStatistics
    ) -> NormGradients {
        rowNormBackward(gradient, x, weight, hasBias: false, statistics, isCentred: false)
    }

    private func rowNorm(
        _ x: Tensor, _ weight: Tensor?, _ bias: Tensor?, _ epsilon: Float, isCentred: Bool
    ) -> (y: Tensor, statistics: NormStatistics) {
        let x = local(x).contiguous()
        let (weight, bias) = (local(weight)?.contiguous(), local(bias)?.contiguous())
        let columns = x.size(-1)
        let rows = x.count / max(columns, 1)
        let (out, deviation) = (empty(x.shape), empty([rows]))
        let mean = isCentred ? empty([rows]) : nil
        launch(
            "row_norm", in: .norms, .init(warps: rows), .tensor(out), .tensor(mean), .tensor(deviation), .tensor(x),
            .tensor(weight), .tensor(bias), .int(rows), .int(columns), .float(epsilon))
        return (out, NormStatistics(mean: mean ?? empty([0]), reciprocalDeviation: deviation))
    }

    private func rowNormBackward(
        _ gradient: Tensor, _ x: Tensor, _ weight: Tensor?, hasBias: Bool, _ statistics: NormStatistics, isCentred: Bool
    ) -> NormGradients {
        let (x, gradient) = (local(x).contiguous(), local(gradient).contiguous())
        let weight = local(weight)?.contiguous()
        let columns = x.size(-1)
        let rows = x.count / max(columns, 1)
        if x.count == 0 {
            let zeros = full(0, shape: [columns], dtype: .float32)
            return NormGradients(input: x, weight: weight.map { _ in zeros }, bias: hasBias ? zeros : nil)
        }
        let mean = isCentred ? local(statistics.mean) : nil
        let deviation = local(statistics.reciprocalDeviation)
        let out = empty(x.shape)
        launch(
            "row_norm_input_gradient", in: .norms, .init(warps: rows), .tensor(out), .tensor(gradient), .tensor(x),
            .tensor(mean), .tensor(deviation), .tensor(weight), .int(rows), .int(columns))
        guard weight != nil || hasBias else { return NormGradients(input: out, weight: nil, bias: nil) }
        let wanted = max(1, min(512, rows / 64))
        let chunk = (rows + wanted - 1) / wanted
        let chunks = (rows + chunk - 1) / chunk
        let (weightParts, biasParts) = (empty([chunks * columns]), empty([chunks * columns]))
        launch(
            "row_norm_parameter_gradients", in: .norms,
            .init(grid: ((columns + 31) / 32, chunks, 1), block: (32, 8)), .tensor(weightParts), .tensor(biasParts),
            .tensor(gradient), .tensor(x), .tensor(mean), .tensor(deviation), .int(rows), .int(columns), .int(chunk))
        func total(_ x: Tensor) -> Tensor { reduceAxis(.sum, x, outer: 1, axis: chunks, inner: columns) }
        return NormGradients(
            input: out, weight: weight.map { _ in total(weightParts) }, bias: hasBias ? total(biasParts) : nil)
    }
}

/// The operands of a group norm over `[batch, pixels, channels]`.
private struct GroupNormPlan {
    enum Sum: Int32 {
        case values = 0
        case squares, gradients
    }

    let x: Tensor
    let weight: Tensor?
    let bias: Tensor?
    let isSiLU: Bool
    let groups: Int
    let (batch, channels, pixels): (Int, Int, Int)
    /// Pixels of a chunk, and chunks of a picture.
    let (chunk, chunks): (Int, Int)
    var statistics: NormStatistics?

    init(_ x: Tensor, groups: Int, _ weight: Tensor?, _ bias: Tensor?, _ isSiLU: Bool) {
        self.x = x
        self.weight = weight
        self.bias = bias
        self.isSiLU = isSiLU
        self.groups = groups
        (batch, channels) = (x.size(0), x.size(1))
        pixels = x.shape.dropFirst(2).reduce(1, *)
        let wanted = max(1, min(pixels / 32, 256))
        chunk = (pixels + wanted - 1) / wanted
        chunks = chunk == 0 ? 1 : (pixels + chunk - 1) / chunk
    }

    /// `struct GroupNorm`
    func argument(_ gradient: Tensor? = nil) -> KernelArgument {
        var fields = Fields()
        fields.add(address: x)
        fields.add(address: gradient)
        fields.add(address: weight)
        fields.add(address: bias)
        fields.add(address: statistics?.mean)
        fields.add(address: statistics?.reciprocalDeviation)
        fields.add(Int64(pixels))
        fields.add(Int32(channels))
        fields.add(Int32(groups))
        fields.add(Int32(isSiLU ? 1 : 0))
        return fields.argument
    }
}
