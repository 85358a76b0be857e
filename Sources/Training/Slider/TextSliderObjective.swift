import Adapters
import DiffusionModels
import Generation
import Layers
import Samplers
import TensorCore

/// The objective of a text slider: `TextSliderLoss` at the draws and prompts of a recipe. Only conditional rows are
/// evaluated: at a guidance scale of 1 the others cancel.
/// Follows `train_lora.py` of rohitgandikota/sliders.
struct TextSliderObjective: Sendable {
    /// An entry with its prompts encoded.
    struct Entry: Sendable {
        let prompt: SliderPrompt
        let texts: ConceptTexts<TextConditioning>
    }

    let model: StableDiffusion
    let entries: [Entry]
    let directions: SliderRecipe.Stage.Directions
    private let checkpointing: CheckpointPolicy

    init(_ recipe: SliderRecipe, model: StableDiffusion) {
        self.model = model
        directions = recipe.training.directions ?? .positive
        checkpointing = .ofAdapters(runningBlocksAgain: recipe.training.checkpointsBlocks)
        var known: [String: TextConditioning] = [:]
        func encoded(_ text: String) -> TextConditioning {
            if let found = known[text] { return found }
            let made = model.text(text)
            known[text] = made
            return made
        }
        entries = recipe.entries.map { prompt in
            Entry(
                prompt: prompt,
                texts: ConceptTexts(
                    target: encoded(prompt.target), positive: encoded(prompt.positive),
                    opposite: encoded(prompt.opposite), neutral: encoded(prompt.neutral)))
        }
    }

    /// The loss of one draw under an adapter whose tensors are tracked; what else is in its stack acts in every
    /// evaluation.
    func loss(_ draw: SliderDraw, _ slider: AdapterStack) -> Tensor {
        let entry = entries[draw.entry]
        let sign = entry.prompt.action == .enhance ? 1.0 : -1.0
        let loss = TextSliderLoss(
            guidanceScale: sign * entry.prompt.guidanceScale, directions: directions, checkpointing: checkpointing)
        return loss(entry.texts, slider) { evaluate(draw, $0, $1) }
    }

    /// The predictions for several texts at the same latents, in one batch where the texts are equally long.
    func evaluate(_ draw: SliderDraw, _ texts: [TextConditioning], _ pass: Pass) -> [Tensor] {
        model.predictions(draw.latents, timestep: draw.timestep, texts: texts, pass, origin: draw.origin)
    }
}

extension StableDiffusion {
    /// What the UNet predicts for the same latents under several texts; adapters with schedules act as at this timestep.
    ///
    /// - Parameter origin: what models are told that read sizes; nil for a whole picture.
    func predictions(
        _ latents: Tensor, timestep: Float, texts: [TextConditioning], _ pass: Pass, origin: PictureOrigin? = nil
    ) -> [Tensor] {
        let batch = latents.size(0)
        let (height, width) = (latents.size(2) * latentFactor, latents.size(3) * latentFactor)
        var pass = pass
        if let stack = pass.adaptation as? AdapterStack {
            pass.adaptation = stack.at(
                SamplingMoment(
                    timestep: Double(timestep), latentHeight: latents.size(2), latentWidth: latents.size(3)))
        }
        func rows(_ tensor: Tensor) -> Tensor {
            batch == 1 ? tensor : concatenated([Tensor](repeating: tensor, count: batch), axis: 0)
        }
        func run(_ part: [TextConditioning], _ pass: Pass) -> Tensor {
            let added = part.compactMap {
                addedConditioning($0, width: width, height: height, origin: origin, isNegative: false)
            }
            return unet(
                concatenated([Tensor](repeating: latents, count: part.count), axis: 0),
                timesteps: Tensor([Float](repeating: timestep, count: batch * part.count)),
                context: concatenated(part.map { rows($0.context) }, axis: 0),
                added: added.isEmpty
                    ? nil
                    : AddedConditioning(
                        pooledText: concatenated(added.compactMap { $0.pooledText.map(rows) }, axis: 0),
                        timeIDs: concatenated(added.compactMap { $0.timeIDs.map(rows) }, axis: 0)), pass)
        }
        if Set(texts.map { $0.context.size(1) }).count == 1 { return run(texts, pass).chunked(0, count: texts.count) }
        return texts.map { run([$0], pass) }
    }
}
