public import Imaging
import World

/// A way of drawing a case: with the slider, with a part of it, or with something else that should do the same.
public enum SliderVariant: Sendable, Hashable {
    /// The whole slider, at a scale; the plain model at 0.
    case scale(Double)
    /// The slider carried along at a strength of 0, which must be the plain model to the bit.
    case zero
    /// Scale 1 in a window of the training timesteps only, shares from pure noise as 1 down to 0.
    case window(from: Double, to: Double)
    /// Scale 1 in the layers of one block only.
    case block(String)
    /// Another slider at scale 1, by its number.
    case beside(Int)
    /// No slider, the prompt's words instead.
    case words
    /// The same with prompt-to-prompt's exchange of attention.
    case exchange
    /// The difference between the words' prediction and the plain one, added at each step.
    case direction(Double)
}

/// Measures a slider on pictures of the world: the same prompts and seeds at several scales; each picture is drawn once
/// and serves every measure.
public struct SliderEvaluation: Sendable {
    /// Draws every case in every way: `pictures[case][variant]`.
    public typealias Draw = (_ cases: [SliderCase], _ variants: [SliderVariant]) throws -> [[Image]]

    /// What is drawn beside the scales.
    public struct Extras: Sendable {
        /// Prompts of the profiles over timesteps and blocks, one picture each; 0 for none.
        public var profilePrompts = 0
        public var windows = 5
        /// The slider's blocks, by a part of the paths of their layers.
        public var blocks: [String] = []
        /// The rows of the table beside the slider's, by name.
        public var ways: [(name: String, variant: SliderVariant)] = []
        /// Pictures of each prompt for those rows.
        public var waySeeds = 1

        public init() {}
    }

    public var cases = SliderCases()
    public var scales = [-2.0, -1, 0, 1, 2]
    public var extras = Extras()

    public init() {}

    public struct Result: Sendable {
        public var report: SliderReport
        /// Some rows of pictures, one a prompt, along the scales.
        public var rows: [(prompt: String, pictures: [Image])]
        /// The same cases drawn in the other ways, after the picture at scale 0 and the one at scale 1.
        public var wayRows: [(prompt: String, pictures: [Image])] = []
        public var cases: [SliderCase]
        /// The pictures at scale 0.
        public var base: SliderGauge.Read
    }

    /// The pictures that a run draws, at most.
    public var pictureCount: Int {
        let profiles = extras.profilePrompts == 0 ? 0 : extras.windows + extras.blocks.count
        let own = cases.prompts * cases.seeds * scales.count
        return own + min(extras.profilePrompts, cases.prompts) * profiles
            + cases.prompts * min(extras.waySeeds, cases.seeds) * extras.ways.count
    }

    public func run(slider: String, gauge: SliderGauge, draw: Draw) throws -> Result {
        guard let zero = scales.firstIndex(of: 0) else {
            throw MeasurementError("scales", expected: "0 among them", found: "\(scales)")
        }
        let cases = self.cases(family: gauge.family, without: [gauge.target.name], raising: gauge.target.name)
        let pictures = try draw(cases, scales.map(SliderVariant.scale))
        let columns = try scales.indices.map { scale in try gauge.readings(of: pictures.map { $0[scale] }) }
        let changes = columns.map { gauge.change(from: columns[zero], to: $0) }
        var report = SliderReport(
            slider: slider, target: gauge.target.name, scales: scales, prompts: self.cases.prompts,
            seeds: self.cases.seeds, changes: changes)
        report.monotoneShare = monotoneShare(columns.map(\.readings), gauge)

        let seeds = max(self.cases.seeds, 1)
        func chosen(_ indices: [Int]) -> SliderGauge.Read {
            SliderGauge.Read(
                pictures: indices.map { columns[zero].pictures[$0] },
                readings: indices.map { columns[zero].readings[$0] })
        }
        if extras.profilePrompts > 0 {
            let indices = Array(stride(from: 0, to: cases.count, by: seeds).prefix(extras.profilePrompts))
            let windows = (0..<extras.windows).map { index in
                let width = 1 / Double(extras.windows)
                return (from: 1 - Double(index) * width, to: 1 - Double(index + 1) * width)
            }
            let drawn = try draw(
                indices.map { cases[$0] },
                windows.map { SliderVariant.window(from: $0.from, to: $0.to) } + extras.blocks.map(SliderVariant.block))
            let base = chosen(indices)
            func part(_ name: String, _ column: Int) throws -> SliderReport.Part {
                let change = gauge.change(from: base, to: try gauge.readings(of: drawn.map { $0[column] }))
                return .init(name: name, effect: change.effect, perceptual: change.perceptual, drift: change.drift)
            }
            report.windows = try windows.enumerated().map { index, window in
                try part("\(SliderReport.text(window.from)) to \(SliderReport.text(window.to))", index)
            }
            report.blocks = try extras.blocks.enumerated().map { try part(blockName($1), windows.count + $0) }
        }

        var wayRows: [(prompt: String, pictures: [Image])] = []
        if !extras.ways.isEmpty {
            let indices = cases.indices.filter { $0 % seeds < extras.waySeeds && cases[$0].raised != nil }
            let drawn = try draw(indices.map { cases[$0] }, extras.ways.map(\.variant))
            let base = chosen(indices)
            if let one = scales.firstIndex(of: 1) {
                // The slider over the same cases, so that the rows can be compared.
                let own = SliderGauge.Read(
                    pictures: indices.map { columns[one].pictures[$0] },
                    readings: indices.map { columns[one].readings[$0] })
                report.ways.append(.init("slider", indices.count, gauge.change(from: base, to: own)))
                for index in indices.prefix(8) {
                    let row = indices.firstIndex(of: index) ?? 0
                    wayRows.append(
                        (cases[index].raised ?? "", [pictures[index][zero], pictures[index][one]] + drawn[row]))
                }
            }
            for (column, way) in extras.ways.enumerated() {
                let read = try gauge.readings(of: drawn.map { $0[column] })
                report.ways.append(.init(way.name, indices.count, gauge.change(from: base, to: read)))
            }
        }
        let shown = stride(from: 0, to: cases.count, by: seeds).prefix(8).map {
            (prompt: cases[$0].prompt, pictures: pictures[$0])
        }
        return Result(
            report: report, rows: Array(shown), wayRows: wayRows, cases: cases, base: columns[zero])
    }

    /// The share of the cases that show the target at every scale in which it never falls by more than 0.01 of its range
    /// from one scale to the next.
    func monotoneShare(_ columns: [[SliderGauge.Reading]], _ gauge: SliderGauge) -> Double {
        let order = scales.indices.sorted { scales[$0] < scales[$1] }
        var (rising, seen) = (0, 0)
        for index in columns.first?.indices ?? 0..<0 {
            let row = order.map { columns[$0][index] }
            let changes = zip(row, row.dropFirst()).map { gauge.change(0, from: $0, to: $1)?.signed }
            guard !changes.contains(where: { $0 == nil }) else { continue }
            seen += 1
            if changes.allSatisfy({ ($0 ?? 0) >= -0.01 }) { rising += 1 }
        }
        return seen == 0 ? 0 : Double(rising) / Double(seen)
    }
}
