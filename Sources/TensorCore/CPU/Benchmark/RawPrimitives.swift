internal import COneDNN

/// One oneDNN convolution in its own formats, for comparison.
struct RawConvolution {
    let name: String
    let run: () -> Void

    /// Every algorithm and number format that oneDNN has for the problem on this processor.
    static func variants(
        _ pass: ConvolutionPass, _ inputShape: [Int], _ weightShape: [Int], _ geometry: ConvolutionGeometry
    ) -> [RawConvolution] {
        let candidates: [(String, dnnl_alg_kind_t, dnnl_prop_kind_t, Bool, DType)] = [
            ("direct channels-last", dnnl_convolution_direct, dnnl_forward_training, true, .float32),
            ("direct blocked", dnnl_convolution_direct, dnnl_forward_training, false, .float32),
            ("winograd training", dnnl_convolution_winograd, dnnl_forward_training, false, .float32),
            ("winograd inference", dnnl_convolution_winograd, dnnl_forward_inference, false, .float32),
            ("direct bf16", dnnl_convolution_direct, dnnl_forward_training, true, .bfloat16),
        ]
        return candidates.compactMap { name, algorithm, kind, isChannelsLast, dtype in
            if pass != .forward && kind == dnnl_forward_inference { return nil }
            if dtype == .bfloat16 && !DNNL.hasBFloat16 { return nil }
            return make(
                name, algorithm, kind, isChannelsLast, dtype, pass, inputShape, weightShape, geometry)
        }
    }

    private static func make(
        _ name: String, _ algorithm: dnnl_alg_kind_t, _ kind: dnnl_prop_kind_t, _ isChannelsLast: Bool,
        _ dtype: DType, _ pass: ConvolutionPass, _ inputShape: [Int], _ weightShape: [Int],
        _ geometry: ConvolutionGeometry
    ) -> RawConvolution? {
        func map(_ shape: [Int]) -> dnnl_memory_desc_t {
            DNNL.memory(
                shape, strides: isChannelsLast ? Layout(shape: shape, order: [0, 2, 3, 1]).strides : nil, dtype)
        }
        let outputShape = [inputShape[0], weightShape[0], inputShape[2], inputShape[3]]
        var (input, output) = (map(inputShape), map(outputShape))
        var weight = DNNL.memory(weightShape, strides: nil, dtype)
        let strides: [Int64] = [1, 1]
        let dilation: [Int64] = [0, 0]
        let padding = geometry.paddingBefore.map(Int64.init)
        var operation = dnnl_convolution_desc_t()
        guard
            dnnl_dilated_convolution_forward_desc_init(
                &operation, kind, algorithm, &input, &weight, nil, &output, strides, dilation, padding, padding)
                == dnnl_success, let forward = DNNLPrimitiveDescriptor(operation: &operation)
        else { return nil }
        let descriptor: DNNLPrimitiveDescriptor?
        let arguments: [(Int32, dnnl_query_t)]
        switch pass {
        case .forward:
            descriptor = forward
            arguments = [
                (DNNL_ARG_SRC, dnnl_query_src_md), (DNNL_ARG_WEIGHTS, dnnl_query_weights_md),
                (DNNL_ARG_DST, dnnl_query_dst_md),
            ]
        case .inputGradient:
            dnnl_dilated_convolution_backward_data_desc_init(
                &operation, algorithm, &input, &weight, &output, strides, dilation, padding, padding)
            descriptor = DNNLPrimitiveDescriptor(operation: &operation, hint: forward)
            arguments = [
                (DNNL_ARG_DIFF_SRC, dnnl_query_diff_src_md), (DNNL_ARG_WEIGHTS, dnnl_query_weights_md),
                (DNNL_ARG_DIFF_DST, dnnl_query_diff_dst_md),
            ]
        case .weightGradient:
            dnnl_dilated_convolution_backward_weights_desc_init(
                &operation, algorithm, &input, &weight, nil, &output, strides, dilation, padding, padding)
            descriptor = DNNLPrimitiveDescriptor(operation: &operation, hint: forward)
            arguments = [
                (DNNL_ARG_SRC, dnnl_query_src_md), (DNNL_ARG_DIFF_WEIGHTS, dnnl_query_diff_weights_md),
                (DNNL_ARG_DIFF_DST, dnnl_query_diff_dst_md),
            ]
        }
        guard let descriptor else { return nil }
        return RawConvolution(name: name, run: runner(descriptor, arguments))
    }

    /// Executes a primitive on memory of its own.
    static func runner(_ descriptor: DNNLPrimitiveDescriptor, _ arguments: [(Int32, dnnl_query_t)]) -> () -> Void {
        let memory = arguments.map { ($0.0, descriptor.memory($0.1)) }
        let primitive = DNNLPrimitive(descriptor, arguments: memory)
        // Winograd on large maps takes a gigabyte of scratch; fresh pages for it would slow the primitive down threefold.
        primitive.holdScratch()
        let buffers = memory.map { Tensor.full(0, shape: [DNNL.byteCount($0.1)], dtype: .uint8) }
        return { primitive.execute(buffers[0].rawPointer, buffers[1].rawPointer, buffers[2].rawPointer) }
    }
}

/// One oneDNN matrix product in its own formats, for comparison.
struct RawMatmul {
    let name: String
    let run: () -> Void

    static func variants(_ m: Int, _ n: Int, _ k: Int) -> [RawMatmul] {
        let candidates: [(String, DType)] = [("matmul f32", .float32), ("matmul bf16", .bfloat16)]
        return candidates.compactMap { name, dtype in
            if dtype == .bfloat16 && !DNNL.hasBFloat16 { return nil }
            var a = DNNL.memory([m, k], strides: [k, 1], dtype)
            var b = DNNL.memory([k, n], strides: nil, dtype)
            var c = DNNL.memory([m, n], strides: [n, 1])
            var operation = dnnl_matmul_desc_t()
            guard dnnl_matmul_desc_init(&operation, &a, &b, nil, &c) == dnnl_success,
                let descriptor = DNNLPrimitiveDescriptor(operation: &operation)
            else { return nil }
            let arguments = [
                (DNNL_ARG_SRC, dnnl_query_src_md), (DNNL_ARG_WEIGHTS, dnnl_query_weights_md),
                (DNNL_ARG_DST, dnnl_query_dst_md),
            ]
            return RawMatmul(name: name, run: RawConvolution.runner(descriptor, arguments))
        }
    }
}
