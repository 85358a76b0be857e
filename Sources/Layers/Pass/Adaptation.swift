public import TensorCore

/// The kind of a layer that adapters can change.
public enum AdaptedOperation: Sendable, Hashable {
    case linear
    /// A linear layer of one vector a row whose output is added to every place of a feature map of this size.
    case spreadLinear(height: Int, width: Int)
    case convolution(ConvolutionGeometry)
}

/// A layer without adapters: its weights, and the function that they make.
public struct BaseLayer: Sendable {
    /// `[outputs, inputs]`, or `[outputs, inputs / groups, kernel, kernel]` for a convolution.
    public let weight: Tensor
    /// `[outputs]`.
    public let bias: Tensor?
    public let operation: AdaptedOperation

    public init(weight: Tensor, bias: Tensor?, _ operation: AdaptedOperation) {
        self.weight = weight
        self.bias = bias
        self.operation = operation
    }

    /// - Parameter x: `[..., inputs]`, or `[batch, inputs, height, width]` for a convolution.
    public func callAsFunction(_ x: Tensor) -> Tensor {
        switch operation {
        case .linear, .spreadLinear: linear(x, weight, bias)
        case .convolution(let geometry): convolution(x, weight, bias, geometry)
        }
    }
}

/// Adapters applied while a model runs; the base weights stay as they are.
public protocol Adaptation: Sendable {
    /// The output of a layer with its adapters; `layer(input)` where none applies.
    ///
    /// The answer to `.spreadLinear` is `[batch, outputs]`, or `[batch, outputs, height, width]` where the adapters
    /// differ from place to place.
    ///
    /// - Parameters:
    ///   - site: the number of the layer.
    ///   - pass: tells which role each row of the batch has.
    func adapted(_ layer: BaseLayer, input: Tensor, at site: Int, _ pass: Pass) -> Tensor

    /// Adapters of regions of the picture that change what an attention layer reads from a text, which has no place of
    /// its own: the layer then attends with each of them, too, and takes each answer where its region is.
    ///
    /// - Parameter sites: the numbers of the layer's keys and values.
    func regionalReadings(at sites: [Int]) -> [RegionalReading]

    /// The tensors that may be trainable, in an order of its own.
    var parameters: [Tensor] { get }

    /// The same adapters with other tensors, in the order of `parameters`. Checkpoints need it: a trainable tensor
    /// that is not handed in from outside gets no gradient.
    func replacing(parameters: [Tensor]) -> any Adaptation
}

extension Adaptation {
    public func regionalReadings(at sites: [Int]) -> [RegionalReading] { [] }
}

/// What an attention layer reads under the adapters of one region, and where in the picture that counts.
public struct RegionalReading: Sendable {
    /// The adaptation of the keys and values.
    public let adaptation: any Adaptation
    /// The share of the region at each of so many query tokens, `[1, tokens, 1, 1]`; nil where they are no picture.
    public let share: @Sendable (_ tokens: Int) -> Tensor?

    public init(adaptation: any Adaptation, share: @escaping @Sendable (_ tokens: Int) -> Tensor?) {
        self.adaptation = adaptation
        self.share = share
    }
}
