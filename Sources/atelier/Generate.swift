import ArgumentParser
import Foundation
import Generation
import Imaging
import Jobs
import Layers
import Samplers
import TensorCore
import Weights

/// `atelier generate`: from a prompt to pictures.
struct Generate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Draw pictures from a prompt.")

    @Option(name: [.short, .long], help: "A folder in the diffusers layout, a checkpoint file, or an embedded model.")
    var model = "mini"
    @OptionGroup(title: "Parts of the model") var parts: ModelOptions
    @OptionGroup(title: "Adapters") var loras: LoRAOptions
    @Option(
        name: [.short, .long], parsing: .unconditional,
        help: "What to draw; <lora:name:0.8> applies an adapter of --lora-model-dir.")
    var prompt: String
    @Option(name: [.customShort("n"), .long], parsing: .unconditional, help: "What to avoid.")
    var negativePrompt: String?
    @Option(parsing: .unconditional, help: "Sampling steps (default: the model's own, mostly 20).")
    var steps: Int?
    @Option(
        help: "How strongly the prompt pulls; 1 and below leaves the guidance out (default: the model's own, mostly 7)."
    )
    var cfgScale: Double?
    @Option(
        name: [.short, .long], parsing: .unconditional,
        help: "The seed of the first picture; picture i uses seed + i. -1 draws one.")
    var seed: Int = 42
    @Option(
        help: "Whose random numbers the seed stands for: cpu (PyTorch's) or cuda (PyTorch's on a GPU, A1111's NV).")
    var rng: NoiseSource = .cpu
    @Option(
        name: [.customShort("W"), .long], parsing: .unconditional, help: "Width in pixels (default: the model's own).")
    var width: Int?
    @Option(
        name: [.customShort("H"), .long], parsing: .unconditional, help: "Height in pixels (default: the model's own).")
    var height: Int?
    @Option(name: [.short, .long], parsing: .unconditional, help: "How many pictures to draw.")
    var batchCount = 1
    @Option(help: "The sampler: \(SamplingMethod.all.map(\.name).joined(separator: ", ")) (default: the model's own).")
    var samplingMethod: String?
    @Option(
        help: "The schedule: \(SamplingSchedule.all.map(\.name).joined(separator: ", ")) (default: the model's own).")
    var scheduler: String?
    @Option(
        parsing: .unconditional,
        help: "The share of fresh noise, for ddim, euler_a and tcd (default: the sampler's own).")
    var eta: Float?
    @Option(
        parsing: .unconditional,
        help: "How far guidance goes back to the unguided spread, from 0 to 1; 0.7 for zero-terminal-SNR models.")
    var guidanceRescale: Double?
    @Option(
        help:
            "What the model predicts: \(PredictionType.allCases.map(\.name).joined(separator: ", ")) (default: its own)"
    )
    var prediction: String?
    @Option(name: [.customShort("i"), .long], help: "A picture to start from.")
    var initImg: String?
    @Option(
        parsing: .unconditional, help: "How much of the way from noise is done again with --init-img, above 0 up to 1.")
    var strength = 0.75
    @Option(help: "A mask for --init-img: white is painted anew, black stays.")
    var mask: String?
    @Option(
        parsing: .unconditional, help: "The layer of the text encoder that is read, counted from the last, which is 1.")
    var clipSkip: Int?
    @Flag(help: "Decode the picture in tiles, in less memory.")
    var vaeTiling = false
    @Option(parsing: .unconditional, help: "The side of a tile in latents, for --vae-tiling (default: as trained).")
    var vaeTileSize: Int?
    @OptionGroup(title: "A second pass at a larger size") var enlarging: HiresOptions
    @OptionGroup var device: DeviceOptions
    @Option(name: [.short, .long], parsing: .unconditional, help: "Threads (default: all cores).")
    var threads: Int?
    @Option(help: "Number format of weights and products: fp32 or bf16.")
    var precision: Precision = .fp32
    @Option(
        name: [.short, .long],
        help: "The file to write, .png or .jpg; %03d becomes the picture's number, and is needed for several.")
    var output = "output.png"
    @Option(help: "Also write the final latents to this safetensors file, under the key `latents`.")
    var saveLatents: String?
    @OptionGroup(title: "Previews") var previews: PreviewOptions
    @Flag(help: "Check everything, print each picture's recipe as a JSON object on stdout, and draw nothing.")
    var dryRun = false
    @Flag(help: "Print one JSON object a picture on stdout.")
    var json = false
    @Option(help: "The folder with the embedded models.")
    var assets: String?

    func run() async throws {
        guard (1...100_000).contains(batchCount) else {
            throw UsageError(description: "--batch-count: expected 1 to 100000, found \(batchCount)")
        }
        guard seed >= -1 else {
            throw UsageError(description: "--seed: expected a number from 0, or -1 to draw one, found \(seed)")
        }
        try useThreads(threads)
        let outputs = try OutputPattern(output, count: batchCount)
        let originals = [initImg, mask].compactMap(\.self)
        try outputs.checkOriginals(originals, count: batchCount)
        let preview = try previews.writer(beside: outputs, count: batchCount)
        if let preview, let own = originals.first(where: { FilePlace($0) == FilePlace(preview.path) }) {
            throw UsageError(
                description: "--preview-path \(preview.path): expected another file than \(own), found the same")
        }
        if let saveLatents { try outputs.checkBeside(saveLatents, option: "--save-latents", count: batchCount) }
        guard strength > 0 && strength <= 1 else {
            throw UsageError(description: "--strength: expected above 0 up to 1, found \(strength)")
        }
        guard mask == nil || initImg != nil else {
            throw UsageError(description: "--mask: expected --init-img beside it, found none")
        }
        guard try initImg == nil || enlarging.fix() == nil else {
            throw UsageError(description: "--hires: expected no --init-img beside it, found one")
        }
        try checkNames()
        let store = try Assets.store(model, assets: assets)
        Interrupt.watch()
        let job = self
        let work = { @Sendable in try job.draw(store, outputs, preview) }
        try await ComputeThread.shared.perform(work)
    }

    /// Refuses names that nothing answers to before any model is loaded.
    private func checkNames() throws {
        func check(_ option: String, _ body: () throws(SamplerError) -> Void) throws {
            do { try body() } catch { throw UsageError(description: "--\(option): \(error)") }
        }
        if let samplingMethod {
            try check("sampling-method") { () throws(SamplerError) in _ = try SamplingMethod.find(samplingMethod) }
        }
        if let scheduler {
            try check("scheduler") { () throws(SamplerError) in _ = try SamplingSchedule.find(scheduler) }
        }
        if let prediction {
            try check("prediction") { () throws(SamplerError) in _ = try PredictionType.find(prediction) }
        }
    }

    /// Runs on the compute thread.
    private func draw(_ store: any ModelStore, _ outputs: OutputPattern, _ preview: PreviewWriter?) throws {
        let identity = try ModelIdentity(store)
        let modelHash = identity.hash
        let made = try loras.composition(in: prompt, for: identity, assets: assets)
        let adapters = made.adapters
        let texts = made.styles.map(\.phrase) + made.directions.flatMap { [$0.positive, $0.negative] }
        let additions = try parts.additions(for: [made.prompt, negativePrompt ?? ""] + texts)
        // Rounding weights reads them; a dry run reads headers alone.
        let backend = dryRun ? CPUBackend.shared : try device.backend()
        let network = try StableDiffusion(
            store, precision: dryRun ? .fp32 : precision, additions: additions, device: backend)
        if !network.unusedKeys.isEmpty {
            complain("\(store.path): \(network.unusedKeys.count) unused keys, such as \(network.unusedKeys[0])")
        }
        if network.readsMask && initImg == nil {
            complain("\(store.path): a model to inpaint with, and no --init-img: all of the picture is painted anew")
        }
        if precision == .bf16 && backend === CPUBackend.shared && !CPUBackend.shared.hasBFloat16 {
            complain("this processor has no bfloat16 instructions: weights are rounded to bf16, products run in fp32")
        }
        let stack = try network.adapters(adapters)
        do {
            try preview?.method.validate(for: network)
        } catch {
            throw UsageError(description: "--\(error)")
        }
        let defaults = try store.samplingDefaults()
        let firstSeed = seed < 0 ? UInt64.random(in: 0..<1 << 32) : UInt64(seed)
        let origin = try startingPicture()
        var latents: [Tensor] = []
        for index in 0..<batchCount {
            let request = try request(made, network, defaults, seed: firstSeed &+ UInt64(index))
            var recipe = PictureRecipe(
                engine: engineVersion, model: model, modelHash: modelHash, precision: precision, request: request)
            recipe.additions = additions.isEmpty ? nil : additions
            recipe.adapters = adapters.isEmpty ? nil : adapters
            recipe.start = origin?.files
            try network.checkActing(adapters, in: request, strength: origin?.files.strength)
            recipe.device = device.note(backend)
            if dryRun {
                try origin?.picture.validate(for: request)
                let sampler = try request.makeSampler(network.scheduler)
                (recipe.sampler, recipe.schedule) = (sampler.method.name, sampler.chosenSchedule?.name)
                try report(try recipe.json())
                continue
            }
            let start = ContinuousClock.now
            var denoising = try Denoising(
                request, model: network, startingFrom: origin?.picture, pass: Pass(adaptation: stack))
            try takeSteps(of: &denoising) { try preview?($0) }
            let picture = try denoising.picture()
            let seconds = (ContinuousClock.now - start).seconds
            recipe.note(denoising)
            let path = outputs.path(index)
            try writeImage(picture, to: path, metadata: recipe.metadata(for: ImageFormat(path: path)))
            if saveLatents != nil { latents.append(denoising.latents) }
            if json {
                let line = GenerationLine(
                    path: path, seed: request.seed, seconds: seconds, steps: request.steps,
                    sampler: denoising.samplerName, modelHash: modelHash)
                let encoder = JSONEncoder()
                encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
                try report(String(decoding: try encoder.encode(line), as: UTF8.self))
            } else {
                try report(path)
            }
        }
        if let saveLatents, !dryRun {
            try writeSafetensors(["latents": concatenated(latents, axis: 0)], to: saveLatents)
        }
    }

    private func startingPicture() throws -> (picture: StartingPicture, files: PictureRecipe.Start)? {
        guard let initImg else { return nil }
        let start = StartingPicture(
            try readImage(at: initImg).image, strength: strength, mask: try mask.map { try readImage(at: $0).image })
        let files = PictureRecipe.Start(
            picture: try .init(path: initImg), mask: try mask.map { try .init(path: $0) }, strength: strength)
        return (start, files)
    }

    /// Prints a line at once, so that a reader at the other end of a pipe gets each picture as it is done.
    private func report(_ line: String) throws {
        do {
            try FileHandle.standardOutput.write(contentsOf: Data((line + "\n").utf8))
        } catch {
            throw OutputError(description: "standard output: expected a reader, found that nothing can be written")
        }
    }

    private func request(
        _ made: Composition, _ network: StableDiffusion, _ defaults: SamplingDefaults, seed: UInt64
    ) throws -> GenerationRequest {
        var request = GenerationRequest(
            prompt: made.prompt, negativePrompt: negativePrompt, steps: steps ?? defaults.steps,
            guidanceScale: cfgScale ?? defaults.guidanceScale, seed: seed,
            width: width ?? network.defaultSize, height: height ?? network.defaultSize,
            sampler: samplingMethod, schedule: scheduler, eta: eta, guidanceRescale: guidanceRescale,
            prediction: try prediction.map { name throws(SamplerError) in try PredictionType.find(name) },
            clipSkip: clipSkip)
        // Without the option a request is written as it was before there was one.
        request.noise = rng == .cpu ? nil : rng
        made.apply(to: &request)
        request.hires = try enlarging.fix()
        request.vaeTiling = vaeTiling || vaeTileSize != nil ? true : nil
        request.vaeTileSize = vaeTileSize
        do {
            try request.validate(for: network)
            _ = try request.makeSampler(network.scheduler)
        } catch let error as GenerationError {
            // Without an option the value is the model's own.
            let options: [String: Bool] = [
                "width": width != nil, "height": height != nil, "steps": steps != nil, "VAE tile size": true,
            ]
            guard options[error.subject] ?? true else { throw error }
            throw UsageError(description: error.description)
        } catch {
            guard samplingMethod == nil && isOfTheModel(error) else { throw UsageError(description: "\(error)") }
            throw GenerationError(
                "\(model): scheduler/scheduler_config.json",
                expected: "a sampler that is known here (--sampling-method names another)", found: "\(error)")
        }
        return request
    }

    /// Whether a sampler cannot be made for what the model says of it, not for an option.
    private func isOfTheModel(_ error: any Error) -> Bool {
        switch error as? SamplerError {
        case .unknownMethod: true
        case .configuration: scheduler == nil && prediction == nil
        default: scheduler == nil && prediction == nil && eta == nil && steps == nil
        }
    }
}

/// Takes all steps, with a progress bar; stops between two when the user asks for it.
///
/// - Parameter afterStep: is shown the drawing after each step.
func takeSteps(of denoising: inout Denoising, afterStep: (Denoising) throws -> Void = { _ in }) throws {
    var progress = TerminalProgress()
    while !denoising.isComplete {
        if Interrupt.isRequested { throw Interrupted() }
        denoising.advance()
        try afterStep(denoising)
        progress.show("drawing", step: denoising.step, total: denoising.totalSteps)
    }
}

/// What `--json` prints for a picture.
private struct GenerationLine: Encodable {
    let path: String
    let seed: UInt64
    let seconds: Double
    let steps: Int
    let sampler: String
    let modelHash: String

    enum CodingKeys: String, CodingKey {
        case path, seed, seconds, steps, sampler
        case modelHash = "model_hash"
    }
}

extension Duration {
    var seconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}
