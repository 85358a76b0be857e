internal import COneDNN

/// The three products of a convolution.
enum ConvolutionPass: Hashable, Sendable, CaseIterable {
    case forward, inputGradient, weightGradient
}

/// One convolution problem.
struct ConvolutionKey: Hashable {
    var pass: ConvolutionPass
    var inputShape: [Int]
    var weightShape: [Int]
    var geometry: ConvolutionGeometry
    var hasBias: Bool
    var kernel: ConvolutionKernel

    /// The number format of the weights and of the map that they multiply; the product is fp32.
    var operandType: DType { kernel == .directBFloat16 ? .bfloat16 : .float32 }

    /// The number formats of the input map and the output map, one of which is the product.
    var mapTypes: (input: DType, output: DType) {
        pass == .inputGradient ? (.float32, operandType) : (operandType, .float32)
    }

    var outputShape: [Int] {
        [inputShape[0], weightShape[0]]
            + (0..<2).map {
                geometry.outputSize(input: inputShape[2 + $0], kernel: weightShape[2 + $0], dimension: $0)
            }
    }
}

/// The compiled primitive of a `ConvolutionKey`, with the reorders between channels-last maps and its own formats.
final class ConvolutionPlan {
    let primitive: DNNLPrimitive
    /// Formats of the input map, the weights and the output map that the primitive works on.
    let formats: (input: dnnl_memory_desc_t, weight: dnnl_memory_desc_t, output: dnnl_memory_desc_t)
    /// The number of the weights' format among those seen.
    let weightFormatID: Int
    let implementation: String
    let operandType: DType
    private let plain: (input: dnnl_memory_desc_t, weight: dnnl_memory_desc_t, output: dnnl_memory_desc_t)
    private var reorders: [Reorder: DNNLPrimitive] = [:]

    private enum Reorder: Hashable { case inputIn, inputOut, outputIn, outputOut, weightIn, weightOut }

    init(_ key: ConvolutionKey, formats index: FormatIndex) {
        operandType = key.operandType
        func channelsLast(_ shape: [Int], _ type: DType) -> dnnl_memory_desc_t {
            DNNL.memory(shape, strides: Layout(shape: shape, order: [0, 2, 3, 1]).strides, type)
        }
        let weightShape = ConvolutionPlan.groupedShape(key.weightShape, key.geometry.groups)
        plain = (
            channelsLast(key.inputShape, key.mapTypes.input),
            DNNL.memory(weightShape, strides: Layout.rowMajorStrides(weightShape), operandType),
            channelsLast(key.outputShape, key.mapTypes.output)
        )
        let descriptor =
            ConvolutionPlan.descriptor(key, key.kernel) ?? ConvolutionPlan.descriptor(key, .directBlocked)
        guard let descriptor else { preconditionFailure("oneDNN: no convolution for \(key)") }
        implementation = descriptor.implementation
        switch key.pass {
        case .forward:
            formats = (
                descriptor.memory(dnnl_query_src_md), descriptor.memory(dnnl_query_weights_md),
                descriptor.memory(dnnl_query_dst_md)
            )
            let arguments = [
                (DNNL_ARG_SRC, formats.input), (DNNL_ARG_WEIGHTS, formats.weight), (DNNL_ARG_DST, formats.output),
            ]
            let bias = DNNL.memory([key.weightShape[0]], strides: [1])
            primitive = DNNLPrimitive(
                descriptor, arguments: key.hasBias ? arguments + [(DNNL_ARG_BIAS, bias)] : arguments)
        case .inputGradient:
            formats = (
                descriptor.memory(dnnl_query_diff_src_md), descriptor.memory(dnnl_query_weights_md),
                descriptor.memory(dnnl_query_diff_dst_md)
            )
            primitive = DNNLPrimitive(
                descriptor,
                arguments: [
                    (DNNL_ARG_DIFF_SRC, formats.input), (DNNL_ARG_WEIGHTS, formats.weight),
                    (DNNL_ARG_DIFF_DST, formats.output),
                ])
        case .weightGradient:
            formats = (
                descriptor.memory(dnnl_query_src_md), descriptor.memory(dnnl_query_diff_weights_md),
                descriptor.memory(dnnl_query_diff_dst_md)
            )
            primitive = DNNLPrimitive(
                descriptor,
                arguments: [
                    (DNNL_ARG_SRC, formats.input), (DNNL_ARG_DIFF_WEIGHTS, formats.weight),
                    (DNNL_ARG_DIFF_DST, formats.output),
                ])
        }
        weightFormatID = index.id(of: formats.weight)
    }

    /// Nil when oneDNN cannot run the problem with this kernel.
    private static func descriptor(_ key: ConvolutionKey, _ kernel: ConvolutionKernel) -> DNNLPrimitiveDescriptor? {
        func map(_ shape: [Int], _ type: DType = .float32) -> dnnl_memory_desc_t {
            let isChannelsLast = kernel == .directChannelsLast || kernel == .directBFloat16
            return DNNL.memory(
                shape, strides: isChannelsLast ? Layout(shape: shape, order: [0, 2, 3, 1]).strides : nil, type)
        }
        let geometry = key.geometry
        var input = map(key.inputShape, key.operandType)
        var output = map(key.outputShape)
        var weight = DNNL.memory(
            ConvolutionPlan.groupedShape(key.weightShape, geometry.groups), strides: nil, key.operandType)
        var bias = DNNL.memory([key.weightShape[0]], strides: [1])
        let strides = [Int64](repeating: Int64(geometry.stride), count: 2)
        let dilation = [Int64](repeating: Int64(geometry.dilation - 1), count: 2)
        let before = geometry.paddingBefore.map(Int64.init)
        let after = geometry.paddingAfter.map(Int64.init)
        let algorithm = kernel == .blockedWinograd ? dnnl_convolution_winograd : dnnl_convolution_direct

        var forward = dnnl_convolution_desc_t()
        let status =
            key.hasBias && key.pass == .forward
            ? dnnl_dilated_convolution_forward_desc_init(
                &forward, dnnl_forward_training, algorithm, &input, &weight, &bias, &output, strides, dilation,
                before, after)
            : dnnl_dilated_convolution_forward_desc_init(
                &forward, dnnl_forward_training, algorithm, &input, &weight, nil, &output, strides, dilation, before,
                after)
        DNNL.check(status, "convolution \(key)")
        guard let forwardDescriptor = DNNLPrimitiveDescriptor(operation: &forward) else { return nil }
        var backward = dnnl_convolution_desc_t()
        switch key.pass {
        case .forward: return forwardDescriptor
        case .inputGradient:
            input = map(key.inputShape, key.mapTypes.input)
            output = map(key.outputShape, key.mapTypes.output)
            DNNL.check(
                dnnl_dilated_convolution_backward_data_desc_init(
                    &backward, algorithm, &input, &weight, &output, strides, dilation, before, after),
                "convolution input gradient \(key)")
        case .weightGradient:
            DNNL.check(
                dnnl_dilated_convolution_backward_weights_desc_init(
                    &backward, algorithm, &input, &weight, nil, &output, strides, dilation, before, after),
                "convolution weight gradient \(key)")
        }
        return DNNLPrimitiveDescriptor(operation: &backward, hint: forwardDescriptor)
    }

    /// oneDNN's weight shape: `[groups, out / groups, in / groups, height, width]` when there is more than one group.
    static func groupedShape(_ shape: [Int], _ groups: Int) -> [Int] {
        groups == 1 ? shape : [groups, shape[0] / groups] + shape[1...]
    }

    // MARK: Between channels-last maps and the primitive's formats

    /// The map in the primitive's format.
    func packedInput(_ x: Tensor) -> Tensor { pack(x, .inputIn, plain.input, formats.input) }
    func packedOutput(_ x: Tensor) -> Tensor { pack(x, .outputIn, plain.output, formats.output) }

    var packedWeightByteCount: Int { DNNL.byteCount(formats.weight) }

    /// Writes row-major weights in the primitive's format.
    func packWeight(_ weight: Tensor, into packed: UnsafeMutableRawPointer) {
        reorder(.weightIn, plain.weight, formats.weight).execute(weight.rawPointer, packed)
    }

    /// Memory for the primitive to write, and the step that brings it to `out` when the formats differ.
    func writing(input out: Tensor, _ body: (Tensor) -> Void) {
        unpack(out, .inputOut, formats.input, plain.input, body)
    }
    func writing(output out: Tensor, _ body: (Tensor) -> Void) {
        unpack(out, .outputOut, formats.output, plain.output, body)
    }

    func writing(weight out: Tensor, _ body: (Tensor) -> Void) {
        unpack(out, .weightOut, formats.weight, plain.weight, body)
    }

    private func pack(
        _ x: Tensor, _ kind: Reorder, _ source: dnnl_memory_desc_t, _ destination: dnnl_memory_desc_t
    ) -> Tensor {
        if DNNL.equal(source, destination) { return x }
        let packed = Tensor.empty([DNNL.byteCount(destination)], dtype: .uint8)
        reorder(kind, source, destination).execute(x.rawPointer, packed.rawPointer)
        return packed
    }

    private func unpack(
        _ out: Tensor, _ kind: Reorder, _ source: dnnl_memory_desc_t, _ destination: dnnl_memory_desc_t,
        _ body: (Tensor) -> Void
    ) {
        if DNNL.equal(source, destination) { return body(out) }
        let packed = Tensor.empty([DNNL.byteCount(source)], dtype: .uint8)
        body(packed)
        reorder(kind, source, destination).execute(packed.rawPointer, out.rawPointer)
        withExtendedLifetime(packed) {}
    }

    private func reorder(
        _ kind: Reorder, _ source: dnnl_memory_desc_t, _ destination: dnnl_memory_desc_t
    ) -> DNNLPrimitive {
        if let made = reorders[kind] { return made }
        let made = DNNLPrimitive(reorder: source, to: destination)
        reorders[kind] = made
        return made
    }
}
