import ArgumentParser
import Drawing
import Foundation
import Generation
import Imaging
import TensorCore

/// `atelier demo`: a contact sheet by the embedded model.
struct Demo: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Draw a contact sheet with the embedded model.")

    @Option(name: [.short, .long], help: "The file to write, .png or .jpg.")
    var output = "demo.png"
    @Option(name: [.short, .long], help: "The seed of the first picture.")
    var seed: UInt64 = 7
    @Option(help: "The folder with the embedded models.")
    var assets: String?

    private static let prompts = [
        "a portrait of an old man with white hair, smiling",
        "a young woman with long red hair and glasses",
        "a portrait of a man with a beard and a hat",
        "a portrait of a woman with curly black hair, smiling",
        "a snowy mountain at night",
        "a sea at sunset under clouds",
        "autumn hills with a house, rain",
        "a desert at noon, clear sky",
    ]

    func run() async throws {
        let outputs = try OutputPattern(output, count: 1)
        let folder = try ModelFolder(path: Assets.model("mini", assets: assets).path)
        Interrupt.watch()
        let seed = seed
        let sheet = try await ComputeThread.shared.perform {
            let model = try StableDiffusion(folder)
            let defaults = try folder.samplingDefaults()
            var progress = TerminalProgress()
            var pictures: [Image] = []
            for (index, prompt) in Demo.prompts.enumerated() {
                let request = GenerationRequest(
                    prompt: prompt, steps: defaults.steps, guidanceScale: defaults.guidanceScale,
                    seed: seed &+ UInt64(index), width: model.defaultSize, height: model.defaultSize)
                var denoising = try Denoising(request, model: model)
                while !denoising.isComplete {
                    if Interrupt.isRequested { throw Interrupted() }
                    denoising.advance()
                }
                pictures.append(try denoising.picture())
                progress.show("drawing", step: index + 1, total: Demo.prompts.count)
            }
            return ContactSheet(zip(pictures, Demo.prompts).map { .init($0, caption: $1) }, columns: 4)
        }
        try writeImage(sheet.draw(), to: outputs.path(0))
        print(outputs.path(0))
    }
}
