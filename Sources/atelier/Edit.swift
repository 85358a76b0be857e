import ArgumentParser
import Drawing
import Foundation
import Generation
import Imaging
import Jobs
import TensorCore

/// `atelier edit`: real pictures, moved along sliders.
struct Edit: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Move real pictures along sliders, styles or directions; keeps the rest.",
        discussion: """
            atelier edit -i photo.png --slider age=1 -o older.png
            atelier edit -i a.png -i b.png -p "an old man" --slider smile=1.5@0.6 --sheet sheet.png -o edited-%02d.png

            Each picture is inverted by the plain model: DDIM backwards, then null-text tuning, so that guidance leads back to
            it. What was found is kept by content, so a second edit of the same picture is quick.
            """)

    @Option(name: [.customShort("i"), .long], help: "A picture; repeat it for several.")
    var input: [String]
    @Option(
        name: [.short, .long],
        help: "The file to write, .png or .jpg: one for each picture, or one name with %02d for the picture's number.")
    var output: [String]
    @Option(name: [.short, .long], help: "A folder in the diffusers layout, a checkpoint file, or an embedded model.")
    var model = "mini"
    @OptionGroup(title: "Parts of the model") var parts: ModelOptions
    @Option(
        name: [.short, .long], parsing: .unconditional,
        help: "What the pictures show (default: what they say of themselves, or nothing).")
    var prompt: String?
    @Option(name: [.customShort("n"), .long], parsing: .unconditional, help: "What to avoid.")
    var negativePrompt: String?
    @OptionGroup(title: "Sliders and styles") var loras: LoRAOptions
    @Option(
        parsing: .unconditional,
        help: "The share of the noise from which on sliders and directions without a start of their own act.")
    var start = 0.7
    @Option(
        parsing: .unconditional,
        help: "How much of the way is done again, above 0 up to 1 (default: as much as something acts in).")
    var strength: Double?
    @Option(
        name: [.long, .customLong("guidance")], help: "How strongly the prompt pulls (default: the model's own).")
    var cfgScale: Double?
    @Option(parsing: .unconditional, help: "Sampling steps (default: the model's own).")
    var steps: Int?
    @Option(parsing: .unconditional, help: "How often each step of the inversion is refined.")
    var refinements = 3
    @Flag(help: "Refine by the mean of all answers so far (ReNoise), for answers that overshoot to and fro.")
    var averaging = false
    @Option(
        parsing: .unconditional,
        help: "The most changes of null-text tuning at each step; 0 for none, which guidance above 1 drifts without.")
    var tuning = NullTextTuning().iterations
    @Option(name: [.customShort("W"), .long], help: "Width in pixels (default: from the picture's proportions).")
    var width: Int?
    @Option(name: [.customShort("H"), .long], help: "Height in pixels (default: from the picture's proportions).")
    var height: Int?
    @Option(help: "Also write a sheet: each picture, drawn again without the sliders, and with them.")
    var sheet: String?
    @Option(
        help: "The folder where inverted pictures are kept (default: inversions in ~/.cache/atelier or ATELIER_CACHE).")
    var cache: String?
    @Flag(help: "Neither read nor keep inverted pictures.")
    var noCache = false
    @OptionGroup var device: DeviceOptions
    @Option(help: "The folder with the embedded models.")
    var assets: String?
    @Option(name: [.short, .long], parsing: .unconditional, help: "Threads (default: all cores).")
    var threads: Int?

    func run() async throws {
        try useThreads(threads)
        let outputs = try outputPaths()
        guard (0...1).contains(start) else {
            throw UsageError(description: "--start: expected a share of the noise from 0 to 1, found \(start)")
        }
        guard (0...1000).contains(tuning) else {
            throw UsageError(description: "--tuning: expected 0 to 1000, found \(tuning)")
        }
        if let strength, !(strength > 0 && strength <= 1) {
            throw UsageError(description: "--strength: expected above 0 up to 1, found \(strength)")
        }
        Interrupt.watch()
        let job = self
        try await ComputeThread.shared.perform { try job.edit(outputs) }
    }

    /// A file for each picture, none of them a picture that is read.
    private func outputPaths() throws -> [String] {
        guard output.count == 1 || output.count == input.count else {
            throw UsageError(
                description: "--output: expected one, or \(input.count) for as many pictures, found \(output.count)")
        }
        let pattern = try OutputPattern(output[0], count: output.count == 1 ? input.count : 1)
        let paths = output.count == 1 ? input.indices.map(pattern.path) : output
        for path in paths { _ = try OutputPattern(path, count: 1) }
        if let sheet { _ = try OutputPattern(sheet, count: 1) }
        var taken = Set(input.map { FilePlace($0) })
        for path in paths + (sheet.map { [$0] } ?? []) where !taken.insert(FilePlace(path)).inserted {
            throw UsageError(
                description: "--output \(path): expected a file that is no other output and no picture to edit")
        }
        return paths
    }

    /// Runs on the compute thread.
    private func edit(_ outputs: [String]) throws {
        let pictures = try input.map { try readImage(at: $0) }
        let store = try Assets.store(model, assets: assets)
        let identity = try ModelIdentity(store)
        let modelHash = identity.hash
        let prompts = try zip(input, pictures).map { path, picture in
            try prompt ?? PictureRecipe(picture.metadata, path: path)?.request.prompt ?? ""
        }
        let made = try prompts.enumerated().map { index, prompt in
            try loras.composition(in: prompt, for: identity, assets: assets, isQuiet: index > 0)
        }
        guard made.allSatisfy({ !$0.adapters.isEmpty || !$0.styles.isEmpty || !$0.directions.isEmpty }) else {
            throw UsageError(description: "--slider: expected a slider, style or direction, found none")
        }
        let additions = try parts.additions(for: prompts + [negativePrompt ?? ""])
        let backend = try device.backend()
        let network = try StableDiffusion(store, additions: additions, device: backend)
        let defaults = try store.samplingDefaults()
        let recipes = try zip(made, zip(input, pictures)).map { made, picture in
            var recipe = try recipe(made, of: picture.1.image, at: picture.0, network, defaults, modelHash)
            recipe.additions = additions.isEmpty ? nil : additions
            recipe.device = device.note(backend)
            return recipe
        }
        var rows: [[ContactSheet.Cell]] = []
        for (index, recipe) in recipes.enumerated() {
            let (drawn, row) = try draw(recipe, by: network, beside: pictures[index].image)
            let metadata = try drawn.recipe.metadata(for: ImageFormat(path: outputs[index]))
            try writeImage(drawn.picture, to: outputs[index], metadata: metadata)
            print(outputs[index])
            rows.append(row)
        }
        if let sheet {
            let size = min(max(recipes[0].request.width, 128), 384)
            let picture = ContactSheet(
                rows: rows.map { $0.map { $0 } }, columnTitles: ["picture", "drawn again", "edited"],
                rowTitles: rows.count > 1 ? prompts : [], pictureSize: size
            ).draw()
            try writeImage(picture, to: sheet)
            print(sheet)
        }
    }

    private func recipe(
        _ made: Composition, of image: Image, at path: String, _ network: StableDiffusion, _ defaults: SamplingDefaults,
        _ modelHash: String
    ) throws -> PictureRecipe {
        let size = Stylization().size(of: image, for: network)
        let scale = cfgScale ?? defaults.guidanceScale
        var request = GenerationRequest(
            prompt: made.prompt, negativePrompt: negativePrompt, steps: steps ?? defaults.steps, guidanceScale: scale,
            width: width ?? size.width, height: height ?? size.height)
        made.apply(to: &request)
        try request.validate(for: network)
        var recipe = PictureRecipe(
            engine: engineVersion, model: model, modelHash: modelHash, precision: .fp32, request: request)
        recipe.adapters = made.adapters.isEmpty ? nil : made.adapters
        let inversion = Inversion(
            refinements: refinements, averages: averaging,
            tuning: tuning > 0 && scale > 1 ? NullTextTuning(iterations: tuning) : nil)
        recipe.edit(try .init(path: path), inversion, start: start, strength: strength)
        try network.checkActing(recipe.adapters ?? [], in: request, strength: recipe.start?.strength)
        return recipe
    }

    /// The edited picture, and the row of the sheet.
    private func draw(
        _ recipe: PictureRecipe, by network: StableDiffusion, beside image: Image
    ) throws -> (drawn: (picture: Image, recipe: PictureRecipe), row: [ContactSheet.Cell]) {
        let folder = cache.map { URL(filePath: $0, directoryHint: .isDirectory) } ?? InversionStore.userFolder
        let cache = noCache ? nil : InversionStore(folder: folder)
        let inverted = try inverted(recipe, by: network, cache)
        func drawn(_ recipe: PictureRecipe) throws -> (picture: Image, recipe: PictureRecipe) {
            let made = try recipe.drawn(
                by: network, stack: network.adapters(recipe.adapters ?? []), inverted: inverted,
                isStopped: { Interrupt.isRequested })
            guard let made else { throw Interrupted() }
            return made
        }
        let edited = try drawn(recipe)
        guard sheet != nil else { return (edited, []) }
        var plain = recipe
        (plain.adapters, plain.request.styles, plain.request.directions) = (nil, nil, nil)
        let again = try drawn(plain).picture
        let own = image.resized(width: again.width, height: again.height)
        let nearness = String(format: "%.1f dB", again.peakSignalToNoise(own))
        return (edited, [.init(own), .init(again, caption: nearness), .init(edited.picture)])
    }
}

/// The inverted picture that a recipe begins with, with a progress bar; nil for one that begins otherwise.
func inverted(
    _ recipe: PictureRecipe, by network: StableDiffusion, _ store: InversionStore?
) throws -> InvertedPicture? {
    var progress = TerminalProgress()
    return try recipe.inverted(by: network, store) { run in
        if Interrupt.isRequested { throw Interrupted() }
        progress.show(run.isTuning ? "tuning" : "inverting", step: run.step, total: run.totalSteps)
    }
}

extension InversionStore {
    /// Where inversions are kept: below `ATELIER_CACHE`, or `~/.cache/atelier`.
    static var userFolder: URL { TextModelOptions.cacheFolder.appending(path: "inversions") }
}
