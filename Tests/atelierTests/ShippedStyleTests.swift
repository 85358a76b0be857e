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
            (job.prompt, job.seed, job.steps) = (cases[index].prompt, cases[index].seed, 12)
            job.sliders = sliders.map { .init(name: $0, scale: 1) }
            if ink > 0 { job.styles = [StackFile.Style(style: "ink", strength: ink)] }
            return try #require(try planner.draw(planner.recipe(of: job))).picture
        }
    }

    private func values(_ trait: String, _ pictures: [Image]) throws -> [Double] {
        let place = try #require(probes.portrait.index(of: trait))
        return try probes.portrait.read(pictures).map { $0.values[place] }
    }

    /// How far pictures are from the true ink of others, in the mean.
    private func toInk(_ pictures: [Image], of plain: [Image]) -> Double {
        let truth = plain.map { restyled($0, style: .ink, size: $0.width) }
        let distances = [probes.portrait, probes.landscape].flatMap { $0.perceptualDistances(pictures, truth) }
        return distances.reduce(0, +) / Double(distances.count)
    }

    @Test(arguments: [("eye-size", "eye_size"), ("head-turn", "head_turn"), ("hair-length", "hair_length"), ("hair-grey", "hair_grey")])
    func `ink and three sliders keep both`(_ name: String, _ trait: String) throws {
        let traits = ["smile", "age", trait]
        let sliders = ["smile", "age", name]
        let cases = SliderCases(prompts: 8, seeds: 1)(family: .portrait, without: traits)
        let plain = try pictures(cases, sliders: [], ink: 0)
        let slid = try pictures(cases, sliders: sliders, ink: 0)
        let inked = try pictures(cases, sliders: [], ink: 0.75)
        let both = try pictures(cases, sliders: sliders, ink: 0.75)
        for trait in traits {
            let moved = try zip(values(trait, slid), values(trait, plain)).map { $0 - $1 }
            let kept = try zip(values(trait, both), values(trait, inked)).map { $0 - $1 }
            print("FIG", name, trait, moved.reduce(0, +) / 8, kept.reduce(0, +) / 8, kept.map { ($0 * 100).rounded() / 100 })
        }
        print("FIG", name, "ink", toInk(slid, of: slid), toInk(both, of: slid), toInk(plain, of: plain), toInk(inked, of: plain))
    }
}
