public import Imaging
public import World

/// Measures a slider on pictures of the world: the same prompts and seeds at several scales.
public struct SliderEvaluation: Sendable {
    /// Draws every order at every scale: `pictures[order][scale]`.
    public typealias Draw = (_ orders: [PictureOrder], _ scales: [Double]) throws -> [[Image]]

    public var seed: UInt64 = 7_301
    public var prompts = 50
    public var seeds = 4
    public var scales = [-2.0, -1, 0, 1, 2]

    public init() {}

    public struct Result: Sendable {
        public var report: SliderReport
        /// Some rows of pictures, one a prompt, along the scales.
        public var rows: [(prompt: String, pictures: [Image])]
    }

    /// - Parameters:
    ///   - trait: the one that the slider is to move, a number or a position on a circle.
    ///   - family: of the trait.
    public func run(
        slider: String, trait name: String, family: SceneFamily, probes: ProbePair, draw: Draw
    ) throws -> Result {
        let probe = probes[family]
        guard let index = probe.index(of: name) else {
            throw MeasurementError(
                "trait", expected: "one of \(probe.traits.map(\.name).joined(separator: ", "))", found: name)
        }
        guard let zero = scales.firstIndex(of: 0) else {
            throw MeasurementError("scales", expected: "0 among them", found: "\(scales)")
        }
        let orders = self.orders(family: family, without: name)
        let pictures = try draw(orders, scales)
        let answers = try pictures.map { try probe.read($0) }

        let order = [index] + probe.traits.indices.filter { $0 != index }
        let rows = order.map { place -> SliderReport.TraitRow in
            let trait = probe.traits[place]
            var changes = [Double](repeating: 0, count: scales.count)
            var sizes = changes
            for row in answers {
                for scale in scales.indices {
                    let (value, base) = (row[scale].values[place], row[zero].values[place])
                    changes[scale] += trait.signedChange(from: base, to: value)
                    sizes[scale] += trait.distance(value, base)
                }
            }
            let count = Double(max(answers.count, 1))
            return .init(trait: trait.name, changes: changes.map { $0 / count }, sizes: sizes.map { $0 / count })
        }
        let target = probe.traits[index]
        let rising = answers.count { row in
            zip(row, row.dropFirst()).allSatisfy { a, b in
                target.signedChange(from: a.values[index], to: b.values[index]) >= -0.01
            }
        }
        let count = Double(max(answers.count, 1))
        let perceptual = scales.indices.map { scale in
            probe.perceptualDistances(pictures.map { $0[scale] }, pictures.map { $0[zero] }).reduce(0, +) / count
        }
        let drift = scales.indices.map { scale in
            answers.reduce(0) { $0 + distance($1[scale].features, $1[zero].features) } / count
        }
        let report = SliderReport(
            slider: slider, target: name, scales: scales, prompts: prompts, seeds: seeds, rows: rows,
            monotoneShare: Double(rising) / count, perceptual: perceptual, drift: drift)
        let shown = stride(from: 0, to: orders.count, by: max(seeds, 1)).prefix(8).map {
            (prompt: orders[$0].prompt, pictures: pictures[$0])
        }
        return Result(report: report, rows: Array(shown))
    }

    /// Captions of scenes of the family that do not name what the slider moves, each with every seed.
    func orders(family: SceneFamily, without trait: String) -> [PictureOrder] {
        let sampler = SceneSampler(seed: seed, portraitShare: family == .portrait ? 1 : 0, holdingOut: true)
        let hidden = Attribute.naming(trait)
        return (0..<prompts).flatMap { index -> [PictureOrder] in
            let scene = sampler.sample(index: index)
            let named = CaptionGrammar.caption(for: scene, variation: UInt64(index)).attributes.map(\.attribute)
                .filter { !hidden.contains($0) && $0 != .family }
            let text = CaptionGrammar.caption(for: scene, naming: named, variation: UInt64(index)).text
            return (0..<seeds).map { PictureOrder(prompt: text, seed: UInt64(index * seeds + $0)) }
        }
    }

    /// The distance of two feature vectors over the length of the second.
    private func distance(_ a: [Float], _ b: [Float]) -> Double {
        let gap = zip(a, b).reduce(0.0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }
        let length = b.reduce(0.0) { $0 + Double($1 * $1) }
        return (gap / max(length, 1e-12)).squareRoot()
    }
}

extension Trait {
    /// The change of a value as a share of the range, the short way round on a circle; 1 for another class.
    func signedChange(from base: Double, to value: Double) -> Double {
        switch kind {
        case .number(let low, let high): return (value - base) / (high - low)
        case .circle(let period):
            let gap = ((value - base) / period).truncatingRemainder(dividingBy: 1)
            return gap > 0.5 ? gap - 1 : gap < -0.5 ? gap + 1 : gap
        case .choice: return value == base ? 0 : 1
        }
    }
}

extension Attribute {
    /// The attributes whose words say something of a trait.
    static func naming(_ trait: String) -> Set<Attribute> {
        switch trait {
        case "age": [.age, .hairColor]
        case "smile": [.mood]
        case "eye_size", "eye_openness": [.eyes]
        case "head_turn": [.turn]
        case "skin_tone": [.skin]
        case "hair_grey", "hair_color": [.hairColor, .age]
        case "hair_length": [.hairLength]
        case "hair_curl": [.hairTexture]
        case "beard": [.beard]
        case "light_direction": [.lightSide]
        case "light_warmth": [.lightTone]
        case "hour_of_day": [.time, .partOfDay]
        case "cloud_cover": [.clouds, .weather, .weatherStrength]
        case "weather_intensity": [.weatherStrength, .weather]
        case "season": [.season]
        case "trees": [.trees]
        default: Attribute(rawValue: trait).map { [$0] } ?? []
        }
    }
}
