import DiffusionModels
public import Generation
public import Imaging
import Layers
import Optimizers
import TensorCore
import Weights
import World

/// Trains the autoencoder on random crops of rendered pictures.
public struct AutoencoderTrainer: StageTrainer {
    public static let name = "autoencoder"

    public private(set) var learner: Learner
    private let recipe: BaseRecipe
    private let pictures: SceneSampler
    private let anchor: LatentAnchor?

    public init(recipe: BaseRecipe, warmStart: WarmStart? = nil) throws {
        self.recipe = recipe
        pictures = recipe.data.sampler()
        var parameters = try ParameterSet(initializing: recipe.seed) { weights in
            _ = try AutoencoderKL(recipe.vae, weights: weights)
        }
        parameters.silenceResiduals()
        let start = PyramidStart(recipe.vae, logVariance: recipe.autoencoder.initialLogVariance)
        start?.apply(to: &parameters)
        try warmStart?.replace("vae", prefix: "", in: &parameters)
        let trained = parameters.tensors
        anchor = try recipe.autoencoder.latentAnchor.map { weight in
            LatentAnchor(
                weight: weight,
                reference: try AutoencoderKL(
                    recipe.vae, weights: ParameterSet(trained.mapValues(\.detached)).weights))
        }
        learner = Learner(
            parameters: parameters.tensors, recipe: recipe.autoencoder.optimizer,
            totalSteps: recipe.autoencoder.steps, random: TorchGenerator(seed: recipe.seed),
            groups: start?.groups ?? [])
    }

    public var totalSteps: Int { recipe.autoencoder.steps }

    public var precision: Precision { recipe.autoencoder.precision ?? .fp32 }

    public mutating func restore(_ learner: Learner) { self.learner = learner }

    public mutating func trainStep() throws -> [String: Double] {
        let stage = recipe.autoencoder
        let (original, isPlain) = drawCrops(count: stage.batch, crop: stage.crop)
        let factor = recipe.vae.downsamplingFactor
        let noise = learner.random.normal(
            [stage.batch, recipe.vae.latentChannels, stage.crop / factor, stage.crop / factor])
        let strengths = stage.decoderNoise.map { learner.random.uniform([stage.batch, 1, 1, 1]) * $0 }
        let step = try ShardedGradient(
            of: precision.operands(of: learner.parameters), batch: stage.batch, shards: stage.shards ?? 1
        ) { [recipe, anchor, trainsDecoderAlone] rows, parameters in
            func part(_ tensor: Tensor) -> Tensor { tensor.narrowed(0, start: rows.lowerBound, count: rows.count) }
            let autoencoder = try AutoencoderKL(recipe.vae, weights: parameters.weights)
            var encoder = autoencoder
            if trainsDecoderAlone {
                let frozen = ParameterSet(parameters.tensors.mapValues(\.detached)).weights
                encoder = try AutoencoderKL(recipe.vae, weights: frozen)
            }
            let posterior = encoder.encode(part(original), Pass())
            var latents = posterior.sample(noise: part(noise))
            if let strengths {
                let spread = Double(variance(posterior.mean.detached).item).squareRoot()
                latents = posterior.mean + part(strengths) * spread * part(noise)
            }
            let loss = ReconstructionLoss(
                original: part(original), decoded: autoencoder.decode(latents, Pass()), posterior: posterior,
                stage: recipe.autoencoder)
            var total = loss.total
            var values = ["absolute": Double(loss.absolute.item), "kl": Double(loss.divergence.item)]
            if let anchor {
                let held = anchor.loss(of: posterior.mean, original: part(original), isPlain: part(isPlain))
                values["anchor"] = Double(held.item)
                total = total + held
            }
            return .init(total: total, values: values)
        }
        let isDecoder = { (path: String) in path.hasPrefix("decoder.") || path.hasPrefix("post_quant_conv.") }
        let gradients = trainsDecoderAlone ? step.gradients.filter { isDecoder($0.key) } : step.gradients
        var values = step.values
        values["learning_rate"] = learner.learningRate
        values["gradient_norm"] = try learner.update(gradients: gradients)
        return values
    }

    /// With noise on its latents and nothing that holds them, an encoder stays as it is.
    private var trainsDecoderAlone: Bool { recipe.autoencoder.decoderNoise != nil && anchor == nil }

    /// `[count, 3, crop, crop]` in -1...1, each from another scene, and 1 for each that is plain, else 0, `[count]`.
    private mutating func drawCrops(count: Int, crop: Int) -> (pictures: Tensor, isPlain: Tensor) {
        let size = recipe.data.size
        let scenes = learner.random.integers(below: recipe.data.count, count: count)
        let corners = learner.random.integers(below: size - crop + 1, count: 2 * count)
        let styles = drawStyles(count: count)
        let images = scenes.enumerated().map { index, scene in
            render(pictures.sample(index: scene), style: styles[index], size: size)
                .cropped(x: corners[2 * index], y: corners[2 * index + 1], width: crop, height: crop)
        }
        return (Tensor(images: images), Tensor(styles.map { Float($0 == .plain ? 1 : 0) }, shape: [count]))
    }

    private mutating func drawStyles(count: Int) -> [SceneStyle] {
        guard let share = recipe.autoencoder.styledShare else { return [SceneStyle](repeating: .plain, count: count) }
        let styled = SceneStyle.allCases.filter { $0 != .plain }
        let draws = learner.random.uniform([count]).floats
        let picks = learner.random.integers(below: styled.count, count: count)
        return zip(draws, picks).map { Double($0) < share ? styled[$1] : .plain }
    }

    /// Originals above, reconstructions below.
    public func samplePicture() throws -> Image? {
        let styles = recipe.autoencoder.styledShare == nil ? [.plain] : SceneStyle.allCases
        let originals = (0..<8).map {
            render(
                pictures.sample(index: recipe.data.count + $0), style: styles[$0 % styles.count], size: recipe.data.size
            )
        }
        let autoencoder = try AutoencoderKL(
            recipe.vae, weights: ParameterSet(learner.average.parameters).weights)
        let decoded = autoencoder.decode(autoencoder.encode(Tensor(images: originals), Pass()).mean, Pass())
        return grid(of: originals + decoded.images(), columns: 8)
    }
}
