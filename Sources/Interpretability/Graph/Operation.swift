/// Everything that a node can do. The set is closed: a graph from elsewhere can compute, and nothing more.
public enum Operation: String, Codable, Sendable, Hashable, CaseIterable {
    // Of the model.
    /// The value at a site of a prompt, after the sets before it in the graph.
    case get
    /// Puts the input, which may be smaller (it is broadcast), into a site of a prompt.
    case set
    /// The gradient of the first input, a single number, at the second, a `get`.
    case gradient
    /// Puts the input, which may be smaller, in the place of the gradient that arrives at a site of a prompt, for the
    /// gradients that stand after it in the graph.
    case setGradient
    /// The gradient that arrives at a site of a prompt, after the edits of that site before it; for `setGradient` only.
    case arrivingGradient
    /// What the model's final norm and head make of a residual: `[..., width]` to `[..., vocabulary]`.
    case unembed

    // Without inputs.
    case constant
    /// Numbers from the normal distribution, by `seed`, times `number`.
    case normal
    /// A value that an earlier graph of the session saved; `steps` names one step of what was kept in several.
    case saved

    // Of two inputs, broadcast.
    case add, subtract, multiply, divide, maximum, minimum
    case matmul

    // Of one input and `number`.
    case scale, offset

    // Of one input, element by element.
    case exp, log, sqrt, square, abs, relu, sigmoid, tanh

    // Along `axes`, which disappear.
    case sum, mean
    // Along the only one of `axes`.
    case softmax, logSoftmax
    /// The position of the largest; the axis disappears.
    case argmax

    // Of shape.
    case select, reshape, permute
    /// Inputs one after another along an axis; along a new first axis.
    case concatenate, stack

    /// How many inputs the operation has; nil for one or more.
    var inputCount: Int? {
        switch self {
        case .get, .constant, .normal, .saved, .arrivingGradient: 0
        case .add, .subtract, .multiply, .divide, .maximum, .minimum, .matmul, .gradient: 2
        case .concatenate, .stack: nil
        default: 1
        }
    }

    /// Whether the operation gives a value; the others change something.
    var hasValue: Bool { self != .set && self != .setGradient }
}
