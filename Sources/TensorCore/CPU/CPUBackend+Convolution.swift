internal import COneDNN

extension CPUBackend {
    public func convolution(
        _ x: Tensor, weight: Tensor, bias: Tensor?, _ geometry: ConvolutionGeometry
    ) -> Tensor {
        if geometry.isPointwise(weight.shape) {
            return asMap(linear(rows(x), weight: matrix(weight), bias: bias), like: x.shape)
        }
        let key = bfloat16Key(.forward, x.shape, weight, geometry, hasBias: bias != nil)
        if x.count > 0 && tilesFit(weight, key) {
            return tileConvolution(x, weight: weight, bias: bias, outputShape: key.outputShape, geometry)
        }
        return convolution(x, weight: weight, bias: bias, key)
    }

    func convolution(_ x: Tensor, weight: Tensor, bias: Tensor?, _ key: ConvolutionKey) -> Tensor {
        if let tile = key.kernel.winogradTile {
            return winograd(x.converted(to: .float32), weight: weight, bias: bias, tile: tile, key)
        }
        let x = x.channelsLast().converted(to: key.operandType)
        let bias = bias?.contiguous()
        let out = Tensor.empty(Layout(shape: key.outputShape, order: [0, 2, 3, 1]))
        return kernel(into: out, from: x, weight, bias) {
            let plan = products.convolutionPlan(key)
            let input = plan.packedInput(x)
            let packedWeight = packed(weight, plan)
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
        let key = bfloat16Key(.inputGradient, inputShape, weight, geometry)
        if tilesFit(weight, key) {
            return tileInputGradient(
                gradient, weight: weight, inputShape: inputShape, padding: geometry.paddingBefore)
        }
        return convolutionInputGradient(gradient, weight: weight, key)
    }

    func convolutionInputGradient(_ gradient: Tensor, weight: Tensor, _ key: ConvolutionKey) -> Tensor {
        if let tile = key.kernel.winogradTile {
            return winogradInputGradient(gradient, weight: weight, tile: tile, key)
        }
        let gradient = gradient.channelsLast().converted(to: key.operandType)
        let out = Tensor.empty(Layout(shape: key.inputShape, order: [0, 2, 3, 1]))
        return kernel(into: out, from: gradient, weight) {
            let plan = products.convolutionPlan(key)
            let output = plan.packedOutput(gradient)
            plan.writing(input: out) { input in
                products.withWeights(
                    weight, formatID: plan.weightFormatID, byteCount: plan.packedWeightByteCount,
                    fill: { pack(weight, plan, into: $0) }
                ) { packedWeight in plan.primitive.execute(input.rawPointer, packedWeight, output.rawPointer) }
            }
            withExtendedLifetime(output) {}
        }
    }

    public func convolutionWeightGradient(
        _ gradient: Tensor, x: Tensor, weightShape: [Int], _ geometry: ConvolutionGeometry
    ) -> Tensor {
        if gradient.count > 0 && x.count > 0 && tilesFit(gradientOf: weightShape, x: x, geometry) {
            return tileWeightGradient(gradient, x: x, weightShape: weightShape, geometry)
        }
        let x = x.converted(to: .float32)
        if geometry.isPointwise(weightShape) {
            return matmul(
                rows(gradient).reshaped([-1, weightShape[0]]).transposed(0, 1),
                rows(x).reshaped([-1, weightShape[1]])
            ).reshaped(weightShape)
        }
        // oneDNN divides by the batch when it plans, so an empty one must not reach it.
        if gradient.count == 0 || x.count == 0 { return full(0, shape: weightShape, dtype: .float32) }
        return convolutionWeightGradient(gradient, x: x, key(.weightGradient, x.shape, weightShape, geometry))
    }

    func convolutionWeightGradient(_ gradient: Tensor, x: Tensor, _ key: ConvolutionKey) -> Tensor {
        if let tile = key.kernel.winogradTile {
            return winogradWeightGradient(gradient, x: x, tile: tile, key)
        }
        let (x, gradient) = (x.channelsLast(), gradient.channelsLast())
        let out = Tensor.empty(key.weightShape)
        return kernel(into: out, from: gradient, x) {
            let plan = products.convolutionPlan(key)
            let input = plan.packedInput(x)
            let output = plan.packedOutput(gradient)
            plan.writing(weight: out) { weight in
                plan.primitive.execute(input.rawPointer, weight.rawPointer, output.rawPointer)
            }
            withExtendedLifetime((input, output)) {}
        }
    }

    /// What a convolution runs on: `winograd`, or the name of a oneDNN implementation such as `jit:avx2`.
    public func convolutionImplementation(
        inputShape: [Int], weightShape: [Int], _ geometry: ConvolutionGeometry
    ) -> String {
        let key = key(.forward, inputShape, weightShape, geometry)
        if key.kernel.winogradTile != nil { return key.kernel.rawValue }
        return ComputeThread.shared.run { products.convolutionPlan(key).implementation }
    }

    /// - Parameters:
    ///   - table: instead of the one for fp32.
    ///   - kernel: instead of the one that the table gives.
    func key(
        _ pass: ConvolutionPass, _ inputShape: [Int], _ weightShape: [Int], _ geometry: ConvolutionGeometry,
        hasBias: Bool = false, table: KernelTable? = nil, kernel: ConvolutionKernel? = nil
    ) -> ConvolutionKey {
        let choice =
            kernel ?? (table ?? kernelTable).kernel(pass, inputShape: inputShape, weightShape: weightShape, geometry)
        return ConvolutionKey(
            pass: pass, inputShape: inputShape, weightShape: weightShape, geometry: geometry, hasBias: hasBias,
            kernel: choice)
    }

    /// By the table for bfloat16 weights where they are of that type and the processor multiplies them.
    func bfloat16Key(
        _ pass: ConvolutionPass, _ inputShape: [Int], _ weight: Tensor, _ geometry: ConvolutionGeometry,
        hasBias: Bool = false
    ) -> ConvolutionKey {
        key(
            pass, inputShape, weight.shape, geometry, hasBias: hasBias,
            table: weight.dtype == .bfloat16 ? bfloat16Table : nil)
    }

    private func packed(_ weight: Tensor, _ plan: ConvolutionPlan) -> Tensor {
        products.packed(weight, format: .primitive(plan.weightFormatID), byteCount: plan.packedWeightByteCount) {
            pack(weight, plan, into: $0.rawPointer)
        }
    }

    private func pack(_ weight: Tensor, _ plan: ConvolutionPlan, into packed: UnsafeMutableRawPointer) {
        let plain = weight.transient.converted(to: plan.operandType).contiguous()
        plan.packWeight(plain, into: packed)
        withExtendedLifetime(plain) {}
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
