import Adapters
import Generation
import Layers
import Samplers
import TensorCore

/// What one draw of a pair's training learns from: both pictures with the same noise at the same timestep.
struct PairDraw: Sendable {
    /// The number of the pair.
    let pair: Int
    let timestep: Int
    /// `[1, channels, height, width]`, as are the clean latents.
    let noise: Tensor
    let content: Tensor
    let style: Tensor
}

/// The objective of Pair Customization (arXiv 2405.01536, eq. 5 to 7):
///
///     content = mean (v - e_{content}(x_t of the content picture, c))²
///     style   = mean (v' - e_{sg[content] + style}(x_t of the style picture, c + phrase))²
///
/// `v` is what the model predicts: the noise, or the velocity for v-prediction, which the original lacks. The second term
/// teaches the style alone: the content's factors are constants in it.
struct PairObjective: Sendable {
    /// A pair's prompts, encoded, and the sizes of its files.
    struct Entry: Sendable {
        let contentText: TextConditioning
        let styleText: TextConditioning
        var contentSize: (width: Int, height: Int)?
        var styleSize: (width: Int, height: Int)?
    }

    let model: StableDiffusion
    let entries: [Entry]
    var checkpointing = CheckpointPolicy.none
    private let schedule: NoiseSchedule

    init(_ entries: [Entry], model: StableDiffusion) throws {
        self.entries = entries
        self.model = model
        schedule = try NoiseSchedule(model.scheduler)
    }

    var trainTimesteps: Int { schedule.trainTimesteps }

    /// - Parameter content: the adapter of the draw's pair, its tensors tracked.
    func contentLoss(_ draw: PairDraw, content: Adapter) throws -> Tensor {
        let entry = entries[draw.pair]
        let picture = NoisyPicture(
            clean: draw.content, noise: draw.noise, timestep: draw.timestep, text: entry.contentText,
            originalSize: entry.contentSize)
        return try loss(of: picture, [content])
    }

    /// - Parameters:
    ///   - content: held constant here; nil for the baseline, which has none.
    ///   - style: its tensors tracked.
    func styleLoss(_ draw: PairDraw, content: Adapter?, style: Adapter) throws -> Tensor {
        let entry = entries[draw.pair]
        let constant = content.map { $0.replacing(parameters: $0.parameters.mapValues(\.detached)) }
        let picture = NoisyPicture(
            clean: draw.style, noise: draw.noise, timestep: draw.timestep, text: entry.styleText,
            originalSize: entry.styleSize)
        return try loss(of: picture, [constant, style].compactMap { $0 })
    }

    private func loss(of picture: NoisyPicture, _ adapters: [Adapter]) throws -> Tensor {
        let stack = try AdapterStack(adapters.map { StackEntry($0, isTrainable: true) }, sites: model.sites)
        return model.loss(of: picture, schedule, Pass(adaptation: stack, checkpointing: checkpointing))
    }
}
