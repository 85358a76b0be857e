public import TensorCore

/// Whose random numbers a seed stands for. The names are stable-diffusion.cpp's.
public enum NoiseSource: String, Codable, Sendable, CaseIterable {
    /// PyTorch's on a CPU: diffusers with a CPU generator, A1111's `CPU`.
    case cpu
    /// PyTorch's on a CUDA device (Philox): stable-diffusion.cpp's default, A1111's `NV`.
    case cuda

    /// The stream of a seed.
    public func generator(seed: UInt64) -> any RandomSource {
        switch self {
        case .cpu: TorchGenerator(seed: seed)
        case .cuda: PhiloxGenerator(seed: seed)
        }
    }

    /// A1111's name, for its `RNG` field.
    var infotextName: String {
        switch self {
        case .cpu: "CPU"
        case .cuda: "NV"
        }
    }
}
