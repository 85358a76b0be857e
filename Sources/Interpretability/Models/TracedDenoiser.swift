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
        /// `[tokens, width]`; the prompts' contexts may have another number of tokens.
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
        // Of any number of tokens: long prompts have more of them than the text that guidance leads away from.
        if let guidance, let context = prompts.first?.context,
            guidance.unconditional.rank != 2 || guidance.unconditional.size(1) != context.shape.last
        {
            throw TraceError(
                .input, "guidance", expected: "an unconditional context [tokens, \(context.shape.last ?? 0)]",
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
        let readings = readings(prompts, on: backend)
        let pass = unet.pass
        for step in 0..<steps {
            var pass = pass
            pass.plan = plan(StepContext(step: step, past: 0, count: 1, padding: prompts.map { _ in 0 }))
            latents = pass.visit(latentsSite, .input, latents)
            if pass.isFinished { break }
            let input = sampler.modelInput(latents, at: step)
            var predictions: [Tensor] = []
            for (index, reading) in readings.enumerated() {
                var own = pass
                own.rows = reading.roles
                // The sites are those of the prompts, which come first.
                if index > 0 { own.plan = nil }
                let halves = reading.roles.count / prompts.count
                let output = unet.model(
                    halves == 1 ? input : concatenated([input, input], axis: 0),
                    timesteps: Tensor(
                        [Float](repeating: sampler.evaluations[step].timestep, count: reading.roles.count)),
                    context: reading.context, added: reading.added, own)
                if own.isFinished { return }
                predictions += halves == 1 ? [output] : output.chunked(0, count: halves)
            }
            var prediction = predictions[0]
            if let guidance { prediction = predictions[1] + (predictions[0] - predictions[1]) * guidance.scale }
            latents = sampler.step(prediction, latents: latents, at: step, random: &random)
            latents = pass.visit(latentsSite, .output, latents)
        }
    }

    /// What one call of the UNet reads, a row for each role.
    private struct Reading {
        var context: Tensor
        var added: AddedConditioning?
        var roles: [RowRole]
    }

    /// The prompts and, in the same call, the text that guidance leads away from; in a call of its own where that has
    /// another number of tokens, as in drawing.
    private func readings(_ prompts: [PromptInput], on backend: any Backend) -> [Reading] {
        let prompted = Reading(
            context: stacked(prompts.compactMap { $0.context?.tensor.moved(to: backend) }),
            added: unet.added(prompts, on: backend), roles: prompts.map { _ in .conditional })
        guard let guidance else { return [prompted] }
        func repeated(_ vector: Tensor) -> Tensor {
            stacked([Tensor](repeating: vector.moved(to: backend), count: prompts.count))
        }
        let away = Reading(
            context: repeated(guidance.unconditional),
            added: prompted.added.map { added in
                AddedConditioning(
                    pooledText: guidance.unconditionalPooledText.map(repeated), timeIDs: added.timeIDs)
            }, roles: prompts.map { _ in .unconditional })
        guard away.context.size(1) == prompted.context.size(1) else { return [prompted, away] }
        return [
            Reading(
                context: concatenated([prompted.context, away.context], axis: 0),
                added: prompted.added.map { added in
                    AddedConditioning(
                        pooledText: added.pooledText.map {
                            concatenated([$0] + [away.added?.pooledText].compactMap { $0 }, axis: 0)
                        },
                        timeIDs: added.timeIDs.map { concatenated([$0, $0], axis: 0) })
                }, roles: prompted.roles + away.roles)
        ]
    }

    public func unembeddedShape(_ shape: [Int]) -> [Int]? { nil }
    public func unembedded(_ residual: Tensor) -> Tensor { residual }
    public var headPaths: Set<String> { [] }
    public var maximumSteps: Int { sampler.evaluations.count }
}
