import ArgumentParser
import Foundation
import Generation
import Imaging
import Training

/// `atelier pairs folders`: pairs of pictures that are there already.
struct PairsFolders: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "folders", abstract: "Pairs of two or more folders of pictures with the same names.",
        discussion: """
            atelier pairs folders --level photos/young=-1 --level photos/old=1 --name age -o pairs/age

            Names are compared without their endings. The middle square of each picture is copied, in one size.
            """)

    @Option(help: "A folder and the slider's scale of its pictures, FOLDER=-1; for each scale its opposite.")
    var level: [WeightedFile]
    @Option(help: "Width and height in pixels (default: the smaller side of each pair).")
    var size: Int?
    @Flag(help: "Leave out pictures that some folder has not, instead of stopping.")
    var matching = false
    @OptionGroup var options: PairsOptions

    func validate() throws {
        if let size, !(8...4096).contains(size) {
            throw ValidationError("--size: expected 8 to 4096, found \(size)")
        }
    }

    func run() throws {
        let sorted = level.sorted { $0.weight < $1.weight }
        let levels = try options.levels(sorted.map(\.weight))
        let outputs = levels.levels.map { levels.folder.appending(path: $0.name).standardizedFileURL.path }
        for own in sorted {
            guard !outputs.contains(URL(filePath: own.path).standardizedFileURL.path) else {
                throw UsageError(
                    description: "--output \(options.output): expected another place than that of \(own.path)")
            }
        }
        let folders = try MatchedFolders(sorted.map(\.path))
        for line in folders.odd { complain(line) }
        guard folders.odd.isEmpty || matching else {
            throw GenerationError(
                sorted.map(\.path).joined(separator: ", "),
                expected: "the same names, or --matching to leave out the others",
                found: "\(folders.odd.count) that some folder has not")
        }
        Interrupt.watch()
        try options.write(
            folders.names, to: levels, name: "slider",
            origin: "\(folders.names.count) pictures of " + sorted.map(\.path).joined(separator: " and ")
                + ", put together by `atelier pairs folders`."
        ) { try folders.pictures(folders.names[$0], size: size) }
    }
}
