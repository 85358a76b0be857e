import Generation
import TensorCore

/// In which numbers a training multiplies. Parameters, moments and averages are float32 in each.
extension Precision {
    /// The parameters as one step reads them: in bf16, matrices and kernels are rounded to the nearest bfloat16.
    ///
    ///     y = x · round(weight),    ∂L/∂weight = ∂L/∂round(weight)
    ///
    /// The gradient passes the rounding unchanged, so it is taken for the rounded weights and applied to the parameters,
    /// which keep what is too small to show in 16 bits. Products of 32 channels and more read rounded weights; norms, biases,
    /// embeddings and layers of few channels, such as the first and the last, stay float32, and so do softmax, residual
    /// sums and losses.
    ///
    /// - Returns: for each parameter a tensor of its shape. The rounded ones are frozen: what is packed of them serves all
    ///   shards of the step, forward and backward, and goes when they are let go.
    func operands(of parameters: [String: Tensor]) -> [String: Tensor] {
        guard self == .bf16 else { return parameters }
        return Dictionary(
            uniqueKeysWithValues: parameters.map { path, tensor in
                (path, Self.rounds(path, tensor.shape) ? tensor.converted(to: .bfloat16).frozen() : tensor)
            })
    }

    /// Whether a parameter is a matrix or a kernel whose products and gradients fit tile registers.
    static func rounds(_ path: String, _ shape: [Int]) -> Bool {
        // Tables are read by row.
        guard path.hasSuffix("weight"), !path.hasSuffix("embedding.weight") else { return false }
        guard shape.count == 2 || (shape.count == 4 && shape[2] * shape[3] <= 64) else { return false }
        return shape[0] % 32 == 0 && shape[1] % 32 == 0
    }

    /// - Parameter key: where the recipe has it, such as `denoiser.precision`.
    func validate(_ key: String, on device: any Backend) throws {
        guard self == .fp32 || device === CPUBackend.shared else {
            throw TrainingError.invalidRecipe(
                key: key, expected: "fp32 on the device \(device.name), or a training on the CPU", found: rawValue)
        }
    }
}
