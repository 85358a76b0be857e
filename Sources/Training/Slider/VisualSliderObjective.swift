import Adapters
import DiffusionModels
import Foundation
import Generation
import Imaging
import Layers
import Samplers
import TensorCore
import World

/// The objective of a visual slider: at scale `s` it learns from a picture that has the concept, at `-s` from its opposite,
/// both with the same noise and timestep.
///
/// `pictures` is that of Concept Sliders (arXiv 2311.12092, eq. 8), which learns the pictures as they are:
///
///     loss = mean (e₊ₛ(z⁺, t, positive) - v⁺)² + mean (e₋ₛ(z⁻, t, neutral) - v⁻)²
///
/// `v` is what the model predicts: the noise, or the velocity for v-prediction.
/// Follows `train_lora-scale.py` of rohitgandikota/sliders, with the velocity target, which it lacks.
///
/// `difference` is ours. What the frozen model `e0` misses of a picture, `r = v - e0(z, t)`, has a part that both pictures
/// of a pair share, their content, and a part that turns its sign between them, the concept. Only the latter is taught:
///
///     d = (r⁺ - r⁻) / 2
///     loss = mean (e₊ₛ(z⁺, t, positive) - (e0(z⁺, t, positive) + d))²
///          + mean (e₋ₛ(z⁻, t, neutral) - (e0(z⁻, t, neutral) - d))²
///
/// Two equal pictures teach that nothing changes. The first objective has the shared part as a target at both signs, which
/// a slider reaches by the part of its effect that is even in the scale; here that part has the target 0.
struct VisualSliderObjective: Sendable {
    /// The pictures of two opposite levels, as latents: `[1, channels, height, width]`.
    struct Pair: Sendable {
        let scale: Double
        let high: Tensor
        let low: Tensor
    }

    let model: StableDiffusion
    let pairs: [Pair]
    private let positive: TextConditioning
    private let neutral: TextConditioning
    let schedule: NoiseSchedule
    private let kind: SliderRecipe.Pairs.Objective
    private let start: Double
    private let checkpointing: CheckpointPolicy

    private typealias Source = @Sendable () throws -> Image

    /// Reads or renders all pictures, and encodes them.
    ///
    /// - Parameter start: the share of the noise from which on the slider acts.
    /// - Throws: `TrainingError` when a folder lacks a picture that another has; the errors of files that do not decode, and
    ///   of scenes that the world does not know.
    init(
        _ recipe: SliderRecipe.Pairs, model: StableDiffusion, folder: URL?, start: Double = 1,
        checkpointing: CheckpointPolicy = .none
    ) throws {
        let side = recipe.resolution ?? model.defaultSize
        let levels =
            try recipe.world.map { try Self.rendered($0, side: side) }
            ?? (recipe.levels ?? []).map { level in
                (scale: level.scale, pictures: try Self.pictures(in: level.folder, relativeTo: folder))
            }
        let sources = try levels.filter { $0.scale > 0 }.flatMap {
            high -> [(scale: Double, high: Source, low: Source)] in
            guard let low = levels.first(where: { $0.scale == -high.scale }) else { return [] }
            let names = Set(high.pictures.keys)
            let odd = names.symmetricDifference(low.pictures.keys).sorted()
            guard odd.isEmpty, !names.isEmpty else {
                throw TrainingError.invalidRecipe(
                    key: "pairs.levels", expected: "folders with the same file names, at least one",
                    found: odd.isEmpty ? "no picture" : "\(odd[0]) in one of them only")
            }
            return names.sorted().compactMap { name in
                guard let one = high.pictures[name], let other = low.pictures[name] else { return nil }
                return (high.scale, one, other)
            }
        }
        let pairs = try ComputeThread.shared.concurrently(sources.count) { index in
            func encoded(_ source: Source) throws -> Tensor {
                let picture = try source().resized(width: side, height: side)
                return model.autoencoder.scaled(model.autoencoder.encode(Tensor(images: [picture]), Pass()).mean)
            }
            let source = sources[index]
            return Pair(scale: source.scale, high: try encoded(source.high), low: try encoded(source.low))
        }
        try self.init(
            pairs, positive: recipe.positive ?? "", neutral: recipe.neutral ?? "", model: model,
            kind: recipe.objective ?? .pictures, start: start, checkpointing: checkpointing)
    }

    /// The levels of a world's attribute, by the numbers of the scenes.
    private static func rendered(
        _ recipe: SliderRecipe.Pairs.World, side: Int
    ) throws -> [(scale: Double, pictures: [String: Source])] {
        let scales = recipe.scales.sorted()
        let world = try WorldLevels(
            recipe.attribute, scales: scales, fixed: try Scene.attributes(in: recipe.attributes ?? ""),
            count: recipe.count, seed: recipe.seed ?? 0, size: side)
        return scales.enumerated().map { level, scale in
            let pictures = (0..<world.count).map { index -> (String, Source) in
                (String(format: "%06d", index), { try world.pictures(index)[level] })
            }
            return (scale, Dictionary(uniqueKeysWithValues: pictures))
        }
    }

    init(
        _ pairs: [Pair], positive: String, neutral: String, model: StableDiffusion,
        kind: SliderRecipe.Pairs.Objective = .pictures, start: Double = 1, checkpointing: CheckpointPolicy = .none
    ) throws {
        self.kind = kind
        self.start = start
        self.checkpointing = checkpointing
        self.model = model
        self.pairs = pairs
        self.positive = model.text(positive)
        self.neutral = model.text(neutral)
        schedule = try NoiseSchedule(model.scheduler)
    }

    /// The pictures of a folder by name, without endings.
    private static func pictures(in folder: String, relativeTo base: URL?) throws -> [String: Source] {
        let path = folder.hasPrefix("/") ? folder : (base?.appending(path: folder).path ?? folder)
        guard let names = try? FileManager.default.contentsOfDirectory(atPath: path) else {
            throw TrainingError.invalidRecipe(
                key: "pairs.levels", expected: "a folder of pictures", found: "\(path), which cannot be read")
        }
        let endings = ["png", "jpg", "jpeg"]
        let pictures = names.filter { endings.contains(URL(filePath: $0).pathExtension.lowercased()) }
        return Dictionary(
            pictures.map { name -> (String, Source) in
                (
                    URL(filePath: name).deletingPathExtension().lastPathComponent,
                    { try readImage(at: path + "/" + name).image }
                )
            },
            uniquingKeysWith: { first, _ in first })
    }

    func draw(random: inout TorchGenerator) -> SliderDraw {
        let index = random.integers(below: pairs.count, count: 1)[0]
        let timesteps = max(Int(start * Double(schedule.trainTimesteps)), 1)
        let timestep = random.integers(below: timesteps, count: 1)[0]
        return draw(index, timestep: timestep, noise: random.normal(pairs[index].high.shape))
    }

    func draw(_ index: Int, timestep: Int, noise: Tensor) -> SliderDraw {
        let pair = pairs[index]
        return SliderDraw(
            entry: index, latents: schedule.addNoise(pair.high, noise: noise, timesteps: [timestep]),
            timestep: Float(timestep), noise: noise,
            opposite: schedule.addNoise(pair.low, noise: noise, timesteps: [timestep]), scale: pair.scale)
    }

    func loss(_ draw: SliderDraw, _ slider: AdapterStack) -> Tensor {
        guard let noise = draw.noise, let opposite = draw.opposite else { preconditionFailure("a visual draw") }
        let pair = pairs[draw.entry]
        func target(_ clean: Tensor) -> Tensor {
            schedule.target(
                clean, noise: noise, timesteps: [Int(draw.timestep)], prediction: model.scheduler.predictionType)
        }
        func predicted(_ noisy: Tensor, _ text: TextConditioning, _ pass: Pass) -> Tensor {
            model.predictions(noisy, timestep: draw.timestep, texts: [text], pass)[0]
        }
        var targets = (high: target(pair.high), low: target(pair.low))
        if kind == .difference {
            let frozen = Pass(adaptation: slider.withoutFirst)
            let high = predicted(draw.latents, positive, frozen).detached
            let low = predicted(opposite, neutral, frozen).detached
            let half = 0.5 * ((targets.high - high) - (targets.low - low))
            targets = (high + half, low - half)
        }
        func side(_ noisy: Tensor, _ text: TextConditioning, _ scale: Double, _ target: Tensor) -> Tensor {
            let pass = Pass(adaptation: slider.scaled(scale), checkpointing: checkpointing)
            return meanSquaredError(predicted(noisy, text, pass), target)
        }
        return side(draw.latents, positive, draw.scale, targets.high)
            + side(opposite, neutral, -draw.scale, targets.low)
    }
}
