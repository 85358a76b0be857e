internal import COneDNN

extension CPUBackend {
    public func convolution(
        _ x: Tensor, weight: Tensor, bias: Tensor?, _ geometry: ConvolutionGeometry
    ) -> Tensor {
        if geometry.isPointwise(weight.shape) {
            return asMap(linear(rows(x), weight: matrix(weight), bias: bias), like: x.shape)
        }
        let x = x.channelsLast()
        let bias = bias?.contiguous()
        let key = key(.forward, x.shape, weight.shape, geometry, hasBias: bias != nil)
        let out = Tensor.empty(Layout(shape: key.outputShape, order: [0, 2, 3, 1]))
        return kernel(into: out, from: x, weight, bias) {
            let plan = products.convolutionPlan(key)
            let input = plan.packedInput(x)
            let packedWeight = packed(weight, plan, key)
            plan.writing(output: out) { output in
                if let bias {
                    plan.primitive.execute(
                        input.rawPointer, packedWeight.rawPointer, output.rawPointer, bias.rawPointer)
                } else {
                    plan.primitive.execute(input.rawPointer, packedWeight.rawPointer, output.rawPointer)
                }
            }
            withExtendedLifetime((input, packedWeight)) {}
        }
    }

    public func convolutionInputGradient(
        _ gradient: Tensor, weight: Tensor, inputShape: [Int], _ geometry: ConvolutionGeometry
    ) -> Tensor {
        if geometry.isPointwise(weight.shape) {
            return asMap(linear(rows(gradient), weight: matrix(weight).transposed(0, 1), bias: nil), like: inputShape)
        }
        if gradient.count == 0 { return full(0, shape: inputShape, dtype: .float32) }
        let gradient = gradient.channelsLast()
        let key = key(.inputGradient, inputShape, weight.shape, geometry)
        let out = Tensor.empty(Layout(shape: inputShape, order: [0, 2, 3, 1]))
        return kernel(into: out, from: gradient, weight) {
            let plan = products.convolutionPlan(key)
            let output = plan.packedOutput(gradient)
            let packedWeight = packed(weight, plan, key)
            plan.writing(input: out) { input in
                plan.primitive.execute(input.rawPointer, packedWeight.rawPointer, output.rawPointer)
            }
            withExtendedLifetime((output, packedWeight)) {}
        }
    }

    public func convolutionWeightGradient(
        _ gradient: Tensor, x: Tensor, weightShape: [Int], _ geometry: ConvolutionGeometry
    ) -> Tensor {
        if geometry.isPointwise(weightShape) {
            return matmul(
                rows(gradient).reshaped([-1, weightShape[0]]).transposed(0, 1),
                rows(x).reshaped([-1, weightShape[1]])
            ).reshaped(weightShape)
        }
        // oneDNN divides by the batch when it plans, so an empty one must not reach it.
        if gradient.count == 0 || x.count == 0 { return full(0, shape: weightShape, dtype: .float32) }
        let (x, gradient) = (x.channelsLast(), gradient.channelsLast())
        let key = key(.weightGradient, x.shape, weightShape, geometry)
        let out = Tensor.empty(weightShape)
        return kernel(into: out, from: gradient, x) {
            let plan = products.convolutionPlan(key)
            let input = plan.packedInput(x)
            let output = plan.packedOutput(gradient)
            let shape = ConvolutionPlan.groupedShape(weightShape, geometry.groups)
            let plain = DNNL.memory(shape, strides: Layout.rowMajorStrides(shape))
            let packed = Tensor.empty([DNNL.byteCount(plan.formats.weight)], dtype: .uint8)
            plan.primitive.execute(input.rawPointer, packed.rawPointer, output.rawPointer)
            DNNLPrimitive(reorder: plan.formats.weight, to: plain).execute(packed.rawPointer, out.rawPointer)
            withExtendedLifetime((input, output, packed)) {}
        }
    }

    /// The oneDNN implementation that a convolution runs on, such as `jit:avx2`.
    public func convolutionImplementation(
        inputShape: [Int], weightShape: [Int], _ geometry: ConvolutionGeometry
    ) -> String {
        ComputeThread.shared.run {
            products.convolutionPlan(key(.forward, inputShape, weightShape, geometry)).implementation
        }
    }

    private func key(
        _ pass: ConvolutionPass, _ inputShape: [Int], _ weightShape: [Int], _ geometry: ConvolutionGeometry,
        hasBias: Bool = false
    ) -> ConvolutionKey {
        let choice = ConvolutionKernel.choice(
            pass, inputShape: inputShape, weightShape: weightShape, geometry: geometry,
            instructionSet: instructionSet)
        return ConvolutionKey(
            pass: pass, inputShape: inputShape, weightShape: weightShape, geometry: geometry, hasBias: hasBias,
            kernel: choice)
    }

    private func packed(_ weight: Tensor, _ plan: ConvolutionPlan, _ key: ConvolutionKey) -> Tensor {
        return products.packed(weight, format: plan.weightFormatID) {
            let plain = weight.converted(to: .float32).contiguous()
            let shape = ConvolutionPlan.groupedShape(weight.shape, key.geometry.groups)
            let source = DNNL.memory(shape, strides: Layout.rowMajorStrides(shape))
            let packed = Tensor.empty([DNNL.byteCount(plan.formats.weight)], dtype: .uint8)
            DNNLPrimitive(reorder: source, to: plan.formats.weight).execute(plain.rawPointer, packed.rawPointer)
            withExtendedLifetime(plain) {}
            return packed
        }
    }

    // MARK: A 1x1 convolution is a product over channels-last rows

    private func rows(_ x: Tensor) -> Tensor {
        x.channelsLast().permuted([0, 2, 3, 1]).reshaped([x.size(0), -1, x.size(1)])
    }

    private func matrix(_ weight: Tensor) -> Tensor { weight.reshaped([weight.size(0), weight.size(1)]) }

    private func asMap(_ rows: Tensor, like shape: [Int]) -> Tensor {
        rows.reshaped([shape[0], shape[2], shape[3], rows.size(-1)]).permuted([0, 3, 1, 2])
    }
}

extension ConvolutionGeometry {
    fileprivate func isPointwise(_ weightShape: [Int]) -> Bool {
        weightShape[2] == 1 && weightShape[3] == 1 && stride == 1 && groups == 1 && paddingBefore == [0, 0]
            && paddingAfter == [0, 0]
    }
}
