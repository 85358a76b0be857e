import DiffusionModels
import Generation
import Imaging
import Layers
import Measurement
import Optimizers
import TensorCore
import Weights
import World

/// Trains a probe on fresh renders and on pictures that came back from an autoencoder, in equal parts.
///
/// A tenth of each batch shows the other family, of which the probe only learns that it is not its own.
struct ProbeTrainer: StageTrainer {
    static let name = "probe"

    private(set) var learner: Learner
    private let recipe: ProbeRecipe
    private let scenes: FamilyScenes
    private let others: FamilyScenes
    private let roundTrips: RoundTrips

    init(recipe: ProbeRecipe, roundTrips: RoundTrips) throws {
        self.recipe = recipe
        self.roundTrips = roundTrips
        scenes = recipe.scenes
        others = FamilyScenes(recipe.probe.family == .portrait ? .landscape : .portrait, seed: recipe.data.seed)
        var parameters = try ParameterSet(initializing: recipe.seed) { weights in
            _ = try ProbeNetwork(recipe.probe, weights: weights)
        }
        parameters.silenceResiduals()
        learner = Learner(
            parameters: parameters.tensors, recipe: recipe.training.optimizer, totalSteps: recipe.training.steps,
            random: TorchGenerator(seed: recipe.seed))
    }

    var totalSteps: Int { recipe.training.steps }

    var precision: Precision { recipe.training.precision ?? .fp32 }

    mutating func restore(_ learner: Learner) { self.learner = learner }

    mutating func trainStep() throws -> [String: Double] {
        let stage = recipe.training
        let kinds = learner.random.uniform([stage.batch]).floats
        let picks = learner.random.integers(below: recipe.data.count, count: stage.batch)
        let step = try ShardedGradient(
            of: precision.operands(of: learner.parameters), batch: stage.batch, shards: stage.shards ?? 1
        ) { [recipe, scenes, others, roundTrips] rows, parameters in
            var (pictures, shown): ([Image], [Scene]) = ([], [])
            for row in rows {
                if kinds[row] < 0.45 {
                    let pair = roundTrips[picks[row] % roundTrips.count]
                    pictures.append(pair.picture)
                    shown.append(pair.scene)
                } else {
                    let scene = (kinds[row] < 0.9 ? scenes : others).scene(picks[row])
                    pictures.append(render(scene, size: recipe.probe.imageSize))
                    shown.append(scene)
                }
            }
            let family = recipe.probe.family
            let network = try ProbeNetwork(recipe.probe, weights: parameters.weights)
            let reading = network(Tensor(images: pictures))
            let traits = ProbeLoss(recipe.probe.traits)(reading.answers, scenes: shown, family: family)
            let own = Tensor(shown.map { $0.family == family ? 1 : 0 } as [Float])
            let kin = mean(softplus(reading.family) - own * reading.family)
            return .init(
                total: traits + 0.05 * kin, values: ["traits": Double(traits.item), "family": Double(kin.item)])
        }
        var values = step.values
        values["learning_rate"] = learner.learningRate
        values["gradient_norm"] = try learner.update(gradients: step.gradients)
        return values
    }

    func samplePicture() -> Image? { nil }
}

/// Pictures after a round trip through an autoencoder, with the scenes that they show.
struct RoundTrips: Sendable {
    private let pictures: [Image]
    private let scenes: [Scene]

    var count: Int { pictures.count }

    subscript(index: Int) -> (picture: Image, scene: Scene) { (pictures[index], scenes[index]) }

    /// Draws scenes and sends them through `autoencoder`, some at a time.
    init(
        _ source: FamilyScenes, count: Int, size: Int, autoencoder: AutoencoderKL, progress: (Int) throws -> Void
    ) throws {
        let scenes = (0..<count).map(source.scene)
        pictures = try autoencoder.roundTrips(count, progress: progress) { render(scenes[$0], size: size) }
        self.scenes = scenes
    }
}
