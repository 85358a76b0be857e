public import TensorCore

/// The kind of a layer that adapters can change.
public enum AdaptedOperation: Sendable, Hashable {
    case linear
    case convolution(ConvolutionGeometry)
}

/// Adapters applied while a model runs; the base weights stay as they are.
public protocol Adaptation: Sendable {
    /// The output of a layer with its adapters.
    ///
    /// - Parameters:
    ///   - output: what the base layer gives for `input`; returned as it is where no adapter applies.
    ///   - site: the number of the layer.
    ///   - pass: tells which role each row of the batch has.
    func adapted(
        _ output: Tensor, input: Tensor, at site: Int, _ operation: AdaptedOperation, _ pass: Pass
    ) -> Tensor

    /// The tensors that may be trainable, in an order of its own.
    var parameters: [Tensor] { get }

    /// The same adapters with other tensors, in the order of `parameters`. Checkpoints need it: a trainable tensor
    /// that is not handed in from outside gets no gradient.
    func replacing(parameters: [Tensor]) -> any Adaptation
}
