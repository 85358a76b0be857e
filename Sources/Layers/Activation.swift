public import TensorCore

/// The nonlinear functions that configurations name, in their spelling.
public enum Activation: String, Sendable, Hashable, CaseIterable, Codable {
    case silu, swish
    /// With the exact normal distribution function.
    case gelu
    /// The tanh approximation.
    case geluTanh = "gelu_pytorch_tanh"
    case geluNew = "gelu_new"
    case quickGELU = "quick_gelu"
    case relu

    public func callAsFunction(_ x: Tensor) -> Tensor {
        switch self {
        case .silu, .swish: TensorCore.silu(x)
        case .gelu: TensorCore.gelu(x)
        case .geluTanh, .geluNew: TensorCore.geluTanh(x)
        case .quickGELU: TensorCore.quickGELU(x)
        case .relu: TensorCore.relu(x)
        }
    }
}
