internal import DiffusionModels
public import Layers
public import Samplers
public import TensorCore
public import Weights

/// A UNet that takes noise away step by step, under the tracing engine: a step of a graph is an evaluation of the model.
///
/// A prompt is unit noise and a context; its timestep is not read. Besides the UNet's sites there is `latents`: its
/// `input` is what a step begins with, its `output` what the sampler makes of the step. Under guidance the sites of the
/// UNet are those of the conditional half:
///
///     prediction = unconditional + scale · (conditional - unconditional)
///
/// Samplers that add noise draw it for the whole batch, so there a prompt among others is not what it is alone.
public struct TracedDenoiser: TraceableModel {
    /// Guidance away from a context.
    public struct Guidance: Sendable {
        public let scale: Double
        /// `[tokens, width]`, as the prompts' contexts.
        public let unconditional: Tensor
        /// `[width]`, for a model that reads pooled text; its sizes are those of the prompts.
        public let unconditionalPooledText: Tensor?

        public init(scale: Double, unconditional: Tensor, unconditionalPooledText: Tensor? = nil) {
            self.scale = scale
            self.unconditional = unconditional
            self.unconditionalPooledText = unconditionalPooledText
        }
    }

    public let unet: TracedUNet
    public let sampler: Sampler
    public let guidance: Guidance?
    private let seed: UInt64
    private let latentsSite: Int

    /// - Parameter seed: of the noise that some samplers add.
    public init(_ unet: TracedUNet, sampler: Sampler, guidance: Guidance? = nil, seed: UInt64 = 0) {
        self.unet = unet
        self.sampler = sampler
        self.guidance = guidance
        self.seed = seed
        latentsSite = unet.sites.register("latents")
    }

    public var sites: SiteIndex { unet.sites }
    public var aliases: SiteAliases { unet.aliases }

    /// One evaluation of two rows of the first prompt, in which nothing is computed.
    public func scan(_ prompts: [PromptInput]) throws -> SiteScan {
        let first = Array(prompts.prefix(1))
        _ = try tokenCounts(first)
        return SiteScan.learned(sites, isRepeated: false) { _, plan in
            denoise(first + first, steps: 1, on: ShapeBackend.shared) { _ in plan }
        }
    }

    public func tokenCounts(_ prompts: [PromptInput]) throws -> [Int] {
        let counts = try unet.tokenCounts(prompts)
        if let guidance, let context = prompts.first?.context, guidance.unconditional.shape != context.shape {
            throw TraceError(
                .input, "guidance", expected: "an unconditional context \(context.shape)",
                found: "\(guidance.unconditional.shape)")
        }
        let pooled = prompts.first?.pooledText
        if let guidance, guidance.unconditionalPooledText?.shape != pooled?.shape {
            throw TraceError(
                .input, "guidance",
                expected: pooled.map { "unconditional pooled text \($0.shape)" } ?? "no pooled text",
                found: "\(guidance.unconditionalPooledText?.shape ?? [])")
        }
        return counts
    }

    public func run(
        _ prompts: [PromptInput], steps: Int, lastOnly: Bool, plan: (StepContext) -> SitePlan
    ) throws -> [[Int]] {
        denoise(prompts, steps: steps, on: CPUBackend.shared, plan: plan)
        return prompts.map { _ in [] }
    }

    private func denoise(
        _ prompts: [PromptInput], steps: Int, on backend: any Backend, plan: (StepContext) -> SitePlan
    ) {
        var sampler = sampler
        var random = TorchGenerator(seed: seed)
        var latents =
            stacked(prompts.compactMap { $0.latents?.tensor.moved(to: backend) }) * Double(sampler.initialNoiseScale)
        var context = stacked(prompts.compactMap { $0.context?.tensor.moved(to: backend) })
        var added = unet.added(prompts, on: backend)
        var pass = unet.pass
        pass.rows = prompts.map { _ in .conditional }
        if let guidance {
            if let pooled = guidance.unconditionalPooledText?.moved(to: backend), let rows = added {
                added = AddedConditioning(
                    pooledText: rows.pooledText.map {
                        concatenated([$0] + prompts.map { _ in pooled.unsqueezed(0) }, axis: 0)
                    },
                    timeIDs: rows.timeIDs.map { concatenated([$0, $0], axis: 0) })
            }
            context = concatenated([context] + prompts.map { _ in guidance.unconditional.unsqueezed(0) }, axis: 0)
            pass.rows += prompts.map { _ in .unconditional }
        }
        for step in 0..<steps {
            pass.plan = plan(StepContext(step: step, past: 0, count: 1, padding: prompts.map { _ in 0 }))
            latents = pass.visit(latentsSite, .input, latents)
            let input = sampler.modelInput(latents, at: step)
            let rows = guidance == nil ? input : concatenated([input, input], axis: 0)
            let time = Tensor([Float](repeating: sampler.evaluations[step].timestep, count: rows.size(0)))
            if pass.isFinished { break }
            var prediction = unet.model(rows, timesteps: time, context: context, added: added, pass)
            if pass.isFinished { break }
            if let guidance {
                let halves = prediction.chunked(0, count: 2)
                prediction = halves[1] + (halves[0] - halves[1]) * guidance.scale
            }
            latents = sampler.step(prediction, latents: latents, at: step, random: &random)
            latents = pass.visit(latentsSite, .output, latents)
        }
    }

    public func unembeddedShape(_ shape: [Int]) -> [Int]? { nil }
    public func unembedded(_ residual: Tensor) -> Tensor { residual }
    public var headPaths: Set<String> { [] }
    public var maximumSteps: Int { sampler.evaluations.count }
}
