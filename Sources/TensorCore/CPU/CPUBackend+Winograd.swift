internal import CKernels

/// The engine's own Winograd convolutions.
extension CPUBackend {
    /// - Parameter tile: outputs on a tile's side, 4 or 2.
    func winograd(_ x: Tensor, weight: Tensor, bias: Tensor?, tile: Int, _ key: ConvolutionKey) -> Tensor {
        winograd(
            x.channelsLast(), weight: weight, isReversed: false, bias: bias?.contiguous(), outputShape: key.outputShape,
            padding: key.geometry.paddingBefore, tile: tile)
    }

    /// A convolution of the output's gradient with the weights turned by half a turn, input and output channels swapped:
    /// where `p` zeros lay before the input, `2 - p` lie before the gradient.
    func winogradInputGradient(_ gradient: Tensor, weight: Tensor, tile: Int, _ key: ConvolutionKey) -> Tensor {
        winograd(
            gradient.channelsLast(), weight: weight, isReversed: true, bias: nil, outputShape: key.inputShape,
            padding: key.geometry.paddingBefore.map { 2 - $0 }, tile: tile)
    }

    func winogradWeightGradient(_ gradient: Tensor, x: Tensor, tile: Int, _ key: ConvolutionKey) -> Tensor {
        let (x, gradient) = (x.channelsLast(), gradient.channelsLast())
        let out = Tensor.empty(key.weightShape)
        return kernel(into: out, from: gradient, x) {
            var shape = tk_winograd_shape(x.shape, gradient.shape, key.geometry.paddingBefore, tile: tile)
            withScratch(tk_winograd_weight_gradient_scratch(&shape)) { scratch in
                tk_winograd_weight_gradient_f32(out.pointer(), x.pointer(), gradient.pointer(), &shape, scratch)
            }
        }
    }

    private func winograd(
        _ x: Tensor, weight: Tensor, isReversed: Bool, bias: Tensor?, outputShape: [Int], padding: [Int], tile: Int
    ) -> Tensor {
        let out = Tensor.empty(Layout(shape: outputShape, order: [0, 2, 3, 1]))
        return kernel(into: out, from: x, weight, bias) {
            var shape = tk_winograd_shape(x.shape, outputShape, padding, tile: tile)
            let count = tk_winograd_transformed_count(&shape)
            func plain() -> Tensor {
                (weight.dtype == .bfloat16 ? weight : weight.converted(to: .float32)).contiguous()
            }
            func weights(_ plain: Tensor?) -> tk_winograd_weights {
                tk_winograd_weights(
                    values: plain.map { UnsafeRawPointer($0.rawPointer) }, reversed: isReversed,
                    is_bfloat16: weight.dtype == .bfloat16)
            }
            let transformed = products.packedIfRoom(
                weight, format: .winograd(tile: tile, isReversed: isReversed), byteCount: count * 4
            ) { made in
                let plain = plain()
                tk_winograd_transform_weights_f32(made.pointer(), weights(plain), &shape)
                withExtendedLifetime(plain) {}
            }
            // What is not kept is transformed by the kernel as it goes, to the same bits.
            let source = transformed == nil ? plain() : nil
            withScratch(tk_winograd_forward_scratch(&shape, transformed == nil)) { scratch in
                tk_winograd_forward_f32(
                    out.pointer(), x.pointer(), transformed.map { UnsafePointer($0.pointer()) },
                    weights(source), bias.map { UnsafePointer($0.pointer()) }, &shape, scratch)
            }
            withExtendedLifetime((transformed, source)) {}
        }
    }
}

extension tk_winograd_shape {
    fileprivate init(_ input: [Int], _ output: [Int], _ padding: [Int], tile: Int) {
        self.init(
            batch: input[0], in_channels: input[1], out_channels: output[1], height: input[2], width: input[3],
            out_height: output[2], out_width: output[3], pad_top: padding[0], pad_left: padding[1], tile: tile)
    }
}
