import Adapters
public import Foundation
public import Generation
public import Imaging
import Recipes
import Samplers
import Synchronization

/// Turns jobs into complete recipes for one loaded model, and recipes into pictures.
///
/// What many jobs share is found once: adapters by name, their files and hashes, encodings of texts, inversions of
/// pictures.
public final class PicturePlanner: Sendable {
    public let model: StableDiffusion
    /// The recipe of a job that says nothing.
    private let blank: PictureRecipe
    private let folders: StackFolders
    /// Where relative paths of jobs start.
    private let folder: String
    private let known = Mutex(Known())
    /// Texts that the model has read.
    public let encodings: TextEncodings
    public let inversions: InversionStore

    private struct Known: Sendable {
        var compositions: [BatchJob.Makings: Composition] = [:]
        /// Adapter stacks of the last few compositions.
        var stacks: [(uses: [AdapterUse], stack: AdapterStack?)] = []
    }

    /// - Parameters:
    ///   - blank: with the model's name and hash, and a request of its defaults.
    ///   - folders: where names of sliders and styles are looked up.
    ///   - inversions: the folder that keeps inversions; nil keeps them in memory alone.
    ///   - encodingBytes: of texts that are kept.
    public init(
        _ model: StableDiffusion, blank: PictureRecipe, folders: StackFolders, folder: String, inversions: URL? = nil,
        encodingBytes: Int = 128 << 20
    ) {
        self.model = model
        self.blank = blank
        self.folders = folders
        self.folder = folder
        encodings = TextEncodings(byteBudget: encodingBytes)
        self.inversions = InversionStore(folder: inversions)
    }

    /// The output of a job, by its number.
    public static func output(of job: BatchJob, number: Int) -> String { job.output ?? numbered(number) + ".png" }

    /// `00012`: names in the order of their numbers.
    static func numbered(_ number: Int) -> String {
        String(repeating: "0", count: max(5 - "\(number)".count, 0)) + "\(number)"
    }

    /// The job as a task: its key is the hash of the recipe, which holds the hashes of all files.
    ///
    /// - Parameter isStopped: asked between steps.
    public func task(
        _ job: BatchJob, number: Int, isStopped: @escaping @Sendable () -> Bool = { false }
    ) -> BatchTask {
        let output = Self.output(of: job, number: number)
        return BatchTask(output: output) { [self] in
            let format = try Self.format(of: output, number: number)
            let recipe = try recipe(of: job)
            return PreparedTask(key: try canonicalHash(of: Key(recipe: recipe, output: output))) { [self] in
                guard let drawn = try draw(recipe, isStopped: isStopped) else { return nil }
                return try encodeImage(drawn.picture, as: format, metadata: drawn.recipe.metadata(for: format))
            }
        }
    }

    /// The recipe of a job, after all that its task checks before it is done.
    ///
    /// - Throws: what preparing the task throws.
    public func recipe(of job: BatchJob, number: Int) throws -> PictureRecipe {
        _ = try Self.format(of: Self.output(of: job, number: number), number: number)
        return try recipe(of: job)
    }

    private static func format(of output: String, number: Int) throws -> ImageFormat {
        guard let format = ImageFormat(path: output) else {
            throw JobError("job \(number + 1): output", expected: "a name in .png or .jpg", found: "'\(output)'")
        }
        return format
    }

    private struct Key: Encodable {
        let recipe: PictureRecipe
        let output: String
    }

    /// Everything that determines the picture of a job.
    ///
    /// - Throws: the errors of its files; `GenerationError` for what the model cannot do.
    public func recipe(of job: BatchJob) throws -> PictureRecipe {
        var recipe = blank
        var made = try composition(job.makings)
        if let input = job.input {
            let path = input.hasPrefix("/") ? input : folder + "/" + input
            let (image, metadata) = try readImage(at: path)
            made.prompt = try job.prompt ?? PictureRecipe(metadata, path: path)?.request.prompt ?? ""
            let way = Stylization(
                method: job.method ?? .inversion, strength: job.strength ?? 0.6, refinements: job.refinements ?? 1)
            (recipe.request.width, recipe.request.height) = way.size(of: image, for: model)
            recipe.start(from: try .init(path: path), way)
        } else {
            made.prompt = job.prompt ?? ""
        }
        let tags = try LoRATags(made.prompt)
        made.prompt = tags.prompt
        made.adapters += try tags.tags.map { try AdapterUse(path: folders.file(ofTag: $0.name), weight: $0.weight) }
        made.apply(to: &recipe.request)
        job.override(&recipe.request)
        recipe.adapters = made.adapters.isEmpty ? nil : made.adapters
        try recipe.request.validate(for: model)
        recipe.sampler = try recipe.request.makeSampler(model.scheduler).method.name
        try model.checkActing(made.adapters, in: recipe.request, strength: recipe.start?.strength)
        return recipe
    }

    private func composition(_ makings: BatchJob.Makings) throws -> Composition {
        if let found = known.withLock({ $0.compositions[makings] }) { return found }
        let identity = ModelIdentity(hash: blank.modelHash, family: model.family)
        var made = Composition(prompt: "")
        made.adapters = try makings.sliders.map { slider in
            var use = try AdapterUse(path: folders.file(of: slider.name, beside: folder), weight: slider.scale ?? 1)
            use.schedule = slider.start.map { StackSchedule(start: $0) }
            return use
        }
        if let stack = makings.stack {
            let path = stack.hasPrefix("/") ? stack : folder + "/" + stack
            try StackFile(path: path).add(to: &made, path: path, folders: folders, model: identity)
        }
        var rest = StackFile(entries: [])
        (rest.styles, rest.directions) = (makings.styles, makings.directions)
        try rest.add(to: &made, beside: folder, folders: folders)
        known.withLock { [made] in $0.compositions[makings] = made }
        return made
    }

    /// The picture of a recipe; nil when it was stopped.
    public func draw(
        _ recipe: PictureRecipe, isStopped: () -> Bool = { false }
    ) throws -> (picture: Image, recipe: PictureRecipe)? {
        let uses = recipe.adapters ?? []
        let stack = try stack(uses)
        let identity = "\(recipe.modelHash) \(recipe.precision.rawValue)"
        let reader = try model.remembering(encodings, hash: identity, stack, uses)
        return try recipe.drawn(by: reader, stack: stack, inversions: inversions, isStopped: isStopped)
    }

    /// The adapters of a recipe; the last few sets stay in memory.
    private func stack(_ uses: [AdapterUse]) throws -> AdapterStack? {
        guard !uses.isEmpty else { return nil }
        if let found = known.withLock({ $0.stacks.first { $0.uses == uses } }) { return found.stack }
        let made = try model.adapters(uses)
        known.withLock { known in
            known.stacks.append((uses, made))
            if known.stacks.count > 4 { known.stacks.removeFirst() }
        }
        return made
    }
}

extension BatchJob {
    /// Puts what the job says itself into a request.
    fileprivate func override(_ request: inout GenerationRequest) {
        request.negativePrompt = negativePrompt ?? request.negativePrompt
        request.steps = steps ?? request.steps
        request.guidanceScale = cfgScale ?? request.guidanceScale
        request.seed = seed ?? request.seed
        request.noise = rng ?? request.noise
        request.width = width ?? request.width
        request.height = height ?? request.height
        request.sampler = sampler ?? request.sampler
        request.schedule = schedule ?? request.schedule
        request.eta = eta ?? request.eta
        request.guidanceRescale = guidanceRescale ?? request.guidanceRescale
        request.clipSkip = clipSkip ?? request.clipSkip
    }
}
