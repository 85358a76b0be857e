public import TensorCore

/// Convolutions as products of patches with the weights: `[pixels, taps * channels] · [taps * channels, out]`.
extension CUDADevice {
    /// Patches are made for as many pictures (or rows of one) as fit in this.
    private static let patchByteBudget = 1 << 30

    public func convolution(
        _ x: Tensor, weight: Tensor, bias: Tensor?, _ geometry: ConvolutionGeometry
    ) -> Tensor {
        let x = local(x).channelsLast()
        let plan = PatchPlan(x.shape, weight.shape, geometry)
        let out = empty(Layout(shape: plan.outputShape, order: [0, 2, 3, 1]))
        if out.count == 0 { return out }
        if x.count == 0 || weight.count == 0 {
            let zeros = full(0, shape: [out.count], dtype: .float32)
            let map = Tensor(storage: zeros.storage, dtype: .float32, layout: out.layout)
            addBias(bias, to: map, columns: plan.outChannels)
            return map
        }
        let isHalf = weight.dtype == .bfloat16
        let input = isHalf ? convert(x, to: .bfloat16) : x
        let kernel = tapsFirst(isHalf ? local(weight) : convert(weight, to: .float32))
        for group in 0..<geometry.groups {
            for part in plan.parts(budget: Self.patchByteBudget, byteCount: isHalf ? 2 : 4) {
                let patches =
                    plan.isPointwise ? input : patches(input, plan, part, group: group)
                let pixels = part.pictures.count * part.rows.count * plan.outWidth
                product(
                    pixels, plan, patches, kernel, group,
                    into: out, row: (part.pictures.lowerBound * plan.outHeight + part.rows.lowerBound) * plan.outWidth)
            }
        }
        addBias(bias, to: out, columns: plan.outChannels)
        return out
    }

    /// One part of the output. With one group it is written where it belongs; groups interleave their channels.
    private func product(
        _ pixels: Int, _ plan: PatchPlan, _ patches: Tensor, _ kernel: Tensor, _ group: Int,
        into out: Tensor, row: Int
    ) {
        let a = CuBLAS.Operand(
            address: patches.deviceAddress, dtype: patches.dtype, isTransposed: false, stride: plan.depth)
        let b = CuBLAS.Operand(
            address: kernel.deviceAddress
                + UInt64(group * plan.groupOutChannels * plan.depth * kernel.dtype.byteCount),
            dtype: kernel.dtype, isTransposed: true, stride: plan.depth)
        if plan.geometry.groups == 1 {
            blas.multiply(
                m: pixels, n: plan.outChannels, k: plan.depth, a, b,
                into: out.deviceAddress + UInt64(row * plan.outChannels * 4), compute: compute)
        } else {
            let part = empty([pixels, plan.groupOutChannels])
            blas.multiply(
                m: pixels, n: plan.groupOutChannels, k: plan.depth, a, b, into: part.deviceAddress, compute: compute)
            interleave(part, into: out, row: row, channel: group * plan.groupOutChannels, of: plan.outChannels)
        }
    }

    /// Writes `part [rows, channels]` into columns of rows of `count` channels.
    private func interleave(_ part: Tensor, into out: Tensor, row: Int, channel: Int, of count: Int) {
        let plan = StridedPlan(shape: part.shape, strides: [[count, 1], part.layout.strides])
        launch(
            "move_32", in: .data, .init(elements: part.count),
            .address(out.deviceAddress + UInt64((row * count + channel) * 4)), .tensor(part), plan.argument,
            .int(part.count))
    }

    public func convolutionInputGradient(
        _ gradient: Tensor, weight: Tensor, inputShape: [Int], _ geometry: ConvolutionGeometry
    ) -> Tensor {
        let gradient = local(gradient).channelsLast()
        let plan = PatchPlan(inputShape, weight.shape, geometry)
        let layout = Layout(shape: inputShape, order: [0, 2, 3, 1])
        if gradient.count == 0 || layout.count == 0 || weight.count == 0 {
            let zeros = full(0, shape: [layout.count], dtype: .float32)
            return Tensor(storage: zeros.storage, dtype: .float32, layout: layout)
        }
        let kernel = tapsFirst(convert(weight, to: .float32))
        let out = empty(layout)
        for group in 0..<geometry.groups {
            for part in plan.parts(budget: Self.patchByteBudget, byteCount: 4, wholePictures: true) {
                let pixels = part.pictures.count * plan.outHeight * plan.outWidth
                let patches = plan.isPointwise ? out : empty([pixels, plan.depth])
                blas.multiply(
                    m: pixels, n: plan.depth, k: plan.groupOutChannels,
                    gradientRows(gradient, plan, part, group), kernelRows(kernel, plan, group),
                    into: patches.deviceAddress, compute: compute)
                if plan.isPointwise { break }
                let count = part.pictures.count * plan.height * plan.width * plan.groupChannels
                let target =
                    out.deviceAddress + UInt64(part.pictures.lowerBound * plan.height * plan.width * plan.channels * 4)
                launch(
                    "map_from_patches", in: .convolution, .init(elements: count), .address(target), .tensor(patches),
                    plan.argument(part, group: group), .int(count))
            }
        }
        return out
    }

    public func convolutionWeightGradient(
        _ gradient: Tensor, x: Tensor, weightShape: [Int], _ geometry: ConvolutionGeometry
    ) -> Tensor {
        let (gradient, x) = (local(gradient).channelsLast(), local(x).channelsLast())
        let plan = PatchPlan(x.shape, weightShape, geometry)
        if gradient.count == 0 || x.count == 0 { return full(0, shape: weightShape, dtype: .float32) }
        let out = empty([plan.outChannels, plan.kernelHeight, plan.kernelWidth, plan.groupChannels])
        for group in 0..<geometry.groups {
            let parts = plan.parts(budget: Self.patchByteBudget, byteCount: 4, wholePictures: true)
            for (position, part) in parts.enumerated() {
                let patches = plan.isPointwise ? x : patches(x, plan, part, group: group)
                let pixels = part.pictures.count * plan.outHeight * plan.outWidth
                var a = gradientRows(gradient, plan, part, group)
                a.isTransposed = true
                let b = CuBLAS.Operand(
                    address: patches.deviceAddress, dtype: .float32, isTransposed: false, stride: plan.depth)
                blas.multiply(
                    m: plan.groupOutChannels, n: plan.depth, k: pixels, a, b,
                    into: out.deviceAddress + UInt64(group * plan.groupOutChannels * plan.depth * 4),
                    accumulates: position > 0, compute: compute)
            }
        }
        return out.permuted([0, 3, 1, 2])
    }

    /// Rows of the output's gradient, one a pixel: `[pixels, groupOutChannels]`.
    private func gradientRows(
        _ gradient: Tensor, _ plan: PatchPlan, _ part: PatchPlan.Part, _ group: Int
    ) -> CuBLAS.Operand {
        let start =
            part.pictures.lowerBound * plan.outHeight * plan.outWidth * plan.outChannels + group * plan.groupOutChannels
        return CuBLAS.Operand(
            address: gradient.deviceAddress + UInt64(start * 4), dtype: .float32, isTransposed: false,
            stride: plan.outChannels)
    }

    private func kernelRows(_ kernel: Tensor, _ plan: PatchPlan, _ group: Int) -> CuBLAS.Operand {
        CuBLAS.Operand(
            address: kernel.deviceAddress + UInt64(group * plan.groupOutChannels * plan.depth * 4), dtype: .float32,
            isTransposed: false, stride: plan.depth)
    }

    /// `[out, channels, height, width]` to `[out, height, width, channels]`, without gaps.
    private func tapsFirst(_ weight: Tensor) -> Tensor { weight.permuted([0, 2, 3, 1]).contiguous() }

    private func patches(_ x: Tensor, _ plan: PatchPlan, _ part: PatchPlan.Part, group: Int) -> Tensor {
        let out = empty(
            [part.pictures.count * part.rows.count * plan.outWidth, plan.depth], dtype: x.dtype)
        let byFour = plan.groupChannels % 4 == 0 && plan.channels % 4 == 0 && x.layout.offset % 4 == 0
        let count = out.count / (byFour ? 4 : 1)
        let zeros = [UInt8](repeating: 0, count: x.dtype.byteCount * (byFour ? 4 : 1))
        let source =
            x.deviceAddress
            + UInt64(part.pictures.lowerBound * plan.height * plan.width * plan.channels * x.dtype.byteCount)
        launch(
            "patches_from_map_\(x.dtype == .bfloat16 ? "bf16" : "f32")\(byFour ? "_by_four" : "")", in: .convolution,
            .init(elements: count), .tensor(out), .address(source), .bytes(zeros), plan.argument(part, group: group),
            .int(count))
        return out
    }

    public func resample(_ x: Tensor, _ resampling: Resampling) -> Tensor {
        guard case .nearest(let factor) = resampling else { return Composed.resample(self, local(x), resampling) }
        let x = local(x).channelsLast()
        let out = empty(Layout(shape: resampling.outputShape(x.shape), order: [0, 2, 3, 1]))
        launch(
            "upsample_nearest", in: .convolution, .init(elements: out.count), .tensor(out), .tensor(x), .int(out.count),
            .int32(Int32(x.size(2))), .int32(Int32(x.size(3))), .int32(Int32(x.size(1))), .int32(Int32(factor)))
        return out
    }

    public func resampleBackward(_ gradient: Tensor, inputShape: [Int], _ resampling: Resampling) -> Tensor {
        guard case .nearest(let factor) = resampling else {
            return Composed.resampleBackward(self, local(gradient), inputShape: inputShape, resampling)
        }
        let gradient = local(gradient).channelsLast()
        let out = empty(Layout(shape: inputShape, order: [0, 2, 3, 1]))
        launch(
            "upsample_nearest_backward", in: .convolution, .init(elements: out.count), .tensor(out), .tensor(gradient),
            .int(out.count), .int32(Int32(inputShape[2])), .int32(Int32(inputShape[3])), .int32(Int32(inputShape[1])),
            .int32(Int32(factor)))
        return out
    }
}

/// The sizes of a convolution as a product of patches.
private struct PatchPlan {
    let geometry: ConvolutionGeometry
    let (batch, channels, height, width): (Int, Int, Int, Int)
    let (outChannels, groupChannels, kernelHeight, kernelWidth): (Int, Int, Int, Int)
    let (outHeight, outWidth): (Int, Int)

    /// Pictures, and output rows of them, that are made into patches at once.
    struct Part {
        let pictures: Range<Int>
        let rows: Range<Int>
    }

    init(_ input: [Int], _ weight: [Int], _ geometry: ConvolutionGeometry) {
        self.geometry = geometry
        (batch, channels, height, width) = (input[0], input[1], input[2], input[3])
        (outChannels, groupChannels, kernelHeight, kernelWidth) = (weight[0], weight[1], weight[2], weight[3])
        outHeight = geometry.outputSize(input: input[2], kernel: weight[2], dimension: 0)
        outWidth = geometry.outputSize(input: input[3], kernel: weight[3], dimension: 1)
    }

    var outputShape: [Int] { [batch, outChannels, outHeight, outWidth] }
    var groupOutChannels: Int { outChannels / geometry.groups }
    /// Elements of a patch.
    var depth: Int { kernelHeight * kernelWidth * groupChannels }
    /// Whether a pixel is its own patch.
    var isPointwise: Bool {
        kernelHeight == 1 && kernelWidth == 1 && geometry.stride == 1 && geometry.groups == 1
            && geometry.paddingBefore == [0, 0] && geometry.paddingAfter == [0, 0]
    }

    func parts(budget: Int, byteCount: Int, wholePictures: Bool = false) -> [Part] {
        if isPointwise { return [Part(pictures: 0..<batch, rows: 0..<outHeight)] }
        let rowBytes = outWidth * depth * byteCount
        let pictures = max(1, budget / max(rowBytes * outHeight, 1))
        let rows = wholePictures || pictures > 1 ? outHeight : max(1, min(outHeight, budget / max(rowBytes, 1)))
        return stride(from: 0, to: batch, by: pictures).flatMap { first in
            stride(from: 0, to: outHeight, by: rows).map { row in
                Part(pictures: first..<min(first + pictures, batch), rows: row..<min(row + rows, outHeight))
            }
        }
    }

    /// `struct Patches`; rows further down are reached by a padding that is that much smaller.
    func argument(_ part: Part, group: Int) -> KernelArgument {
        var fields = Fields()
        for value in [
            part.pictures.count, height, width, channels, group * groupChannels, groupChannels, part.rows.count,
            outWidth, kernelHeight, kernelWidth, geometry.stride, geometry.dilation,
            geometry.paddingBefore[0] - part.rows.lowerBound * geometry.stride, geometry.paddingBefore[1],
        ] { fields.add(Int32(value)) }
        return fields.argument
    }
}
