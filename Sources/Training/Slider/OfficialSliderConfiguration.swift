public import Foundation
import Recipes

/// The `config.yaml` of Concept Sliders' own trainer, which names a file of prompts.
///
/// Keys that have no effect here (logging, xformers, how often to save) are read and left alone.
/// Follows `trainscripts/textsliders/config_util.py` of rohitgandikota/sliders.
public struct OfficialSliderConfiguration: Decodable, Sendable {
    struct Model: Decodable, Sendable {
        var nameOrPath: String
        var v2: Bool?
        var vPred: Bool?
        var clipSkip: Int?
    }
    struct Network: Decodable, Sendable {
        var type: String?
        var rank: Int?
        var alpha: Double?
        var trainingMethod: String?
    }
    struct Train: Decodable, Sendable {
        var precision: String?
        var noiseScheduler: String?
        var iterations: Int?
        var lr: Double?
        var optimizer: String?
        var optimizerArgs: String?
        var lrScheduler: String?
        var maxDenoisingSteps: Int?
    }
    struct Save: Decodable, Sendable {
        var name: String?
        var path: String?
        var perSteps: Int?
        var precision: String?
    }
    struct Logging: Decodable, Sendable {
        var useWandb: Bool?
        var verbose: Bool?
    }
    struct Other: Decodable, Sendable { var useXformers: Bool? }

    var promptsFile: String
    var pretrainedModel: Model
    var network: Network
    var train: Train?
    var save: Save?
    var logging: Logging?
    var other: Other?

    /// The recipe that the configuration means.
    ///
    /// - Parameter folder: where the file of prompts is looked for.
    /// - Throws: `RecipeError` for the prompts; `TrainingError` for what is not built here.
    public func recipe(relativeTo folder: URL) throws -> SliderRecipe {
        let path = promptsFile.hasPrefix("/") ? promptsFile : folder.appending(path: promptsFile).path
        let kinds: [String: OptimizerRecipe.Kind] = [
            "adamw": .adamw, "adamw8bit": .adamw, "adam": .adam, "adam8bit": .adam, "lion": .lion, "lion8bit": .lion,
            "prodigy": .prodigy,
        ]
        let named = train?.optimizer ?? "adamw"
        guard let kind = kinds[named.lowercased()] else {
            throw TrainingError.invalidRecipe(
                key: "train.optimizer", expected: "adamw, adam, lion or prodigy", found: named)
        }
        let schedules: [String: OptimizerRecipe.Decay] = ["constant": .constant, "cosine": .cosine, "linear": .linear]
        let scheduleName = train?.lrScheduler ?? "constant"
        guard let schedule = schedules[scheduleName] else {
            throw TrainingError.invalidRecipe(
                key: "train.lr_scheduler", expected: "constant, cosine or linear", found: scheduleName)
        }
        let steps = train?.iterations ?? 500
        let prompts = try decodeRecipe([SliderPrompt].self, at: path).map { prompt in
            var prompt = prompt
            prompt.resolution = prompt.resolution ?? 512
            return prompt
        }
        return SliderRecipe(
            name: save?.name ?? "slider", model: pretrainedModel.nameOrPath, prompts: prompts,
            network: .init(
                type: network.type ?? "lierla", rank: SliderRank(network.rank ?? 4), alpha: network.alpha ?? 1,
                trainingMethod: network.trainingMethod ?? "full"),
            training: .init(
                steps: steps,
                optimizer: OptimizerRecipe(
                    kind: kind, learningRate: train?.lr ?? 1e-4, schedule: schedule,
                    beta2: kind == .lion ? 0.99 : 0.999, clipNorm: 1e9),
                runs: .init(steps: train?.maxDenoisingSteps ?? 50), samplesEvery: save?.perSteps ?? 200))
    }
}
