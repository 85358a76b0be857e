public import DiffusionModels
public import Layers
public import TensorCore
public import Weights

/// A denoising UNet under the tracing engine: each prompt is latents at a timestep, with a context and, for SDXL's,
/// pooled text and sizes.
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
            try checkAdded(prompt, "prompt \(index)")
        }
        return prompts.map { _ in 1 }
    }

    /// SDXL's UNet reads `[pooled text | each size as waves]`, and others read none of it.
    private func checkAdded(_ prompt: PromptInput, _ subject: String) throws {
        let (pooled, sizes) = (prompt.pooledText?.shape ?? [], prompt.sizes ?? [])
        guard readsSizes, let width = model.configuration.projectionInputDim,
            let each = model.configuration.additionTimeEmbedDim
        else {
            guard pooled.isEmpty, sizes.isEmpty else {
                throw TraceError(
                    .input, subject, expected: "no pooled text and no sizes, which this UNet does not read",
                    found: "pooled text \(pooled) and \(sizes.count) sizes")
            }
            return
        }
        guard pooled.count == 1, sizes.count >= 1, pooled[0] + sizes.count * each == width else {
            throw TraceError(
                .input, subject,
                expected: "pooled text [channels] and sizes with channels + \(each) · sizes = \(width) (SDXL: 6 sizes)",
                found: "pooled text \(pooled) and \(sizes.count) sizes")
        }
    }

    private var readsSizes: Bool { model.configuration.additionEmbedType == "text_time" }

    /// Pooled text and sizes, a row for each prompt; nil for a UNet that reads none.
    func added(_ prompts: [PromptInput], on backend: any Backend) -> AddedConditioning? {
        guard readsSizes else { return nil }
        let sizes = prompts.map { Tensor(($0.sizes ?? []).map(Float.init)) }
        return AddedConditioning(
            pooledText: stacked(prompts.compactMap { $0.pooledText?.tensor.moved(to: backend) }),
            timeIDs: stacked(sizes.map { $0.moved(to: backend) }))
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
        _ = model(
            stacked(latents), timesteps: Tensor(times).moved(to: backend), context: stacked(context),
            added: added(prompts, on: backend), pass)
    }

    public func unembeddedShape(_ shape: [Int]) -> [Int]? { nil }
    public func unembedded(_ residual: Tensor) -> Tensor { residual }
    public var headPaths: Set<String> { [] }
    public var maximumSteps: Int { 1 }
}
