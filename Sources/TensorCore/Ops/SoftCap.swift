/// Bends large values towards a limit: `cap * tanh(x / cap)`.
///
/// Follows transformers `modeling_gemma2.py`, which caps attention scores and logits.
public func softCap(_ x: Tensor, _ cap: Float) -> Tensor {
    precondition(cap > 0, "softCap: \(cap)")
    return tanh(x * (1 / Double(cap))) * Double(cap)
}
