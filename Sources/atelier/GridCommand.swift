import ArgumentParser
import Drawing
import Foundation
import Generation
import Imaging
import TensorCore

/// `atelier grid`: one picture for every combination of values, on a labelled sheet.
struct GridCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "grid",
        abstract: "Draw a labelled sheet over one to three axes: sliders, seeds, steps, guidance, samplers, words.",
        discussion: """
            atelier grid -p "a woman" --axis slider:age=-2:2:5 --axis seed=1,2,3 -o age.png

            The first axis runs to the right, the second down; with a third, sheets stand below each other. A JSON index
            beside the sheet holds the recipe of every picture.
            """)

    @Option(
        help:
            "slider:NAME=-2:2:5, style:NAME=0,2,4, start:NAME=0.5,1, seed=1,2, steps=10,20, cfg=2,4, sampler=a,b, prompt=old|young."
    )
    var axis: [String]
    @Option(name: [.short, .long], help: "The sheet to write, .png or .jpg.")
    var output = "grid.png"
    @OptionGroup var options: SweepOptions

    func run() async throws {
        try useThreads(options.threads)
        let axes: [SweepAxis]
        do {
            axes = try axis.map { try SweepAxis($0) }
            guard (1...3).contains(axes.count) else {
                throw GenerationError("--axis", expected: "one to three of them", found: "\(axes.count)")
            }
            let count = axes.reduce(1) { $0 * $1.values.count }
            guard count <= 1000 else {
                throw GenerationError("--axis", expected: "at most 1000 pictures", found: "\(count)")
            }
        } catch let error as GenerationError {
            throw UsageError(description: error.description)
        }
        _ = try OutputPattern(output, count: 1)
        Interrupt.watch()
        // The last axis changes slowest.
        let places = axes.reversed().reduce([[Int]]([[]])) { places, axis in
            places.flatMap { place in axis.values.indices.map { [$0] + place } }
        }
        let options = options
        let drawn = try await ComputeThread.shared.perform { try options.draw(axes, places: places) }
        try writeImage(sheet(axes, drawn.map(\.picture)), to: output)
        let index = drawn.map { Entry(values: $0.cell.values, recipe: $0.recipe) }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        let path = URL(filePath: output).deletingPathExtension().appendingPathExtension("json")
        try encoder.encode(Index(axes: axes, pictures: index)).write(to: path, options: .atomic)
        print(output)
    }

    private struct Index: Encodable {
        let axes: [SweepAxis]
        let pictures: [Entry]
    }

    private struct Entry: Encodable {
        let values: [String]
        let recipe: PictureRecipe
    }

    private func sheet(_ axes: [SweepAxis], _ pictures: [Image]) -> Image {
        let columns = axes[0].values.count
        let perSheet = columns * (axes.count > 1 ? axes[1].values.count : 1)
        let rows = stride(from: 0, to: pictures.count, by: columns).map { start in
            pictures[start..<start + columns].map { ContactSheet.Cell?.some(.init($0)) }
        }
        let titles = rows.indices.map { row -> String in
            var parts: [String] = []
            if axes.count > 2 { parts.append(axes[2].label(row * columns / perSheet)) }
            if axes.count > 1 { parts.append(axes[1].label(row % axes[1].values.count)) }
            return parts.joined(separator: ", ")
        }
        return ContactSheet(
            rows: rows, title: options.prompt, columnTitles: axes[0].values.indices.map(axes[0].label),
            rowTitles: axes.count > 1 ? titles : [], pictureSize: min(max(pictures[0].width, 64), 512)
        ).draw()
    }
}
