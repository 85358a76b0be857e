public import Layers
public import TensorCore
public import Weights

/// Where a forward call stands within a run.
public struct StepContext: Sendable {
    public let step: Int
    /// Tokens before this call and of this call, padding included.
    public let past: Int
    public let count: Int
    /// Tokens at the left of each row that are padding.
    public let padding: [Int]
}

/// A model that graphs can be run on: it knows its sites, runs rows side by side, and visits a plan.
public protocol TraceableModel: Sendable {
    var sites: SiteIndex { get }
    var aliases: SiteAliases { get }

    /// The sites in their order, with shapes; remembered by whoever asks often.
    func scan(_ prompts: [PromptInput]) throws -> SiteScan

    /// How many tokens each prompt has; 1 where there are none.
    ///
    /// - Throws: `TraceError` for a prompt that the model cannot read.
    func tokenCounts(_ prompts: [PromptInput]) throws -> [Int]

    /// Runs prompts side by side, one call a step.
    ///
    /// - Parameters:
    ///   - lastOnly: whether only the logits of the last token are needed.
    ///   - plan: what is visited in a step.
    /// - Returns: the tokens that were added to each prompt.
    func run(
        _ prompts: [PromptInput], steps: Int, lastOnly: Bool, plan: (StepContext) -> SitePlan
    ) throws -> [[Int]]

    /// The shape of the logits of residuals, `[..., vocabulary]`; nil for models without a head.
    func unembeddedShape(_ shape: [Int]) -> [Int]?
    func unembedded(_ residual: Tensor) -> Tensor

    /// The paths of the sites whose first axis is the tokens that logits are computed for.
    var headPaths: Set<String> { get }
    /// The most tokens that a row may come to, its prompt and those that steps add and read; nil without a limit.
    var maximumTokens: Int? { get }
    /// The most steps that a run may take; 1 where there are no further ones.
    var maximumSteps: Int { get }
}

extension TraceableModel {
    public var maximumTokens: Int? { nil }
}
