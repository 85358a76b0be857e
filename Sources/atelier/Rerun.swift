import ArgumentParser
import Foundation
import Generation
import Imaging
import TensorCore

/// `atelier rerun`: a picture's recipe once more.
struct Rerun: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Make a picture again from the recipe that it carries.")

    @Argument(help: "A picture that this program made.")
    var picture: String
    @Option(name: [.short, .long], help: "The model, where it is no longer where the recipe says.")
    var model: String?
    @Option(name: [.short, .long], help: "The file to write, .png or .jpg.")
    var output: String
    @OptionGroup var device: DeviceOptions
    @Option(help: "A folder of adapters, for those that are no longer where the recipe says.")
    var loraModelDir: String?
    @Option(help: "The folder with the embedded models.")
    var assets: String?

    func run() async throws {
        let outputs = try OutputPattern(output, count: 1)
        try outputs.checkOriginals([picture], count: 1)
        let job = self
        let work = { @Sendable in
            let rerun = try RecipeRun(
                picture: job.picture, model: job.model, loraModelDir: job.loraModelDir, assets: job.assets,
                on: job.device)
            let start = rerun.recipe.start
            try outputs.checkOriginals(
                [start?.picture.path, start?.mask?.path].compactMap(\.self), count: 1)
            for change in rerun.changedInputs { complain("\(job.picture): not the same: \(change)") }
            let denoising = try rerun.redrawn()
            var recipe = rerun.recipe
            recipe.engine = engineVersion
            recipe.modelHash = rerun.modelHash
            recipe.device = rerun.device
            recipe.note(denoising)
            let metadata = try recipe.metadata(for: ImageFormat(path: job.output))
            try writeImage(denoising.picture(), to: job.output, metadata: metadata)
            print(job.output)
        }
        Interrupt.watch()
        try await ComputeThread.shared.perform(work)
    }
}

/// `atelier verify`: whether a picture is what its recipe makes.
struct Verify: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make a picture again and say whether it is the same; exit code 1 when it is not.")

    @Argument(help: "A picture that this program made.")
    var picture: String
    @Option(name: [.short, .long], help: "The model, where it is no longer where the recipe says.")
    var model: String?
    @OptionGroup var device: DeviceOptions
    @Option(help: "A folder of adapters, for those that are no longer where the recipe says.")
    var loraModelDir: String?
    @Option(help: "The folder with the embedded models.")
    var assets: String?

    func run() async throws {
        let job = self
        let work = { @Sendable () -> (PictureVerdict, changed: [String]) in
            let rerun = try RecipeRun(
                picture: job.picture, model: job.model, loraModelDir: job.loraModelDir, assets: job.assets,
                on: job.device)
            let verdict = try rerun.recipe.verdict(
                on: rerun.image, against: try rerun.redrawn(), model: rerun.network, changedInputs: rerun.changedInputs)
            return (verdict, rerun.changedInputs)
        }
        Interrupt.watch()
        let (verdict, changed) = try await ComputeThread.shared.perform(work)
        switch verdict {
        case .identical:
            print(
                "\(picture): identical"
                    + (changed.isEmpty ? "" : ", although changed: " + changed.joined(separator: "; ")))
        case .withinTolerance(let difference):
            print("\(picture): within tolerance (largest latent difference \(difference))")
        case .different(let difference, let inputs):
            let reason =
                inputs.isEmpty
                ? "all inputs are as the recipe says, so the recipe or the picture was changed"
                : inputs.joined(separator: "; ")
            print("\(picture): different (largest latent difference \(difference)): \(reason)")
            throw ExitCode(1)
        }
    }
}

/// A picture with its recipe and the model that the recipe names.
private struct RecipeRun {
    let image: Image
    let recipe: PictureRecipe
    let network: StableDiffusion
    let modelHash: String
    let device: String?
    let changedInputs: [String]

    init(
        picture: String, model: String?, loraModelDir: String?, assets: String?, on device: DeviceOptions
    ) throws {
        let metadata: ImageMetadata
        (image, metadata) = try readImage(at: picture)
        guard let recipe = try PictureRecipe(metadata, path: picture) else {
            throw GenerationError(picture, expected: "a picture with a recipe of this program", found: "none in it")
        }
        self.recipe = try recipe.located(in: StackFolders(loraModelDir: loraModelDir, assets: assets))
        let store = try Assets.store(model ?? recipe.model, assets: assets)
        modelHash = try store.hash()
        let backend = try device.backend()
        self.device = device.note(backend)
        changedInputs = self.recipe.changedInputs(modelHash: modelHash, engine: engineVersion, device: self.device)
        network = try StableDiffusion(
            store, precision: recipe.precision, additions: recipe.additions ?? [], device: backend)
    }

    /// Takes all steps, those of an inversion first.
    func redrawn() throws -> Denoising {
        var denoising = try recipe.denoising(with: network, inverted: inverted(recipe, by: network, nil))
        try takeSteps(of: &denoising)
        return denoising
    }
}
