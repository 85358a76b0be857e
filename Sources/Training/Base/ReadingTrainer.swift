public import Generation
public import Imaging
import Layers
import Optimizers
import TensorCore
import TextModels
public import Tokenizers
import Weights
import World

/// Teaches the text encoder to read before anything is drawn: from its states it is to say what the caption names.
///
/// A fresh encoder's states hardly differ between captions, and where a caption is short most of them are padding, so
/// a UNet that attends to them evenly at first finds nothing to follow. Here every state from the end token on learns
/// to hold the whole caption, as a CLIP encoder's would by its own training. One linear layer, thrown away afterwards,
/// reads the named classes:
///
///     loss = mean over states and classes of softplus(z) - y · z,    z = head(state), y = 1 for a class that is named
public struct ReadingTrainer: StageTrainer {
    public static let name = "reading"

    public private(set) var learner: Learner
    private let recipe: BaseRecipe
    private let stage: BaseRecipe.ReadingStage
    private let tokenizer: CLIPTokenizer
    private let scenes: SceneSampler
    private let classes: [NamedAttribute: Int]

    public init(
        recipe: BaseRecipe, stage: BaseRecipe.ReadingStage, tokenizer: CLIPTokenizer
    ) throws {
        self.recipe = recipe
        self.stage = stage
        self.tokenizer = tokenizer
        scenes = recipe.data.sampler()
        classes = Self.classes(of: scenes)
        let count = classes.count
        let parameters = try ParameterSet(initializing: recipe.seed &+ 1) { weights in
            _ = try CLIPTextModel(recipe.textEncoder, weights: weights.scope("text_encoder"))
            _ = try Linear(recipe.textEncoder.hiddenSize, count, weights.scope("head"))
        }
        learner = Learner(
            parameters: parameters.tensors, recipe: stage.optimizer, totalSteps: stage.steps,
            random: TorchGenerator(seed: recipe.seed &+ 3))
    }

    public var totalSteps: Int { stage.steps }

    public var precision: Precision { stage.precision ?? .fp32 }

    public mutating func restore(_ learner: Learner) { self.learner = learner }

    /// Every class that scenes have, numbered in the order of their names.
    private static func classes(of scenes: SceneSampler) -> [NamedAttribute: Int] {
        let found = Set((0..<4096).flatMap { scenes.sample(index: $0).labels })
        let sorted = found.sorted { ($0.attribute.rawValue, $0.value) < ($1.attribute.rawValue, $1.value) }
        return Dictionary(uniqueKeysWithValues: sorted.enumerated().map { ($1, $0) })
    }

    public mutating func trainStep() throws -> [String: Double] {
        let captions = drawCaptions()
        let targets = classesNamed(in: captions)
        let mask = fromEndOn(captions)

        let parameters = ParameterSet(precision.operands(of: learner.parameters)).tracked()
        let encoder = try CLIPTextModel(recipe.textEncoder, weights: parameters.weights.scope("text_encoder"))
        let head = try Linear(recipe.textEncoder.hiddenSize, classes.count, parameters.weights.scope("head"))
        let pass = Pass()
        let tokens = tokenizer.rows(of: captions.map(\.text))
        let logits = head(encoder(tokens, pass).lastHiddenState, pass)
        let errors = mean(softplus(logits) - targets * logits, axes: [2])
        let loss = sum(errors * mask) / sum(mask)
        let read = compare(.greater, logits.detached, Tensor(scalar: 0)).converted(to: .float32)
        let named = targets * mask.unsqueezed(2)
        let recall = sum(read * named) / sum(named)
        let rate = learner.learningRate
        let norm = try learner.update(gradients: parameters.gradients(gradients(of: loss)))
        return [
            "loss": Double(loss.item), "recall": Double(recall.item), "gradient_norm": norm, "learning_rate": rate,
        ]
    }

    private mutating func drawCaptions() -> [Caption] {
        let indices = learner.random.integers(below: recipe.data.count, count: stage.batch)
        let variations = learner.random.integers(below: 1 << 30, count: stage.batch)
        return zip(indices, variations).map { index, variation in
            caption(for: scenes.sample(index: index), variation: UInt64(variation))
        }
    }

    /// `[batch, 1, classes]`: 1 for each class that a caption names.
    private func classesNamed(in captions: [Caption]) -> Tensor {
        var values = [Float](repeating: 0, count: captions.count * classes.count)
        for (row, caption) in captions.enumerated() {
            for place in caption.attributes.compactMap({ classes[$0] }) { values[row * classes.count + place] = 1 }
        }
        return Tensor(values, shape: [captions.count, 1, classes.count])
    }

    /// `[batch, tokens]`: 1 from the end token on, where a causal encoder has seen the whole caption.
    private func fromEndOn(_ captions: [Caption]) -> Tensor {
        let values = captions.flatMap { caption -> [Float] in
            let row = tokenizer.tokens(for: caption.text)
            let end = row.firstIndex(of: tokenizer.eosID) ?? row.count
            return row.indices.map { $0 >= end ? 1 : 0 }
        }
        return Tensor(values, shape: [captions.count, recipe.tokenizer.length])
    }

    public func samplePicture() -> Image? { nil }
}
