public import Adapters
public import Drawing
public import Generation
import Imaging
import Layers
import TensorCore
import World

/// Several sliders together: what each does to the others' traits, how alike their changes of weights are, and whether
/// all of them at once still do what each is asked for.
public struct SliderFolder: Sendable {
    public struct Member: Sendable {
        public var name: String
        public var adapter: Adapter
        public var gauge: SliderGauge

        public init(name: String, adapter: Adapter, gauge: SliderGauge) {
            self.name = name
            self.adapter = adapter
            self.gauge = gauge
        }
    }

    public struct Report: Sendable, Codable, Equatable {
        public var sliders: [String]
        public var traits: [String]
        /// The change of each slider's own trait at scale 1.
        public var effects: [Double] = []
        /// `[slider][trait]`: the size of the trait's change at scale 1 over that of the slider's own; nil between families.
        public var interference: [[Double?]] = []
        /// `[slider][slider]`: the cosine of the angle between the changes of weights.
        public var gram: [[Double]] = []
        /// The correlation of the scales asked for and the changes measured, all sliders at once; nil where it was not
        /// measured.
        public var composition: [Double?]?

        public var markdown: String {
            func text(_ value: Double?) -> String { value.map(SliderReport.text) ?? "-" }
            func table(_ title: String, _ columns: [String], _ rows: [[Double?]]) -> String {
                ([
                    "\(title):", "", "| slider | " + columns.joined(separator: " | ") + " |",
                    "|---|" + columns.map { _ in "---|" }.joined(),
                ]
                    + zip(sliders, rows).map { name, row in
                        "| \(name) | " + row.map(text).joined(separator: " | ") + " |"
                    }).joined(separator: "\n")
            }
            let mean = effects.reduce(0, +) / Double(max(effects.count, 1))
            let spread = effects.map { abs($0 - mean) }.max().map { $0 / max(abs(mean), 1e-9) }
            var parts = [
                table("Effect of scale 1 on the slider's own trait, of its range", ["effect"], effects.map { [$0] }),
                "The furthest of these is \(text(spread.map { 100 * $0 })) % from their mean.",
                table(
                    "Interference: change of each trait at scale 1 over that of the slider's own", traits, interference),
                table("Cosine between the changes of weights", sliders, gram),
            ]
            if let composition {
                parts.append(
                    table(
                        "All at once: correlation of scale and change", ["correlation"], composition.map { [$0] }))
            }
            return parts.joined(separator: "\n\n") + "\n"
        }

        public func interferenceMap() -> HeatMap {
            HeatMap(
                interference.map { $0.map { $0 ?? .nan } }, rowLabels: sliders, columnLabels: traits,
                title: "change of each trait over that of the slider's own",
                cellTexts: interference.map { $0.map { $0.map(SliderReport.text) ?? "" } }, range: 0...1, cellWidth: 48)
        }

        public func gramMap() -> HeatMap {
            HeatMap(
                gram, rowLabels: sliders, columnLabels: sliders, title: "cosine between the changes of weights",
                cellTexts: gram.map { $0.map(SliderReport.text) }, range: -1...1, cellWidth: 48)
        }
    }

    public let members: [Member]
    private let model: StableDiffusion
    private let stack: AdapterStack
    private let units: [Double]
    public var steps: Int
    public var guidanceScale: Double
    public var cases: SliderCases

    /// - Throws: `MeasurementError` for an empty folder.
    public init(
        _ members: [Member], model: StableDiffusion, cases: SliderCases, steps: Int, guidanceScale: Double
    ) throws {
        guard !members.isEmpty else {
            throw MeasurementError("sliders", expected: "at least one", found: "none")
        }
        self.members = members
        self.model = model
        self.cases = cases
        self.steps = steps
        self.guidanceScale = guidanceScale
        units = members.map { $0.adapter.unit }
        stack = try AdapterStack(members.map { SliderDrawer.entry($0.adapter, model) }, sites: model.sites)
    }

    private func members(of family: SceneFamily) -> [Int] {
        members.indices.filter { members[$0].gauge.family == family }
    }

    /// The prompts of a family that name no member's trait.
    private func cases(of family: SceneFamily) -> [SliderCase] {
        cases(family: family, without: members(of: family).map { members[$0].gauge.target.name })
    }

    /// How many families the sliders belong to.
    public var families: Int { Set(members.map(\.gauge.family)).count }

    public var matrixPictures: Int {
        SceneFamily.allCases.reduce(0) { sum, family in
            let count = members(of: family).count
            return sum + (count == 0 ? 0 : cases.prompts * cases.seeds * (count + 1))
        }
    }

    /// - Parameter progress: gets the number of pictures done.
    public func matrix(progress: (Int) throws -> Void = { _ in }) throws -> Report {
        var report = Report(sliders: members.map(\.name), traits: members.map(\.gauge.target.name))
        report.effects = members.map { _ in 0 }
        report.interference = members.map { _ in members.map { _ in nil } }
        var done = 0
        for family in SceneFamily.allCases {
            let own = members(of: family)
            guard !own.isEmpty else { continue }
            let cases = cases(of: family)
            let wanted =
                [members.map { _ in 0.0 }] + own.map { number in members.indices.map { $0 == number ? 1.0 : 0 } }
            let pictures = try draw(cases, { _ in wanted }) { try progress(done + $0) }
            done += cases.count * wanted.count
            let probe = members[own[0]].gauge.probe
            let answers = try wanted.indices.map { column in try probe.read(pictures.map { $0[column] }) }
            // For each trait its changes under each slider.
            let changes = own.map { trait in
                let gauge = members[trait].gauge
                let readings = answers.map { $0.map(gauge.reading) }
                return own.indices.map { slider in
                    zip(readings[0], readings[slider + 1]).compactMap { gauge.change(0, from: $0, to: $1) }
                }
            }
            func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(max(values.count, 1)) }
            for (row, slider) in own.enumerated() {
                let size = max(mean(changes[row][row].map(\.size)), 1e-9)
                report.effects[slider] = mean(changes[row][row].map(\.signed))
                for (column, trait) in own.enumerated() {
                    report.interference[slider][trait] = mean(changes[column][row].map(\.size)) / size
                }
            }
        }
        report.gram = try members.map { a in
            try members.map { b in try a.adapter.cosine(b.adapter) }
        }
        return report
    }

    /// All sliders at once, at scales drawn for each picture, uniform between -1.5 and 1.5 and within each one's range.
    ///
    /// - Parameter count: pictures of each family.
    /// - Returns: for each slider the correlation of the scale asked for and the change measured against the plain picture;
    ///   nil where fewer than three pictures show the trait.
    public func composition(_ count: Int, progress: (Int) throws -> Void = { _ in }) throws -> [Double?] {
        var result = [Double?](repeating: nil, count: members.count)
        var done = 0
        for family in SceneFamily.allCases {
            let own = members(of: family)
            guard !own.isEmpty else { continue }
            var wanted = self
            (wanted.cases.prompts, wanted.cases.seeds) = (count, 1)
            let cases = wanted.cases(of: family)
            let scales = cases.indices.map { index -> [Double] in
                var random = SplitMix64(seed: self.cases.seed, index: UInt64(index))
                return members.map { member in
                    let range = member.adapter.sliderNote?.range ?? [-2, 2]
                    return random.uniform(max(-1.5, range.first ?? -2), min(1.5, range.last ?? 2))
                }
            }
            let pictures = try draw(cases, { [members.map { _ in 0 }, scales[$0]] }) { try progress(done + $0) }
            done += 2 * cases.count
            let probe = members[own[0]].gauge.probe
            let (plain, mixed) = (try probe.read(pictures.map { $0[0] }), try probe.read(pictures.map { $0[1] }))
            for slider in own {
                let gauge = members[slider].gauge
                let pairs = cases.indices.compactMap { index -> (Double, Double)? in
                    gauge.change(0, from: gauge.reading(plain[index]), to: gauge.reading(mixed[index]))
                        .map { (scales[index][slider], $0.signed) }
                }
                result[slider] = correlation(pairs)
            }
        }
        return result
    }

    /// One prompt under every pair of scales of two sliders.
    public func grid(_ first: Int, _ second: Int, scales: [Double] = [-2, -1, 0, 1, 2]) throws -> ContactSheet {
        let wanted = scales.flatMap { down in
            scales.map { across in
                members.indices.map { ($0 == first ? across : 0) + ($0 == second ? down : 0) }
            }
        }
        let cases = Array(cases(of: members[first].gauge.family).prefix(1))
        let pictures = try draw(wanted.map { _ in cases[0] }, { [wanted[$0]] }) { _ in }
        return ContactSheet(
            rows: scales.indices.map { row in
                scales.indices.map { .init(pictures[row * scales.count + $0][0]) }
            }, title: "\(members[first].name) across, \(members[second].name) down: \(cases[0].prompt)",
            columnTitles: scales.map(SliderReport.text), rowTitles: scales.map(SliderReport.text), pictureSize: 128)
    }

    /// `pictures[case][setting]`, each setting a scale for every member.
    private func draw(
        _ cases: [SliderCase], _ settings: @Sendable (Int) -> [[Double]], progress: (Int) throws -> Void
    ) throws -> [[Image]] {
        let each = cases.isEmpty ? 0 : settings(0).count
        return try ComputeThread.shared.concurrently(cases.count, progress: { try progress($0 * each) }) { index in
            let request = GenerationRequest(
                prompt: cases[index].prompt, steps: steps, guidanceScale: guidanceScale, seed: cases[index].seed,
                width: model.defaultSize, height: model.defaultSize)
            return try settings(index).map { scales in
                let acting = scales.contains { $0 != 0 }
                let weights = zip(scales, units).map { $0 * $1 }
                var denoising = try Denoising(
                    request, model: model, pass: Pass(adaptation: acting ? stack.weighted(weights) : nil))
                denoising.advanceToEnd()
                return try denoising.picture()
            }
        }
    }
}

/// Pearson's correlation; nil for fewer than three pairs and for a constant.
func correlation(_ pairs: [(Double, Double)]) -> Double? {
    guard pairs.count >= 3 else { return nil }
    let count = Double(pairs.count)
    let (x, y) = (pairs.reduce(0) { $0 + $1.0 } / count, pairs.reduce(0) { $0 + $1.1 } / count)
    let products = pairs.reduce(0) { $0 + ($1.0 - x) * ($1.1 - y) }
    let (squaresX, squaresY) = (
        pairs.reduce(0) { $0 + ($1.0 - x) * ($1.0 - x) }, pairs.reduce(0) { $0 + ($1.1 - y) * ($1.1 - y) }
    )
    guard squaresX > 0, squaresY > 0 else { return nil }
    return products / (squaresX * squaresY).squareRoot()
}
