/// What a tensor of an adapter file is to its layer; the raw value is its name in kohya's and LyCORIS's files.
public enum AdapterRole: String, Sendable, Hashable, CaseIterable {
    case down = "lora_down.weight"
    case up = "lora_up.weight"
    case mid = "lora_mid.weight"
    case alpha
    /// DoRA's norms: of rows `[outputs, 1, ...]`, or of columns `[1, inputs, ...]`.
    case magnitude = "dora_scale"
    /// PEFT's DoRA norms, always of rows.
    case magnitudeVector = "lora_magnitude_vector"
    case hadamard1A = "hada_w1_a"
    case hadamard1B = "hada_w1_b"
    case hadamard2A = "hada_w2_a"
    case hadamard2B = "hada_w2_b"
    case hadamard1Core = "hada_t1"
    case hadamard2Core = "hada_t2"
    case kronecker1 = "lokr_w1"
    case kronecker1A = "lokr_w1_a"
    case kronecker1B = "lokr_w1_b"
    case kronecker2 = "lokr_w2"
    case kronecker2A = "lokr_w2_a"
    case kronecker2B = "lokr_w2_b"
    case kronecker2Core = "lokr_t2"
    case difference = "diff"
    case biasDifference = "diff_b"

    /// The name without `.weight`.
    var stem: String { rawValue.hasSuffix(".weight") ? String(rawValue.dropLast(7)) : rawValue }
}

/// A key of an adapter file, understood: a module by some name, and what the tensor is to it.
public struct AdapterKey: Sendable, Hashable {
    /// Nil where the grammar does not tell which part of the model is meant.
    public var part: String?
    public var name: String
    /// Whether the name has underscores for dots.
    public var isFlat: Bool
    public var role: AdapterRole
}
