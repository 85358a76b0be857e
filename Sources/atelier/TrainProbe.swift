import ArgumentParser
import Foundation
import Generation
import Recipes
import TensorCore
import Training

/// `atelier train probe`: a network that reads the attributes of the world's pictures.
struct TrainProbe: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "probe",
        abstract: "Train a probe that reads attributes from pictures; continues where it was stopped.")

    @Argument(help: "The recipe (YAML).")
    var recipe: String
    @Option(name: [.short, .long], help: "The folder for checkpoints, the log and the finished probe.")
    var output: String
    @Option(help: "The folder with the embedded models.")
    var assets: String?
    @OptionGroup var device: DeviceOptions
    @Option(name: [.short, .long], parsing: .unconditional, help: "Threads (default: all cores).")
    var threads: Int?

    func run() async throws {
        try useThreads(threads)
        let decoded = try decodeRecipe(ProbeRecipe.self, at: recipe)
        let context = try trainingContext(output, device: try device.backend())
        let store = try Assets.store(decoded.data.autoencoder, assets: assets)
        let folder = try await ComputeThread.shared.perform {
            let model = try StableDiffusion(store, device: context.device)
            let training: ProbeTraining
            do {
                training = try ProbeTraining(
                    recipe: decoded, autoencoder: model.autoencoder, autoencoderHash: try store.hash(),
                    context: context)
            } catch let error as TrainingError {
                throw RecipeFault(description: "\(recipe): \(error)")
            }
            return try training.run()
        }
        guard let folder else { throw Interrupted() }
        print(folder.path)
    }
}
