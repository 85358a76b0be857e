/// Runs `body` without keeping its intermediate results, and runs it again when gradients are asked for.
///
/// Memory falls to the inputs and the output of the block; the gradients are the same, bit for bit.
///
/// - Parameters:
///   - inputs: the tensors that flow through the block.
///   - parameters: the trainable tensors that the block uses. A trainable tensor that `body` captures without being
///     listed gets no gradient.
///   - body: from inputs and parameters to the output; it must be a pure function of them, because it runs twice.
public func checkpoint(
    inputs: [Tensor], parameters: [Tensor] = [],
    body: @escaping @Sendable (_ inputs: [Tensor], _ parameters: [Tensor]) -> Tensor
) -> Tensor {
    let sources = inputs + parameters
    let detached = sources.map(\.detached)
    let tracked = sources.map(\.isTracked)
    let split = inputs.count
    let output = body(Array(detached[..<split]), Array(detached[split...])).detached
    return output.recorded(from: sources) { gradient in
        let leaves = zip(detached, tracked).map { tensor, isTracked in isTracked ? tensor.tracked() : tensor }
        let replayed = body(Array(leaves[..<split]), Array(leaves[split...]))
        let result = gradients(of: replayed, seed: gradient)
        return leaves.map { result[$0] }
    }
}
