import Adapters
import ArgumentParser
import Drawing
import Foundation
import Generation
import Imaging
import Measurement
import TensorCore
import World

/// `atelier slider matrix`: all sliders of a folder against each other.
struct SliderMatrix: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "matrix",
        abstract: "Measure what each slider of a folder does to the traits of the others, and all of them at once.",
        discussion: """
            Writes matrix.json, matrix.md, interference.png and gram.png (cosines between the changes of weights). With \
            --composition all sliders act at once at random scales, and each one's scale is compared with the change of \
            its trait. With --grid two of them go through their scales in one picture, grid.png.
            """)

    @Argument(help: "The folder: slider files, or folders with one each.")
    var sliders: String
    @Option(name: [.short, .long], help: "The folder to write into.")
    var output: String
    @Option(help: "Pictures of each family with all sliders at once; 0 leaves it out.")
    var composition = 0
    @Option(help: "Two sliders of one family for a grid, separated by a comma.")
    var grid: String?
    @OptionGroup var measuring: SliderMeasuring

    func validate() throws {
        guard (0...100_000).contains(composition) else {
            throw ValidationError("--composition: expected 0 to 100000, found \(composition)")
        }
        guard measuring.trait == nil else { throw ValidationError("--trait: means nothing for several sliders") }
    }

    func run() async throws {
        try useThreads(measuring.threads)
        Interrupt.watch()
        let folder = URL(filePath: output, directoryHint: .isDirectory)
        try makeFolder(folder)
        let job = self
        let (report, sheet) = try await ComputeThread.shared.perform { try job.measure() }
        try report.json().write(to: folder.appending(path: "matrix.json"), options: .atomic)
        try Data(report.markdown.utf8).write(to: folder.appending(path: "matrix.md"), options: .atomic)
        try writeImage(report.interferenceMap().draw(), to: folder.appending(path: "interference.png").path)
        try writeImage(report.gramMap().draw(), to: folder.appending(path: "gram.png").path)
        if let sheet { try writeImage(sheet.draw(), to: folder.appending(path: "grid.png").path) }
        print(report.markdown, terminator: "")
    }

    private func measure() throws -> (SliderFolder.Report, ContactSheet?) {
        let bench = try measuring.bench()
        var members: [SliderFolder.Member] = []
        for file in try Self.files(in: sliders) {
            let adapter = try Adapter(path: file, modules: bench.network.modules)
            let name = SliderMeasuring.name(of: adapter)
            // Exports of a slider in other formats stand beside it.
            guard !members.contains(where: { $0.name == name }) else { continue }
            members.append(
                .init(name: name, adapter: adapter, gauge: try measuring.gauge(adapter, bench)))
        }
        let folder = try SliderFolder(
            members, model: bench.network, cases: measuring.cases(), steps: bench.steps,
            guidanceScale: bench.guidanceScale)
        let pair = try grid.map { try Self.pair($0, of: members) }
        var clock = PictureClock(total: folder.matrixPictures + 2 * composition * folder.families)
        var report = try folder.matrix { try clock.show($0) }
        clock.finish(folder.matrixPictures)
        if composition > 0 { report.composition = try folder.composition(composition) { try clock.show($0) } }
        return (report, try pair.map { try folder.grid($0.0, $0.1) })
    }

    /// Sorted paths of slider files in a folder and in the folders in it.
    static func files(in folder: String) throws -> [String] {
        func entries(_ path: String) -> [String] {
            ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted().map { "\(path)/\($0)" }
        }
        let files = entries(folder).flatMap { entry in
            entry.hasSuffix(".safetensors") ? [entry] : entries(entry).filter { $0.hasSuffix(".safetensors") }
        }
        guard !files.isEmpty else {
            throw UsageError(description: "\(folder): expected slider files (.safetensors), found none")
        }
        return files
    }

    private static func pair(_ text: String, of members: [SliderFolder.Member]) throws -> (Int, Int) {
        let names = text.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
        let found = names.compactMap { name in members.firstIndex { $0.name == name } }
        guard names.count == 2, found.count == 2, found[0] != found[1],
            members[found[0]].gauge.family == members[found[1]].gauge.family
        else {
            throw UsageError(
                description: "--grid: expected two sliders of one family from "
                    + "\(members.map(\.name).joined(separator: ", ")), found '\(text)'")
        }
        return (found[0], found[1])
    }
}
