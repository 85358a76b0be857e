import Adapters
import Foundation
import Generation
import Imaging
import Layers
import Optimizers
import TensorCore

/// Trains a style and the contents of its pairs together; the model stays as it is.
///
/// Parameters are `style.<layer>.<factor>` and `content.<pair>.<layer>.<factor>`. What a step does not reach (the style
/// before its first step, the contents of other pairs) has no gradient then and stays as it is.
struct PairTrainer: StageTrainer {
    static let name = "pair"

    private(set) var learner: Learner
    private let recipe: PairRecipe
    private let objective: PairObjective
    /// The content picture and the style picture of each pair.
    private let pictures: [AlignedPictures]
    /// How samples are drawn.
    private let sampling: SamplingDefaults
    /// The adapters before any step.
    private let untrained: (style: Adapter, contents: [Adapter])
    private var cuts = EncodedCuts()

    /// - Parameters:
    ///   - folder: where the recipe's relative paths start.
    ///   - sampling: what the model is best drawn with.
    init(
        recipe: PairRecipe, model: StableDiffusion, folder: URL?, sampling: SamplingDefaults = .standard
    ) throws {
        let side = recipe.training.resolution ?? model.defaultSize
        try model.checkResolution(side)
        func read(_ path: String) throws -> Image {
            try readImage(at: path.hasPrefix("/") ? path : folder?.appending(path: path).path ?? path).image
        }
        let pictures = try recipe.pairs.map { AlignedPictures([try read($0.content), try read($0.style)], side: side) }
        try self.init(recipe: recipe, model: model, pictures: pictures, sampling: sampling)
    }

    init(
        recipe: PairRecipe, model: StableDiffusion, pictures: [AlignedPictures], sampling: SamplingDefaults = .standard
    ) throws {
        self.sampling = sampling
        self.recipe = recipe
        self.pictures = pictures
        var objective = try PairObjective(
            zip(recipe.pairs, pictures).map { pair, pictures in
                .init(
                    contentText: model.text(pair.prompt), styleText: model.text("\(pair.prompt) \(recipe.phrase)"),
                    contentSize: pictures.originalSizes[0], styleSize: pictures.originalSizes[1])
            }, model: model)
        objective.checkpointing = .ofAdapters(runningBlocksAgain: recipe.training.checkpointsBlocks)
        self.objective = objective
        var random = TorchGenerator(seed: recipe.seed ?? 0)
        untrained = try Self.adapters(recipe, model, random: &random)
        var parameters = Self.trainable(untrained.style, "style", isBaseline: recipe.isBaseline)
        for (index, content) in untrained.contents.enumerated() {
            parameters.merge(Self.trainable(content, "content.\(index)", isBaseline: false)) { first, _ in first }
        }
        learner = Learner(
            parameters: parameters, recipe: recipe.training.optimizer, totalSteps: recipe.training.steps,
            random: random)
    }

    /// The style, and one content for each pair; none for the baseline. All contents share their rows.
    private static func adapters(
        _ recipe: PairRecipe, _ model: StableDiffusion, random: inout TorchGenerator
    ) throws -> (style: Adapter, contents: [Adapter]) {
        // Queries, keys, values and outputs of all attention layers.
        let modules = SliderTarget(.lierla, .full).modules(of: model.modules)
        guard let narrowest = modules.map(\.inputs).min() else {
            throw TrainingError.invalidRecipe(key: "model", expected: "a UNet with attention", found: "none")
        }
        let isXL = model.text.encoders.count > 1
        let usual = max(min(64, narrowest / 2), 1)
        let (styleRank, contentRank) = (recipe.network?.styleRank ?? usual, recipe.network?.contentRank ?? usual)
        if recipe.isBaseline {
            let style = Adapter.untrained(
                name: recipe.name, modules: modules, rank: styleRank, alpha: Double(styleRank), isXL: isXL,
                random: &random)
            return (style, [])
        }
        let rows = DisjointRows(seed: recipe.seed ?? 0, ranks: [contentRank, styleRank])
        let content = try rows.adapter(0, name: recipe.name + " content", modules: modules, isXL: isXL)
        let style = try rows.adapter(1, name: recipe.name, modules: modules, isXL: isXL)
        return (style, [Adapter](repeating: content, count: recipe.pairs.count))
    }

    /// The tensors of an adapter that learn, under a prefix: second factors, and the baseline's first ones.
    private static func trainable(_ adapter: Adapter, _ prefix: String, isBaseline: Bool) -> [String: Tensor] {
        var result: [String: Tensor] = [:]
        for (path, tensor) in adapter.parameters where isBaseline || path.hasSuffix(AdapterRole.up.rawValue) {
            result["\(prefix).\(path)"] = tensor + 0
        }
        return result
    }

    var totalSteps: Int { recipe.training.steps }

    mutating func restore(_ learner: Learner) { self.learner = learner }

    mutating func trainStep() throws -> [String: Double] {
        let count = recipe.training.draws ?? 1
        let draws = (0..<count).map { _ in draw() }
        let learnsStyle = recipe.isBaseline || learner.step >= recipe.training.firstStyleStep
        let reached = Set(draws.map { "content.\($0.pair)." } + (learnsStyle ? ["style."] : []))
        let leaves = learner.parameters.filter { path, _ in reached.contains { path.hasPrefix($0) } }
        let step = try ShardedGradient(of: leaves, batch: count, shards: count) { [self] rows, parameters in
            try loss(draws[rows.lowerBound], parameters.tensors, learnsStyle: learnsStyle)
        }
        var values = step.values
        values["learning_rate"] = learner.learningRate
        values["gradient_norm"] = try learner.update(gradients: step.gradients)
        return values
    }

    /// Both terms of a draw.
    private func loss(
        _ draw: PairDraw, _ parameters: [String: Tensor], learnsStyle: Bool
    ) throws -> ShardedGradient.Loss {
        var content: Adapter?
        if !recipe.isBaseline {
            content = Self.adapter(untrained.contents[draw.pair], "content.\(draw.pair)", parameters)
        }
        var (terms, values): ([Tensor], [String: Double]) = ([], [:])
        if let content {
            terms.append(try objective.contentLoss(draw, content: content))
            values["content"] = Double(terms[0].item)
        }
        if learnsStyle {
            let style = Self.adapter(untrained.style, "style", parameters)
            terms.append(try objective.styleLoss(draw, content: content, style: style))
            values["style"] = Double(terms[terms.count - 1].item)
        }
        // Both terms, the content's alone, or the baseline's one.
        return .init(total: terms.count == 2 ? terms[0] + terms[1] : terms[0], values: values)
    }

    /// An adapter with the parameters under a prefix in place of its own.
    private static func adapter(_ base: Adapter, _ prefix: String, _ parameters: [String: Tensor]) -> Adapter {
        base.replacing(parameters: ParameterSet.scoped(parameters, prefix).tensors)
    }

    /// One pair, one place, one timestep and one noise for both pictures.
    private mutating func draw() -> PairDraw {
        let model = objective.model
        let pair =
            pictures.count == 1 ? 0 : learner.random.integers(below: pictures.count, count: 1)[0]
        let stage = recipe.training
        let cut = pictures[pair].cut(
            stage.crop ?? .random, stage.mirror ?? .never, factor: model.latentFactor, random: &learner.random)
        let timestep = learner.random.integers(below: objective.trainTimesteps, count: 1)[0]
        let latents = cuts.latents(pictures[pair], number: pair, cut, by: model, random: &learner.random)
        return PairDraw(
            pair: pair, timestep: timestep, noise: learner.random.normal(latents[0].shape), content: latents[0],
            style: latents[1])
    }

    // MARK: What it comes to

    /// The style as it would be written now.
    func style() -> Adapter { Self.adapter(untrained.style, "style", learner.average.parameters) }

    /// The content of each pair as it would be written now.
    func contents() -> [Adapter] {
        untrained.contents.enumerated().map { Self.adapter($1, "content.\($0)", learner.average.parameters) }
    }

    /// The strengths of a row of samples, as parts of the one that the file recommends: what it will be used with, half of
    /// that, and half as much again.
    static let sampledShares = [0, 0.5, 1, 1.5]

    /// A row of samples: the plain picture, and style guidance up to beyond what the file recommends, with the model's own
    /// steps and guidance, from the same noise.
    func sampleRequests(_ prompt: String) -> [GenerationRequest] {
        let (size, recommended) = (objective.model.defaultSize, recipe.recommended)
        return Self.sampledShares.map { share in
            var request = GenerationRequest(
                prompt: prompt, steps: sampling.steps, guidanceScale: sampling.guidanceScale, seed: recipe.seed ?? 0,
                width: size, height: size)
            request.styles = [
                StyleGuidance(
                    recipe.name, branch: 0, strength: min(share * recommended.strength, 1000), start: recommended.start,
                    phrase: recipe.phrase)
            ]
            return request
        }
    }

    /// One row a prompt: see `sampleRequests`.
    func samplePicture() throws -> Image? {
        let model = objective.model
        let adapter = style()
        let prompts = Array((recipe.training.samplePrompts ?? recipe.pairs.map(\.prompt)).prefix(4))
        guard !prompts.isEmpty else { return nil }
        let requests = prompts.flatMap(sampleRequests)
        let pictures = try ComputeThread.shared.concurrently(requests.count) { index -> Image in
            let stack = try AdapterStack([StackEntry(adapter, rows: .only([.style(0)]))], sites: model.sites)
            var denoising = try Denoising(requests[index], model: model, pass: Pass(adaptation: stack))
            denoising.advanceToEnd()
            return try denoising.picture()
        }
        return grid(of: pictures, columns: Self.sampledShares.count)
    }
}
