/// A way to compute a convolution on the CPU.
public enum ConvolutionKernel: String, Sendable, Hashable, CaseIterable, Codable {
    /// The engine's own F(2x2, 3x3) of Winograd's minimal filtering, on channels-last maps as they are: for small maps,
    /// where tiles of four would be mostly padding. Its transformed weights are less than half as large as `winograd`'s.
    case smallWinograd
    /// The engine's own F(4x4, 3x3).
    case winograd
    /// oneDNN's direct kernel on channels-last maps, without reorders.
    case directChannelsLast
    /// oneDNN's direct kernel on its own blocked maps, reordered before and after.
    case directBlocked
    /// oneDNN's Winograd kernel (AVX-512 only), reordered before and after.
    case blockedWinograd
    /// oneDNN's direct kernel on channels-last maps rounded to bfloat16, for models loaded in bf16: sums stay fp32.
    case directBFloat16

    /// Outputs on a tile's side where the kernel is the engine's own, nil where it is oneDNN's.
    var winogradTile: Int? {
        switch self {
        case .winograd: 4
        case .smallWinograd: 2
        case .directChannelsLast, .directBlocked, .blockedWinograd, .directBFloat16: nil
        }
    }
}

/// What oneDNN and the Winograd kernels tell convolutions apart by.
enum ConvolutionKind: String, Sendable, Hashable, CaseIterable {
    /// 3x3, stride 1, no dilation, one group, at most two zeros on a side.
    case unitStride3x3
    /// Everything else.
    case other

    init(_ weightShape: [Int], _ geometry: ConvolutionGeometry) {
        let padding = geometry.paddingBefore + geometry.paddingAfter
        let isUnitStride3x3 =
            weightShape[2] == 3 && weightShape[3] == 3 && geometry.stride == 1 && geometry.dilation == 1
            && geometry.groups == 1 && padding.allSatisfy { (0...2).contains($0) } && weightShape[0] > 0
            && weightShape[1] > 0
        self = isUnitStride3x3 ? .unitStride3x3 : .other
    }

    /// The kernels that can run it, in order of preference.
    var kernels: [ConvolutionKernel] {
        self == .unitStride3x3
            ? ConvolutionKernel.allCases.filter { $0 != .directBFloat16 } : [.directChannelsLast, .directBlocked]
    }
}
