public import ArgumentParser
import Drawing
import Foundation
public import Generation
import Imaging
import Jobs
import TensorCore

/// `atelier stylize`: pictures once more, in a style.
struct Stylize: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Draw pictures again in a style, with sliders or along a direction; keeps what they show.",
        discussion: """
            atelier stylize photos/ --style ink=0.75 -o inked
            atelier stylize a.png -p "an old man" --style ink --method sdedit --strength 0.5 --sheet sheet.png -o inked
            atelier stylize -p "an old man" --style ink --sheet sheet.png -o inked     # from a prompt
            """)

    @Argument(help: "Pictures, and folders of them.")
    var inputs: [String] = []
    @Option(name: [.short, .long], help: "The folder to write into; names stay, as .png.")
    var output: String
    @Option(name: [.short, .long], help: "A folder in the diffusers layout, a checkpoint file, or an embedded model.")
    var model = "mini"
    @Option(
        name: [.short, .long], parsing: .unconditional,
        help: "What the pictures show (default: what they say of themselves, or nothing).")
    var prompt: String?
    @OptionGroup(title: "Styles and sliders") var loras: LoRAOptions
    @Option(help: "inversion, which finds the noise that gives the picture, or sdedit, which adds some.")
    var method: Stylization.Method = .inversion
    @Option(parsing: .unconditional, help: "How much of the way is done again, above 0 up to 1.")
    var strength = 0.6
    @Option(help: "How often each step of an inversion is refined.")
    var refinements = 1
    @Option(parsing: .unconditional, help: "Sampling steps (default: the model's own).")
    var steps: Int?
    @Option(help: "How strongly the prompt pulls (default: the model's own with sdedit, 1 with inversion).")
    var cfgScale: Double?
    @Option(name: [.short, .long], help: "The seed.")
    var seed: UInt64 = 42
    @Option(name: [.customShort("W"), .long], help: "Width in pixels (default: from the picture's proportions).")
    var width: Int?
    @Option(name: [.customShort("H"), .long], help: "Height in pixels (default: from the picture's proportions).")
    var height: Int?
    @Option(help: "Also write a sheet: each picture, without the styles, and with them.")
    var sheet: String?
    @Flag(help: "Go on after a picture that cannot be read, or whose output has the name of another's.")
    var keepGoing = false
    @Option(help: "The folder with the embedded models.")
    var assets: String?
    @Option(name: [.short, .long], parsing: .unconditional, help: "Threads (default: all cores).")
    var threads: Int?

    func run() async throws {
        try useThreads(threads)
        let (files, twins) = try pictures()
        guard !files.isEmpty || prompt != nil else {
            throw UsageError(description: "INPUT: expected pictures, a folder of them, or --prompt, found none")
        }
        try checkSheet(files)
        try makeFolder(URL(filePath: output, directoryHint: .isDirectory))
        Interrupt.watch()
        let job = self
        let failed = try await ComputeThread.shared.perform { try job.draw(files) }
        if failed + twins > 0 { throw ExitCode(1) }
    }

    /// The files of all inputs, and how many were told of and left because another one has their output's name; what is in
    /// a folder comes in the order of names.
    private func pictures() throws -> (files: [String], twins: Int) {
        var files: [String] = []
        for input in inputs {
            var isFolder: ObjCBool = false
            guard FileManager.default.fileExists(atPath: input, isDirectory: &isFolder) else {
                throw UsageError(description: "\(input): expected a picture or a folder, found nothing")
            }
            guard isFolder.boolValue else {
                files.append(input)
                continue
            }
            let folder: PictureFolder
            do {
                folder = try PictureFolder(input)
            } catch let error as JobError {
                throw UsageError(description: error.description)
            }
            for remark in folder.remarks { complain(remark) }
            guard FilePlace(input) != FilePlace(output) else {
                throw UsageError(
                    description: "--output \(output): expected another folder than \(input), whose pictures are read, "
                        + "found the same")
            }
            files += folder.names.map { input.hasSuffix("/") ? input + $0 : "\(input)/\($0)" }
        }
        try checkOriginals(files)
        var (known, twins): ([String: String], Set<Int>) = ([:], [])
        for (index, file) in files.enumerated() {
            guard let other = known[name(of: file)] else {
                known[name(of: file)] = file
                continue
            }
            let complaint = "\(file): expected a name of its own, found that of \(other)"
            guard keepGoing else { throw UsageError(description: complaint) }
            complain(complaint)
            twins.insert(index)
        }
        return (files.indices.filter { !twins.contains($0) }.map { files[$0] }, twins.count)
    }

    /// Checks that nothing is written over a picture that is read, by whatever path.
    private func checkOriginals(_ files: [String]) throws {
        let originals = Dictionary(files.map { (FilePlace($0), $0) }) { first, _ in first }
        for file in files {
            guard let own = originals[FilePlace(path(of: file))] else { continue }
            throw UsageError(
                description: "--output \(output): expected another folder than that of \(own), found that "
                    + "\(path(of: file)) is the same file")
        }
        if let sheet, let own = originals[FilePlace(sheet)] {
            throw UsageError(
                description: "--sheet \(sheet): expected another file than \(own), which is read, found the same")
        }
    }

    /// Checks that the sheet can be written, and is none of the pictures that are; its folder may be the one that is made.
    private func checkSheet(_ files: [String]) throws {
        guard let sheet else { return }
        let place = FilePlace(sheet)
        let drawn: [String?] = files.isEmpty ? [nil] : files
        if let other = drawn.map(path(of:)).first(where: { FilePlace($0) == place }) {
            throw UsageError(
                description: "--sheet \(sheet): expected another file than \(other), which is drawn, found the same")
        }
        let folder = URL(filePath: sheet).deletingLastPathComponent().path
        _ = try OutputPattern(sheet, count: 1, isFolderMade: FilePlace(folder) == FilePlace(output))
    }

    /// The file that a picture is drawn into, or that of the prompt alone.
    private func path(of file: String?) -> String { "\(output)/\(file.map(name(of:)) ?? "seed-\(seed).png")" }

    private func name(of file: String) -> String {
        URL(filePath: file).deletingPathExtension().lastPathComponent + ".png"
    }

    private func job(_ file: String?) -> BatchJob {
        var job = BatchJob()
        (job.prompt, job.steps, job.cfgScale, job.seed) = (prompt, steps, cfgScale, seed)
        (job.width, job.height, job.method, job.strength) = (width, height, method, strength)
        job.refinements = refinements
        job.input = file
        return job
    }

    private struct Drawn: Sendable {
        var title: String
        var pictures: [Image]
        var error: String?
    }

    /// Draws and writes all pictures, as many at once as there are threads; runs on the compute thread.
    ///
    /// - Returns: how many failed.
    private func draw(_ files: [String]) throws -> Int {
        let store = try Assets.store(model, assets: assets)
        let planner = try PicturePlanner(
            store, name: model, precision: .fp32, try loras.folders(assets: assets), folder: ".")
        let made = try loras.composition(in: prompt ?? "", for: ModelIdentity(store), assets: assets)
        guard !made.styles.isEmpty || !made.adapters.isEmpty || !made.directions.isEmpty else {
            throw UsageError(description: "--style: expected a style, slider or direction, found none")
        }
        let work: [String?] = files.isEmpty ? [nil] : files
        var progress = TerminalProgress()
        let drawn = try ComputeThread.shared.concurrently(
            work.count,
            progress: { done in
                if Interrupt.isRequested { throw Interrupted() }
                progress.show("drawing", step: done, total: work.count)
            }
        ) { index -> Drawn in
            do {
                return try draw(work[index], made, planner)
            } catch  where keepGoing && !(error is Interrupted) {
                return Drawn(title: work[index] ?? "", pictures: [], error: "\(error)")
            }
        }
        for failure in drawn { if let error = failure.error { complain(error) } }
        let shown = drawn.filter { $0.error == nil }
        if let sheet, !shown.isEmpty {
            let columns = (files.isEmpty ? [] : ["input"]) + ["without", "with"]
            let cells = shown.map { $0.pictures.map { ContactSheet.Cell?.some(.init($0)) } }
            let picture = ContactSheet(
                rows: cells, columnTitles: columns, rowTitles: shown.map(\.title), pictureSize: 192
            ).draw()
            try writeImage(picture, to: sheet)
            print(sheet)
        }
        return drawn.count { $0.error != nil }
    }

    private func draw(_ file: String?, _ made: Composition, _ planner: PicturePlanner) throws -> Drawn {
        var recipe = try planner.recipe(of: job(file))
        var own = made
        own.prompt = recipe.request.prompt
        own.apply(to: &recipe.request)
        recipe.adapters = made.adapters
        try recipe.request.validate(for: planner.model)
        try planner.model.checkActing(made.adapters, in: recipe.request, strength: recipe.start?.strength)
        func drawn(_ recipe: PictureRecipe) throws -> (picture: Image, recipe: PictureRecipe) {
            guard let drawn = try planner.draw(recipe, isStopped: { Interrupt.isRequested }) else {
                throw Interrupted()
            }
            return drawn
        }
        let (picture, noted) = try drawn(recipe)
        let path = path(of: file)
        try writeImage(picture, to: path, metadata: noted.metadata(for: ImageFormat(path: path)))
        print(path)
        guard sheet != nil else { return Drawn(title: own.prompt, pictures: []) }
        var plain = recipe
        (plain.request.styles, plain.request.directions) = (nil, nil)
        plain.adapters = made.adapters.filter { $0.styleBranch == nil }
        let input = try file.map { file in
            try readImage(at: file).image.resized(width: picture.width, height: picture.height)
        }
        return Drawn(title: own.prompt, pictures: [input, try drawn(plain).picture, picture].compactMap { $0 })
    }
}

extension Stylization.Method: ExpressibleByArgument {}
