import ArgumentParser
import Foundation
import Generation
import Imaging
import TensorCore

/// `atelier morph`: the frames of a slider in motion.
struct Morph: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Draw a slider in motion: numbered pictures, or one animated PNG.",
        discussion: """
            atelier morph -p "a woman" --axis slider:age=-2:2:24 -o age.png         # an animated PNG
            atelier morph -p "a woman" --axis slider:age=-2:2:24 -o age-%03d.png    # a picture a frame
            """)

    @Option(help: "What moves: slider:NAME=first:last:count, or another axis of `atelier grid`.")
    var axis: [String]
    @Option(name: [.short, .long], help: "The animated PNG, or numbered pictures with %03d.")
    var output = "morph.png"
    @Option(help: "Milliseconds that a frame stays.")
    var frameTime = 80
    @Flag(help: "Play forwards, then backwards.")
    var bounce = false
    @OptionGroup var options: SweepOptions

    func validate() throws {
        guard axis.count == 1 else {
            throw ValidationError(
                "--axis: expected one, as a morph has one dimension (`atelier grid` takes three), found \(axis.count)")
        }
        guard (10...10_000).contains(frameTime) else {
            throw ValidationError("--frame-time: expected 10 to 10000 milliseconds, found \(frameTime)")
        }
    }

    func run() async throws {
        try useThreads(options.threads)
        let wanted: SweepAxis
        do {
            wanted = try SweepAxis(axis[0])
        } catch let error as GenerationError {
            throw UsageError(description: error.description)
        }
        let isNumbered = output.contains("%")
        let outputs = try OutputPattern(output, count: isNumbered ? wanted.values.count : 1)
        guard isNumbered || ImageFormat(path: output) == .png else {
            throw UsageError(description: "--output \(output): expected .png for an animation, or %03d for pictures")
        }
        Interrupt.watch()
        let options = options
        let places = wanted.values.indices.map { [$0] }
        let drawn = try await ComputeThread.shared.perform { try options.draw([wanted], places: places) }
        if isNumbered {
            for (index, frame) in drawn.enumerated() {
                try writeImage(
                    frame.picture, to: outputs.path(index),
                    metadata: frame.recipe.metadata(for: ImageFormat(path: outputs.path(index))))
                print(outputs.path(index))
            }
            return
        }
        var frames = drawn.map(\.picture)
        if bounce { frames += frames.dropFirst().dropLast().reversed() }
        try writeAnimatedPNG(
            frames, to: output, frameMilliseconds: frameTime, metadata: drawn.first?.recipe.metadata() ?? .init())
        print(output)
    }
}
