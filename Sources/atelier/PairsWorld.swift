import ArgumentParser
import Foundation
import TensorCore
import Training
import World

/// `atelier pairs world`: scenes of the embedded model's world that differ in one attribute.
struct PairsWorld: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "world", abstract: "Scenes that differ in one attribute.",
        discussion: """
            atelier pairs world --attribute hair_length -o pairs/hair
            atelier pairs world --attribute hat=none,beanie -a "family=portrait,hair_color=red" --count 12 -o pairs/hat
            atelier pairs world --attribute age=0,1 --scales=-2,-1,1,2 -o pairs/age
            """)

    @Option(
        help:
            "What differs, with its values from the lowest level to the highest; two numbers stand for all between them, none for the ends of the range."
    )
    var attribute: String
    @Option(
        parsing: .unconditional, help: "The slider's scale of each level; for each its opposite.")
    var scales = LevelScales([-1, 1])
    @Option(name: [.customShort("a"), .long], help: "What all scenes have, \"family=portrait,hair_color=red\".")
    var attributes: String?
    @Option(help: "How many pairs.")
    var count = 8
    @Option(name: [.short, .long], help: "The seed of the scenes.")
    var seed: UInt64 = 0
    @Option(help: "The style: \(SceneStyle.names).")
    var style: SceneStyle = .plain
    @Option(help: "Width and height in pixels.")
    var size = 128
    @OptionGroup var options: PairsOptions

    func validate() throws {
        guard (32...1024).contains(size) else { throw ValidationError("--size: expected 32 to 1024, found \(size)") }
        guard (1...10_000).contains(count) else {
            throw ValidationError("--count: expected 1 to 10000, found \(count)")
        }
    }

    func run() throws {
        let levels = try options.levels(scales.numbers)
        let world: WorldLevels
        do {
            world = try WorldLevels(
                attribute, scales: levels.levels.map(\.scale), fixed: try Scene.attributes(in: attributes ?? ""),
                count: count, seed: seed, style: style, size: size)
        } catch let error as SceneAttributeError {
            throw UsageError(description: "\(error)")
        }
        Interrupt.watch()
        let fixed = attributes.map { ", all with \($0)" } ?? ""
        try options.write(
            PairsOptions.numbered(count), to: levels, name: world.attribute.replacing("_", with: "-"),
            origin: "\(count) scenes of seed \(seed) that differ in \(world.attribute) "
                + "(\(world.values.joined(separator: ", ")))\(fixed), made by `atelier pairs world`.",
            pictures: world.pictures)
    }
}
