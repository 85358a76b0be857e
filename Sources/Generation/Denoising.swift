public import Adapters
import DiffusionModels
public import Imaging
public import Layers
import Samplers
public import TensorCore

/// One picture in the making: each `advance()` removes some noise.
///
/// A value: copy it to branch off, drop it to stop.
///
/// Follows diffusers `pipeline_stable_diffusion.py` and its image-to-image and inpainting kin: rows are [unconditional,
/// conditional], the initial noise is scaled by the sampler, the final latents are divided by the autoencoder's scaling
/// factor.
public struct Denoising: Sendable {
    public private(set) var latents: Tensor
    /// Steps done, those that a starting picture skips included.
    public private(set) var step: Int
    /// The first step that is taken: more than 0 with a starting picture.
    public let firstStep: Int
    /// Steps that the first pass has more than the second one skips; 0 in the first pass.
    private var stepOffset = 0
    private var hires: HiresFix?
    private var request: GenerationRequest
    private var sampler: Sampler
    /// Evaluations of the model done.
    private var evaluation: Int
    private var random: any RandomSource
    let model: StableDiffusion
    private var guided: GuidedRows
    private let start: StartingLatents?
    /// What the picture was inverted to, and the evaluation that it begins at.
    private let inverted: InvertedPicture?
    private var inpainting: InpaintingChannels?
    private var pass: Pass
    private var base: LockedBase?
    private var words: WordPlaces?

    /// Encodes the prompts, and the starting picture if there is one, and draws the initial noise.
    ///
    /// - Parameter inverted: what an `InversionRun` of this request and picture found; nil finds it now, which takes as
    ///   long as a picture does, and with a tuning several times that.
    /// - Throws: `GenerationError` for a size or count that the model cannot do; the sampler's error for its name.
    public init(
        _ request: GenerationRequest, model: StableDiffusion, startingFrom picture: StartingPicture? = nil,
        inverted: InvertedPicture? = nil, pass: Pass = Pass()
    ) throws {
        try request.validate(for: model)
        try picture?.validate(for: request)
        guard picture == nil || request.hires == nil else {
            throw GenerationError("hires", expected: "no starting picture beside it", found: "one")
        }
        var pass = pass
        if let stack = pass.adaptation as? AdapterStack {
            pass.adaptation = stack.softened(width: request.width, height: request.height)
        }
        self.request = request
        hires = request.hires
        self.model = model
        self.pass = pass
        words = try WordPlaces(pass, request, model)
        sampler = try request.makeSampler(picture?.inversion == nil ? model.scheduler : model.scheduler.unclipped)
        if let hires = request.hires {
            _ = try hires.request(from: request, latentFactor: model.latentFactor).makeSampler(model.scheduler)
        }
        random = request.noiseSource.generator(seed: request.seed)
        guided = GuidedRows(request, model, pass)
        firstStep = picture?.firstStep(of: sampler.stepCount) ?? 0
        step = firstStep
        evaluation = sampler.begin(at: firstStep)
        // An inpainting UNet that starts from pure noise draws that noise first.
        if let picture, picture.inversion != nil {
            let inverted = try inverted ?? InversionRun(of: picture, request, model: model).completed()
            try inverted.check(request, model, from: evaluation, of: sampler.evaluations.count)
            latents = inverted.latents
            self.inverted = inverted
            start = nil
        } else if let picture, !model.readsMask || picture.strength < 1 {
            let start = try StartingLatents(picture, request, model, random: &random, pass)
            latents = start.initial(sampler, at: evaluation)
            self.start = model.readsMask ? nil : start
            self.inverted = nil
        } else {
            let factor = model.latentFactor
            let channels = model.autoencoder.configuration.latentChannels
            let shape = [1, channels, request.height / factor, request.width / factor]
            latents = random.normal(shape) * Double(sampler.initialNoiseScale)
            start = nil
            self.inverted = nil
        }
        inpainting = InpaintingChannels(picture, request, model, random: &random, pass)
        base = LockedBase(pass, request, model, latents: latents, sampler: sampler, random: random)
        guard base == nil || request.hires == nil else {
            throw GenerationError("hires", expected: "no locked region beside it", found: "one")
        }
    }

    /// Steps of all passes.
    public var totalSteps: Int {
        let steps = stepOffset + sampler.stepCount
        guard let hires else { return steps }
        let second = hires.steps ?? request.steps
        return steps + second - hires.firstStep(of: second)
    }
    public var isComplete: Bool { step == totalSteps }
    /// The sampler's canonical name.
    public var samplerName: String { sampler.method.name }

    /// The schedule's canonical name; nil where the model's timesteps serve as they are.
    public var scheduleName: String? { sampler.chosenSchedule?.name }

    /// What the model is told at each evaluation of this pass.
    var evaluationTimesteps: [Float] { sampler.timesteps }

    /// Where the regional adapters act, all together, as far as it is known; nil where none is regional.
    public var adapterRegion: RegionMask? { placedStack?.region }

    /// The adapters, those of words where the words are.
    private var placedStack: AdapterStack? { (pass.adaptation as? AdapterStack).map { words?.placed($0) ?? $0 } }

    /// What the model is told at each evaluation of the next step; none at the end of this pass.
    public var nextTimesteps: [Float] {
        let rest = sampler.evaluations[min(evaluation, sampler.evaluations.count)...]
        let last = rest.firstIndex { $0.completesStep }.map { $0 + 1 } ?? rest.endIndex
        return rest[..<last].map(\.timestep)
    }

    /// The same picture, from here on under other adapters of the UNet: several pictures that begin alike share their
    /// beginning. Texts stay as they are encoded.
    ///
    /// - Precondition: neither pass has regions, which are placed from the first step on.
    public func continued(_ pass: Pass) -> Denoising {
        let stacks = [self.pass.adaptation, pass.adaptation].compactMap { $0 as? AdapterStack }
        precondition(!stacks.contains { $0.entries.contains(where: \.isRegional) }, "continued: a region")
        var copy = self
        copy.pass = pass
        return copy
    }

    /// Takes the next step, which asks the model as often as the sampler needs.
    public mutating func advance() {
        precondition(!isComplete, "advance: all \(totalSteps) steps are done")
        if let hires, step == sampler.stepCount { enlarge(hires) }
        var isWithinStep = true
        while isWithinStep {
            evaluate()
            isWithinStep = !sampler.evaluations[evaluation - 1].completesStep
        }
        step += 1
    }

    /// Takes all steps that are left.
    public mutating func advanceToEnd() {
        while !isComplete { advance() }
    }

    /// Asks the model once.
    private mutating func evaluate() {
        var input = sampler.modelInput(latents, at: evaluation)
        if let inpainting { input = concatenated([input, inpainting.channels], axis: 1) }
        let timestep = sampler.evaluations[evaluation].timestep
        let moment = moment(of: sampler.evaluations[evaluation])
        let maps = words.flatMap { _ in
            CrossAttentionMaps(model.sites, height: latents.size(2), width: latents.size(3))
        }
        var pass = pass
        let stack = placedStack
        if let stack { pass.adaptation = stack.at(moment) }
        let context = inverted?.unconditionalContext(at: evaluation)
        let output = guided.predict(
            input, timestep: timestep, model.unet, pass, unconditional: context, watching: maps)
        if let maps { words?.gather(maps) }
        latents = sampler.step(output, latents: latents, at: evaluation, random: &random)
        if var base {
            latents = base.evaluate(
                evaluation, model: model, at: moment, beside: inpainting?.channels, unconditional: context,
                mixing: latents, in: stack?.lockedRegion)
            self.base = base
        }
        evaluation += 1
        if let start {
            let next = evaluation < sampler.evaluations.count ? evaluation : nil
            latents = start.restored(latents, sampler, next: next)
        }
    }

    private func moment(of evaluation: Evaluation) -> SamplingMoment {
        SamplingMoment(
            timestep: Double(evaluation.timestep), fraction: Double(step) / Double(totalSteps),
            sigma: Double(evaluation.sigma), latentHeight: latents.size(2), latentWidth: latents.size(3))
    }

    /// Begins the second pass: larger latents, with the noise of the step that it starts at.
    private mutating func enlarge(_ hires: HiresFix) {
        self.hires = nil
        let second = hires.request(from: request, latentFactor: model.latentFactor)
        // The sampler is of the same kind; `init` made one for these steps.
        guard let next = try? second.makeSampler(model.scheduler) else { preconditionFailure("hires: no sampler") }
        let first = hires.firstStep(of: next.stepCount)
        stepOffset = step - first
        request = second
        sampler = next
        evaluation = sampler.begin(at: first)
        random = second.noiseSource.generator(seed: second.seed)
        guided = GuidedRows(second, model, pass)
        let factor = model.latentFactor
        let clean = hires.upscaler(latents, height: second.height / factor, width: second.width / factor)
        latents = sampler.noised(clean, noise: random.normal(clean.shape), at: evaluation)
        inpainting = InpaintingChannels(nil, second, model, random: &random, pass)
    }

    /// The picture that the model had in mind at the last evaluation, in latents: good for a preview.
    public var denoised: Tensor? { sampler.denoised }

    /// The picture of the present latents; outside a locked region it is the base's.
    ///
    /// - Throws: `GenerationError` for latents or colours that are infinite or NaN.
    public func picture() throws(GenerationError) -> Image {
        let tiles = request.tiles(for: model.autoencoder)
        let drawn = try model.picture(of: latents, tiles: tiles, pass)
        guard let base else { return drawn }
        let plain = try model.picture(of: base.latents, tiles: tiles, pass)
        guard let region = placedStack?.lockedRegion else { return plain }
        return drawn.kept(in: region, over: plain, height: latents.size(2), width: latents.size(3))
    }
}

extension StableDiffusion {
    /// Decodes latents of the diffusion model's scale.
    ///
    /// - Parameters:
    ///   - tiles: to decode in; nil decodes all at once.
    ///   - usesTiny: whether the tiny autoencoder decodes where there is one.
    /// - Throws: `GenerationError` for latents or colours that are infinite or NaN.
    func picture(
        of latents: Tensor, tiles: DecodingTiles? = nil, usesTiny: Bool = true, _ pass: Pass = Pass()
    ) throws(GenerationError) -> Image {
        guard latents.isFinite else {
            throw GenerationError(
                files.model, expected: "weights that give finite latents", found: "infinite or NaN ones")
        }
        let (decoded, path) = decoded(latents, tiles: tiles, usesTiny: usesTiny, pass)
        guard decoded.isFinite else {
            throw GenerationError(
                path, expected: "an autoencoder that gives finite colours for finite latents",
                found: "infinite or NaN ones (another one takes its place with --vae)")
        }
        return decoded.images()[0]
    }

    /// The colours, and the path of what decoded them.
    private func decoded(
        _ latents: Tensor, tiles: DecodingTiles?, usesTiny: Bool, _ pass: Pass
    ) -> (Tensor, path: String) {
        if usesTiny, let tinyAutoencoder {
            return (tinyAutoencoder.decode(latents, pass), files.tinyAutoencoder ?? files.model)
        }
        let unscaled = autoencoder.unscaled(latents)
        let decoded =
            tiles.map { autoencoder.decodeTiled(unscaled, by: $0, pass) } ?? autoencoder.decode(unscaled, pass)
        return (decoded, files.autoencoder)
    }
}

extension GenerationRequest {
    /// The tiles that the picture is decoded in, nil for none.
    fileprivate func tiles(for autoencoder: AutoencoderKL) -> DecodingTiles? {
        guard vaeTiling ?? false else { return nil }
        guard let vaeTileSize else { return autoencoder.tiles }
        return DecodingTiles(side: vaeTileSize, factor: autoencoder.configuration.downsamplingFactor)
    }
}
