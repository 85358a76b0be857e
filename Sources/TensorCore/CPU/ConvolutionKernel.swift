/// A way to compute a convolution on the CPU.
public enum ConvolutionKernel: String, Sendable, Hashable, CaseIterable, Codable {
    /// oneDNN's direct kernel on channels-last maps, without reorders.
    case directChannelsLast
    /// oneDNN's direct kernel on its own blocked maps, reordered before and after.
    case directBlocked
    /// oneDNN's Winograd kernel (AVX-512 only, stride 1, 3x3), reordered before and after.
    case winograd
}

extension ConvolutionKernel {
    /// The kernel for a problem: a pure function of the shape, never of the batch size nor of a measurement at run time,
    /// so that a recipe always gives the same bytes.
    static func choice(
        _ pass: ConvolutionPass, inputShape: [Int], weightShape: [Int], geometry: ConvolutionGeometry,
        instructionSet: String
    ) -> ConvolutionKernel {
        let spatial = inputShape[2] * inputShape[3]
        let isWinogradShape =
            weightShape[2] == 3 && weightShape[3] == 3 && geometry.stride == 1 && geometry.dilation == 1
            && geometry.groups == 1 && geometry.paddingBefore == [1, 1] && geometry.paddingAfter == [1, 1]
        if instructionSet == "x86-64-v4" {
            if isWinogradShape && spatial >= 256 && weightShape[0] >= 32 && weightShape[1] >= 32 { return .winograd }
            return .directChannelsLast
        }
        return .directBlocked
    }
}
