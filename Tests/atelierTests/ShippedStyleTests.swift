import Foundation
import Generation
import Imaging
import Measurement
import TensorCore
import Testing
import World

@testable import Jobs
@testable import atelier

/// What ships acts together: a style and three sliders on the embedded model, read by probes that no training saw.
@Suite(.serialized) struct ShippedStyleTests {
    private let planner: PicturePlanner
    private let probes: ProbePair

    init() throws {
        planner = try PicturePlanner(
            Assets.store("mini", assets: nil), name: "mini", precision: .fp32,
            StackFolders(own: [], shipped: Assets.sliders(nil)), folder: ".")
        probes = try ProbePair(folder: Assets.folder(nil).appending(path: "probes").path, version: "b")
    }

    private func pictures(_ cases: [SliderCase], sliders: [String], ink: Double) throws -> [Image] {
        try ComputeThread.shared.concurrently(cases.count) { index in
            var job = BatchJob()
            (job.prompt, job.seed, job.steps) = (cases[index].prompt, cases[index].seed, 8)
            job.sliders = sliders.map { .init(name: $0, scale: 1) }
            if ink > 0 { job.styles = [StackFile.Style(style: "ink", strength: ink)] }
            return try #require(try planner.draw(planner.recipe(of: job))).picture
        }
    }

    /// How much more of a trait the probe reads in the second pictures, in the mean.
    private func change(_ trait: String, _ before: [Image], _ after: [Image]) throws -> Double {
        let place = try #require(probes.portrait.index(of: trait))
        func mean(_ pictures: [Image]) throws -> Double {
            try probes.portrait.read(pictures).reduce(0) { $0 + $1.values[place] } / Double(pictures.count)
        }
        return try mean(after) - mean(before)
    }

    /// How far apart pictures are, in the mean over both probes.
    private func distance(_ a: [Image], _ b: [Image]) -> Double {
        let distances = [probes.portrait, probes.landscape].flatMap { $0.perceptualDistances(a, b) }
        return distances.reduce(0, +) / Double(distances.count)
    }

    @Test func `ink and three sliders keep both`() throws {
        let (sliders, traits) = (["smile", "age", "eye-size"], ["smile", "age", "eye_size"])
        let cases = SliderCases(prompts: 4, seeds: 1)(family: .portrait, without: traits)
        let plain = try pictures(cases, sliders: [], ink: 0)
        let slid = try pictures(cases, sliders: sliders, ink: 0)
        let inked = try pictures(cases, sliders: [], ink: 0.75)
        let both = try pictures(cases, sliders: sliders, ink: 0.75)
        for (trait, least) in zip(traits, [0.3, 0.4, 0.5]) {
            let (alone, within) = (try change(trait, plain, slid), try change(trait, inked, both))
            #expect(alone > 0.1 && within > least * alone, "\(trait): \(alone) in plain pictures, \(within) in ink")
        }
        // The truth is known: the world's renderer draws what the sliders made in ink.
        let truth = try ComputeThread.shared.concurrently(slid.count) {
            restyled(slid[$0], style: .ink, size: slid[$0].width)
        }
        let (without, with) = (distance(slid, truth), distance(both, truth))
        #expect(with < 0.95 * without, "\(without) without the style, \(with) with it")
    }
}
