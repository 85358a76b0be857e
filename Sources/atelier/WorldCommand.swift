import ArgumentParser
import Drawing
import Foundation
import Imaging
import World

/// `atelier world ...`: the pictures that the embedded model learnt from.
struct WorldCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "world", abstract: "Draw the world of the embedded model.",
        subcommands: [WorldRender.self, WorldSheet.self, WorldHeldOut.self])
}

/// `atelier world sheet`: a contact sheet of scenes with their captions.
struct WorldSheet: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sheet", abstract: "Draw a labelled contact sheet of random scenes.")

    @Option(help: "How many scenes.")
    var count = 24
    @Option(help: "Columns of the sheet.")
    var columns = 6
    @Option(name: [.short, .long], help: "The seed of the scenes.")
    var seed: UInt64 = 0
    @Option(help: "Width and height of a picture in pixels.")
    var size = 128
    @Option(help: "The style (\(SceneStyle.names)), or all: each scene in every style side by side.")
    var style = "plain"
    @Option(name: [.short, .long], help: "The file to write, .png or .jpg.")
    var output = "world.png"

    func validate() throws {
        guard (1...400).contains(count) else { throw ValidationError("--count: expected 1 to 400, found \(count)") }
        // With all styles, each scene has a row of its own.
        guard style == "all" || (1...count).contains(columns) else {
            throw ValidationError("--columns: expected 1 to \(count), found \(columns)")
        }
        guard (32...1024).contains(size) else { throw ValidationError("--size: expected 32 to 1024, found \(size)") }
        guard style == "all" || SceneStyle(rawValue: style) != nil else {
            throw ValidationError("--style: expected all, \(SceneStyle.names), found '\(style)'")
        }
    }

    func run() throws {
        let sampler = SceneSampler(seed: seed)
        let scenes = (0..<count).map { sampler.sample(index: $0) }
        let sheet: ContactSheet
        if let style = SceneStyle(rawValue: style) {
            sheet = ContactSheet(
                scenes.map {
                    .init(
                        render($0, style: style, size: size), caption: caption(for: $0, variation: seed).text)
                }, columns: columns, pictureSize: size)
        } else {
            sheet = ContactSheet(
                rows: scenes.map { scene in
                    SceneStyle.allCases.map { .init(render(scene, style: $0, size: size)) }
                }, columnTitles: SceneStyle.allCases.map(\.rawValue),
                rowTitles: scenes.map { caption(for: $0, variation: seed).text }, pictureSize: size)
        }
        try writeImage(sheet.draw(), to: output)
        print(output)
    }
}
