internal import CKernels

/// Products of bfloat16 weights on tile registers (AMX) or by dot products: linear maps, convolutions, and the gradients of
/// their inputs.
///
/// Every output is one sum in a fixed order, so a row has the same bits alone and in any batch.
extension CPUBackend {
    /// Whether a linear map runs on the tile kernel, whatever the number of rows: else a row's bits would depend on it.
    func tilesFit(_ weight: Tensor) -> Bool {
        multipliesBFloat16 && weight.dtype == .bfloat16 && weight.size(1) % 32 == 0 && weight.isMatrixOrTransposed
    }

    /// `[..., in]` as rows of bfloat16 without gaps between elements, at least a group of 16.
    private func tileRows(_ x: Tensor) -> Tensor {
        let rows = x.reshaped([-1, x.size(-1)]).converted(to: .bfloat16)
        guard rows.size(0) < 16 else { return rows.withDenseRows }
        return concatenated([rows, Tensor.zeros([16 - rows.size(0), x.size(-1)]).converted(to: .bfloat16)], axis: 0)
    }

    /// - Parameter x: `[..., in]`.
    func tileLinear(_ x: Tensor, weight: Tensor, bias: Tensor?, addedTo residual: Tensor? = nil) -> Tensor {
        let shape = x.shape.dropLast() + [weight.size(0)]
        let count = x.count / x.size(-1)
        if count < 16 {
            let rows = tileLinear(tileRows(x), weight: weight, bias: bias).narrowed(0, start: 0, count: count)
            return residual.map { binary(.add, $0, rows.reshaped(Array(shape))) } ?? rows.reshaped(Array(shape))
        }
        let (x, out) = (tileRows(x), Tensor.empty(Array(shape)))
        let isTransposed = !weight.layout.isContiguous
        // The weights of a gradient are the forward pass's, the other way round.
        let stored = isTransposed ? weight.transposed(0, 1) : weight
        return kernel(into: out, from: x, weight, bias, residual) {
            let packed = tilePacked(stored)
            turning(stored, isTransposed) { room in
                tk_tile_linear(
                    out.pointer(), x.pointer(), x.layout.strides[0], x.size(0), packed.pointer(),
                    bias.map { UnsafePointer($0.pointer()) }, residual.map { UnsafePointer($0.pointer()) },
                    weight.size(1), weight.size(0), room)
            }
            withExtendedLifetime(packed) {}
        }
    }

    public func linear(_ x: Tensor, weight: Tensor, bias: Tensor?, addedTo residual: Tensor) -> Tensor {
        guard x.count > 0, tilesFit(weight), x.hasManyVectors else {
            return binary(.add, residual, linear(x, weight: weight, bias: bias))
        }
        return tileLinear(x, weight: weight, bias: bias?.contiguous(), addedTo: residual.contiguous())
    }

    public func convolution(
        _ x: Tensor, weight: Tensor, bias: Tensor?, _ geometry: ConvolutionGeometry, addedTo residual: Tensor
    ) -> Tensor {
        guard x.count > 0, tilesFit(weight, bfloat16Key(.forward, x.shape, weight, geometry)) else {
            return binary(.add, residual, convolution(x, weight: weight, bias: bias, geometry))
        }
        return tileConvolution(
            x, weight: weight, bias: bias, addedTo: residual, outputShape: residual.shape, geometry)
    }

    public func roundedGEGLU(_ x: Tensor, of map: AffineMap) -> Tensor {
        let (k, channels) = (x.size(-1), map.weight.size(0) / 2)
        let fits =
            x.count >= 16 * k && tilesFit(map.weight) && map.weight.layout.isContiguous && channels % 32 == 0
        guard fits else { return roundedGEGLU(linear(x, weight: map.weight, bias: map.bias)) }
        let rows = tileRows(x)
        let bias = map.bias?.contiguous()
        let out = Tensor.empty(x.shape.dropLast() + [channels], dtype: .bfloat16)
        return kernel(into: out, from: rows, map.weight, bias) {
            let packed = tilePacked(map.weight)
            tk_tile_geglu(
                out.pointer(), rows.pointer(), rows.layout.strides[0], rows.size(0), packed.pointer(),
                bias.map { UnsafePointer($0.pointer()) }, k, channels)
            withExtendedLifetime(packed) {}
        }
    }

    /// Whether a convolution with these weights, or the gradient of its input, runs on the tile kernel.
    func tilesFit(_ weight: Tensor, _ key: ConvolutionKey) -> Bool {
        let (geometry, isReversed) = (key.geometry, key.pass == .inputGradient)
        let channels = isReversed ? weight.size(0) : weight.size(1)
        // The form of a gradient is made from that of the weights.
        let areWhole = channels % 32 == 0 && (!isReversed || weight.size(1) % 32 == 0)
        return multipliesBFloat16 && key.kernel == .directBFloat16 && weight.dtype == .bfloat16
            && (geometry.stride == 1 || !isReversed)
            && geometry.dilation == 1
            && geometry.groups == 1 && areWhole && weight.layout.isContiguous && weight.size(2) * weight.size(3) <= 64
            && zip(geometry.paddingBefore + geometry.paddingAfter, [0, 1, 0, 1]).allSatisfy {
                (0..<weight.size(2 + $1)).contains($0)
            }
    }

    func tileConvolution(
        _ x: Tensor, weight: Tensor, bias: Tensor?, addedTo residual: Tensor? = nil, outputShape: [Int],
        _ geometry: ConvolutionGeometry
    ) -> Tensor {
        tileConvolution(
            x, weight: weight, isReversed: false, bias: bias?.contiguous(), addedTo: residual?.channelsLast(),
            outputShape: outputShape, stride: geometry.stride, padding: geometry.paddingBefore)
    }

    /// A convolution of the output's gradient with the weights turned by half a turn, input and output channels swapped.
    func tileInputGradient(_ gradient: Tensor, weight: Tensor, inputShape: [Int], padding: [Int]) -> Tensor {
        tileConvolution(
            gradient, weight: weight, isReversed: true, bias: nil, addedTo: nil, outputShape: inputShape, stride: 1,
            padding: (0..<2).map { weight.size(2 + $0) - 1 - padding[$0] })
    }

    private func tileConvolution(
        _ x: Tensor, weight: Tensor, isReversed: Bool, bias: Tensor?, addedTo residual: Tensor?, outputShape: [Int],
        stride: Int, padding: [Int]
    ) -> Tensor {
        let x = (x.dtype == .bfloat16 ? x : x.converted(to: .float32)).channelsLast()
        let out = Tensor.empty(Layout(shape: outputShape, order: [0, 2, 3, 1]))
        return kernel(into: out, from: x, weight, bias, residual) {
            let packed = tilePacked(weight)
            var map = tk_tile_map(
                batch: x.size(0), in_channels: x.size(1), out_channels: outputShape[1], in_height: x.size(2),
                in_width: x.size(3), out_height: outputShape[2], out_width: outputShape[3],
                kernel_height: weight.size(2), kernel_width: weight.size(3), stride: stride, pad_top: padding[0],
                pad_left: padding[1])
            let byteCount = tk_tile_convolution_scratch(&map) * DType.bfloat16.byteCount
            products.scratch.lend(byteCount) { scratch in
                turning(weight, isReversed) { room in
                    tk_tile_convolution(
                        out.pointer(), x.rawPointer, x.dtype == .bfloat16, packed.pointer(),
                        bias.map { UnsafePointer($0.pointer()) }, residual.map { UnsafePointer($0.pointer()) }, &map,
                        scratch.assumingMemoryBound(to: UInt16.self), room)
                }
            }
            withExtendedLifetime(packed) {}
        }
    }

    /// Whether a gradient of weights runs on the tile kernel: of an input that was rounded, and any numbers of channels.
    func tilesFit(gradientOf weightShape: [Int], x: Tensor, _ geometry: ConvolutionGeometry) -> Bool {
        multipliesBFloat16 && x.dtype == .bfloat16 && geometry.dilation == 1 && geometry.groups == 1
            && weightShape[2] * weightShape[3] <= 64
            && zip(geometry.paddingBefore, weightShape.suffix(2)).allSatisfy { (0..<$1).contains($0) }
    }

    /// Sums over all places of the rounded gradient by the rounded input.
    func tileWeightGradient(
        _ gradient: Tensor, x: Tensor, weightShape: [Int], _ geometry: ConvolutionGeometry
    ) -> Tensor {
        let (gradient, x) = (gradient.channelsLast(), x.channelsLast())
        let out = Tensor.empty(weightShape)
        return kernel(into: out, from: gradient, x) {
            var map = tk_tile_map(
                batch: x.size(0), in_channels: x.size(1), out_channels: weightShape[0], in_height: x.size(2),
                in_width: x.size(3), out_height: gradient.size(2), out_width: gradient.size(3),
                kernel_height: weightShape[2], kernel_width: weightShape[3], stride: geometry.stride,
                pad_top: geometry.paddingBefore[0], pad_left: geometry.paddingBefore[1])
            withScratch(tk_tile_weight_gradient_scratch(&map)) { scratch in
                tk_tile_weight_gradient(
                    out.pointer(), gradient.pointer(), x.rawPointer, x.dtype == .bfloat16, &map, scratch)
            }
        }
    }

    private func tileShape(_ weight: Tensor) -> tk_tile_weights {
        tk_tile_weights(
            out_channels: weight.size(0), in_channels: weight.size(1), taps: weight.shape.dropFirst(2).reduce(1, *))
    }

    /// The form that the kernels read, of weights `[out, in, ...]`.
    private func tilePacked(_ weight: Tensor) -> Tensor {
        var shape = tileShape(weight)
        let byteCount = tk_tile_packed_count(&shape) * DType.bfloat16.byteCount
        return products.packed(weight, format: .tiles, byteCount: byteCount) { packed in
            let plain = weight.transient
            tk_tile_pack(packed.pointer(), plain.pointer(), &shape)
            withExtendedLifetime(plain) {}
        }
    }

    /// Lends room for the gradients of inputs to turn weights in; nil where the weights serve as they are.
    private func turning<Result>(
        _ weight: Tensor, _ isReversed: Bool, _ body: (UnsafeMutablePointer<UInt16>?) -> Result
    ) -> Result {
        guard isReversed else { return body(nil) }
        var shape = tileShape(weight)
        let room = Tensor.empty([tk_tile_turned_scratch(&shape)], dtype: .bfloat16)
        defer { withExtendedLifetime(room) {} }
        return body(room.pointer())
    }
}

extension Tensor {
    /// A matrix whose rows have no gaps between elements and do not overlap.
    var withDenseRows: Tensor { layout.strides[1] == 1 && layout.strides[0] >= size(1) ? self : contiguous() }

    fileprivate var isMatrixOrTransposed: Bool {
        rank == 2 && (layout.isContiguous || (transposed(0, 1).layout.isContiguous && size(0) % 32 == 0))
    }
}
