public import DiffusionModels
public import Layers
public import TensorCore
public import Weights

/// A denoising UNet under the tracing engine: each prompt is latents at a timestep, with a context.
///
/// Rows run in one batch when their latents and contexts have one shape, which the engine checks.
public struct TracedUNet: TraceableModel {
    public let model: UNet2DConditionModel
    public let sites: SiteIndex
    public let pass: Pass

    /// - Parameter sites: the index that the model was built with; it may know other models, too.
    public init(_ model: UNet2DConditionModel, sites: SiteIndex, pass: Pass = Pass()) {
        self.model = model
        self.sites = sites
        self.pass = pass
    }

    public var aliases: SiteAliases { .unet }

    /// One forward call of two rows of the first prompt, in which nothing is computed.
    public func scan(_ prompts: [PromptInput]) throws -> SiteScan {
        let first = Array(prompts.prefix(1))
        _ = try tokenCounts(first)
        return try SiteScan.learned(sites, isRepeated: false) { _, plan in
            try forward(first + first, on: ShapeBackend.shared) { _ in plan }
        }
    }

    public func tokenCounts(_ prompts: [PromptInput]) throws -> [Int] {
        guard model.configuration.additionEmbedType != "text_time" else {
            throw TraceError(
                .unsupported, "model", expected: "a UNet that is told a time and a context",
                found: "one that wants pooled text and sizes, too (SDXL)")
        }
        for (index, prompt) in prompts.enumerated() {
            guard let latents = prompt.latents, let context = prompt.context, prompt.timestep != nil,
                latents.shape.count == 3, latents.shape[0] == model.configuration.inChannels, context.shape.count == 2
            else {
                throw TraceError(
                    .input, "prompt \(index)",
                    expected:
                        "latents [\(model.configuration.inChannels), height, width], a timestep and a context [tokens, width]",
                    found: "\(prompt.latents?.shape ?? []) and \(prompt.context?.shape ?? [])")
            }
            guard latents.shape == prompts[0].latents?.shape, context.shape == prompts[0].context?.shape else {
                throw TraceError(
                    .input, "prompt \(index)", expected: "the shapes of prompt 0",
                    found: "\(latents.shape), \(context.shape)")
            }
        }
        return prompts.map { _ in 1 }
    }

    public func run(
        _ prompts: [PromptInput], steps: Int, lastOnly: Bool, plan: (StepContext) -> SitePlan
    ) throws -> [[Int]] {
        try forward(prompts, on: CPUBackend.shared, plan: plan)
        return prompts.map { _ in [] }
    }

    private func forward(
        _ prompts: [PromptInput], on backend: any Backend, plan: (StepContext) -> SitePlan
    ) throws {
        let latents = prompts.compactMap { $0.latents?.tensor.moved(to: backend) }
        let context = prompts.compactMap { $0.context?.tensor.moved(to: backend) }
        let times = prompts.map { Float($0.timestep ?? 0) }
        var pass = pass
        pass.plan = plan(StepContext(step: 0, past: 0, count: 1, padding: prompts.map { _ in 0 }))
        _ = model(stacked(latents), timesteps: Tensor(times).moved(to: backend), context: stacked(context), pass)
    }

    public func unembeddedShape(_ shape: [Int]) -> [Int]? { nil }
    public func unembedded(_ residual: Tensor) -> Tensor { residual }
    public var headPaths: Set<String> { [] }
    public var maximumSteps: Int { 1 }
}
