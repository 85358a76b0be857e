public import Adapters
public import Layers
public import TensorCore

/// A rule of guidance that adds something to the plainly guided prediction.
///
///     prediction = e(∅) + scale · (e(c) - e(∅)) + sum over rules of share · change
///
/// A share is 1 where rules are added up; `combination` says what it is otherwise.
///
/// A rule asks for rows of its own, which run in one batch with the others. To add a rule: one file with a type like
/// `StyleGuidance`, and its line in `GenerationRequest.guidanceTerms`.
public protocol GuidanceTerm: Sendable {
    /// The rows that it needs beside those of plain guidance.
    func rows(prompt: String) -> [GuidanceRow]

    /// Whether it changes anything at a timestep; where not, its rows are not evaluated.
    ///
    /// - Parameter trainTimesteps: that the model was trained with.
    func isActive(at timestep: Float, of trainTimesteps: Int) -> Bool

    /// What it adds.
    ///
    /// - Parameters:
    ///   - predictions: of its rows, in their order, each `[1, channels, height, width]`.
    ///   - conditional: the prediction for the prompt, of the same shape.
    func change(_ predictions: [Tensor], conditional: Tensor) -> Tensor

    /// How its change goes together with those of the other rules; nil for one that others neither replace nor are
    /// averaged with.
    var combination: CombineRule? { get }

    /// Checks its numbers before any compute.
    func validate() throws
}

extension GuidanceTerm {
    public var combination: CombineRule? { nil }
}

/// A row that a rule of guidance asks for: what it reads, and which adapters act in it.
public struct GuidanceRow: Sendable, Hashable {
    public var text: String
    public var role: RowRole

    public init(_ text: String, _ role: RowRole) {
        self.text = text
        self.role = role
    }
}

/// Whether a share of the training timesteps, from pure noise as 1, has been reached: `t <= start · T`.
func hasStarted(_ start: Double, at timestep: Float, of trainTimesteps: Int) -> Bool {
    Double(timestep) <= start * Double(trainTimesteps)
}

/// Checks the strength and the start of a rule.
func checkTerm(_ name: String, strength: Double, start: Double) throws {
    guard (-1000...1000).contains(strength) else {
        throw GenerationError("\(name): strength", expected: "-1000 to 1000", found: "\(strength)")
    }
    guard (0...1).contains(start) else {
        throw GenerationError("\(name): start", expected: "a share of the noise from 0 to 1", found: "\(start)")
    }
}
