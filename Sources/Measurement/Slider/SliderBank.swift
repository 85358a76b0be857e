import World

/// What a slider is held to: locked prompts and seeds, and what it did to them when the bank was written.
///
/// A slider passes when at scale 0 it is the plain model to the bit, when its effects are those of the bank, when it
/// rises with its scale, and when it leaves other traits, and pictures of the other family, as much alone as then.
public struct SliderBank: Sendable, Codable, Equatable {
    public var schema = 1
    public var slider: String
    public var trait: String
    /// The hash of the model that it was measured on.
    public var model: String
    public var steps: Int
    public var guidanceScale: Double
    public var cases: [SliderCase]
    /// Prompts of the other family, which the slider has no business with.
    public var bystanders: [SliderCase]
    public var scales: [Double]
    /// The mean change of the trait at each scale, of its range.
    public var effects: [Double]
    /// How far an effect may be off.
    public var tolerance = 0.05
    /// The share of the cases in which the trait never falls, at least.
    public var monotone: Double
    /// At scale 1, at most.
    public var meanInterference: Double
    public var worstInterference: Double
    /// The mean perceptual distance of a bystander at scale 1 to the plain one, at most.
    public var bystander: Double

    /// What a slider does to the cases of a bank.
    public struct Trial: Sendable, Equatable {
        public var isZeroExact: Bool
        public var effects: [Double]
        public var monotone: Double
        public var meanInterference: Double
        public var worstInterference: (trait: String, share: Double)
        public var bystander: Double

        public static func == (a: Trial, b: Trial) -> Bool {
            a.isZeroExact == b.isZeroExact && a.effects == b.effects && a.monotone == b.monotone
                && a.meanInterference == b.meanInterference && a.worstInterference == b.worstInterference
                && a.bystander == b.bystander
        }
    }

    public struct Finding: Sendable, Equatable, CustomStringConvertible {
        public var isGood: Bool
        public var subject: String
        public var expected: String
        public var found: String

        public var description: String {
            "\(isGood ? "ok  " : "FAIL") \(subject): expected \(expected), found \(found)"
        }
    }

    /// Draws and reads what a bank of these cases needs: every case at every scale, and the bystanders at 0 and 1.
    public static func trial(
        _ cases: [SliderCase], bystanders: [SliderCase], scales: [Double], gauge: SliderGauge, probes: ProbePair,
        draw: SliderEvaluation.Draw
    ) throws -> Trial {
        guard let zero = scales.firstIndex(of: 0), let one = scales.firstIndex(of: 1) else {
            throw MeasurementError("scales", expected: "0 and 1 among them", found: "\(scales)")
        }
        let pictures = try draw(cases, scales.map(SliderVariant.scale))
        let few = Array(cases.prefix(4))
        let carried = try draw(few, [.zero])
        let columns = try scales.indices.map { scale in try gauge.readings(of: pictures.map { $0[scale] }) }
        let changes = columns.map { gauge.change(from: columns[zero], to: $0) }
        var evaluation = SliderEvaluation()
        evaluation.scales = scales
        let other = probes[gauge.family == .portrait ? .landscape : .portrait]
        let beside = bystanders.isEmpty ? [] : try draw(bystanders, [.scale(0), .scale(1)])
        let distances = other.perceptualDistances(beside.map { $0[1] }, beside.map { $0[0] })
        return Trial(
            isZeroExact: few.indices.allSatisfy { carried[$0][0] == pictures[$0][zero] },
            effects: changes.map(\.effect), monotone: evaluation.monotoneShare(columns.map(\.readings), gauge),
            meanInterference: changes[one].meanInterference, worstInterference: changes[one].worstInterference,
            bystander: distances.reduce(0, +) / Double(max(distances.count, 1)))
    }

    /// A bank that a trial passes, with some room.
    public init(
        _ trial: Trial, slider: String, trait: String, model: String, steps: Int, guidanceScale: Double,
        cases: [SliderCase], bystanders: [SliderCase], scales: [Double]
    ) {
        self.slider = slider
        self.trait = trait
        self.model = model
        self.steps = steps
        self.guidanceScale = guidanceScale
        self.cases = cases
        self.bystanders = bystanders
        self.scales = scales
        effects = trial.effects
        monotone = min(0.95, max(trial.monotone - 0.05, 0))
        meanInterference = max(0.15, 1.2 * trial.meanInterference)
        worstInterference = max(0.3, 1.2 * trial.worstInterference.share)
        bystander = 1.2 * trial.bystander + 0.01
    }

    /// What a trial is worth, one finding a demand.
    public func findings(_ trial: Trial) -> [Finding] {
        let text = SliderReport.text
        var findings = [
            Finding(
                isGood: trial.isZeroExact, subject: "scale 0", expected: "the plain model's pictures to the bit",
                found: trial.isZeroExact ? "those" : "others")
        ]
        for (scale, (expected, found)) in zip(scales, zip(effects, trial.effects)) {
            findings.append(
                Finding(
                    isGood: abs(expected - found) <= tolerance, subject: "effect on \(trait) at \(text(scale))",
                    expected: "\(text(expected)) within \(text(tolerance))", found: text(found)))
        }
        func limit(_ subject: String, _ value: Double, _ isGood: Bool, _ expected: String) {
            findings.append(Finding(isGood: isGood, subject: subject, expected: expected, found: text(value)))
        }
        limit(
            "share of cases that never fall", trial.monotone, trial.monotone >= monotone, "at least \(text(monotone))")
        limit(
            "interference, mean", trial.meanInterference, trial.meanInterference <= meanInterference,
            "at most \(text(meanInterference))")
        limit(
            "interference, worst (\(trial.worstInterference.trait))", trial.worstInterference.share,
            trial.worstInterference.share <= worstInterference, "at most \(text(worstInterference))")
        limit(
            "perceptual distance of bystanders", trial.bystander, trial.bystander <= bystander,
            "at most \(text(bystander))")
        return findings
    }
}
