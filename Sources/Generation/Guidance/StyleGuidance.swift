public import Adapters
import Layers
public import TensorCore

/// Style guidance of Pair Customization (arXiv 2405.01536, eq. 10 and 11): one branch for each style.
///
///     prediction = e0(∅) + scale · (e0(c) - e0(∅)) + sum over styles of strength · (e_style(c + phrase) - e0(c))
///
/// `e0` is the model with the sliders that act in every row; `e_style` has the style's adapter on top. Until
/// `t <= start · T` the picture is plainly guided. A strength of 0 leaves the row out, so the picture is the plain one to
/// the bit; at `strength = scale` what is left is `e0(∅) + scale · (e_style - e0(∅))`, without a case of its own.
public struct StyleGuidance: GuidanceTerm, Codable, Hashable {
    /// As users and axes of sweeps call it.
    public var name: String
    /// The number of its branch: its adapters act in rows of the role `.style(branch)`.
    public var branch: Int
    public var strength: Double
    /// The share of the training timesteps from which on it acts.
    public var start: Double
    /// What follows the prompt in its branch: `in ink style`.
    public var phrase: String
    /// How it goes together with the other styles that act at the moment; nil is added to them.
    public var combine: CombineRule?

    public init(_ name: String, branch: Int, strength: Double, start: Double = 1, phrase: String = "") {
        self.name = name
        self.branch = branch
        self.strength = strength
        self.start = start
        self.phrase = phrase
    }

    public func rows(prompt: String) -> [GuidanceRow] {
        let text = [prompt, phrase].filter { !$0.isEmpty }.joined(separator: " ")
        return [GuidanceRow(text, .style(branch))]
    }

    public func isActive(at timestep: Float, of trainTimesteps: Int) -> Bool {
        strength != 0 && hasStarted(start, at: timestep, of: trainTimesteps)
    }

    public func change(_ predictions: [Tensor], conditional: Tensor) -> Tensor {
        strength * (predictions[0] - conditional)
    }

    public var combination: CombineRule? { combine ?? .sum }

    public func validate() throws { try checkTerm("style \(name)", strength: strength, start: start) }
}
