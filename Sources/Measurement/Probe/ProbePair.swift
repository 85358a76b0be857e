public import Imaging
public import World

/// The probes of both families: whatever a picture shows, one of them reads it.
public struct ProbePair: Sendable {
    public let portrait: Probe
    public let landscape: Probe

    /// Reads `portrait-<version>` and `landscape-<version>` from a folder.
    ///
    /// - Parameter version: `a` is for losses and early stops, `b` for the tables that are reported.
    public init(folder: String, version: String) throws {
        portrait = try Probe(path: "\(folder)/portrait-\(version)")
        landscape = try Probe(path: "\(folder)/landscape-\(version)")
        for (probe, family) in [(portrait, SceneFamily.portrait), (landscape, .landscape)]
        where probe.configuration.family != family {
            throw MeasurementError(
                "\(folder)/\(family.rawValue)-\(version)", expected: "a probe of \(family.rawValue)s",
                found: "one of \(probe.configuration.family.rawValue)s")
        }
    }

    public init(portrait: Probe, landscape: Probe) {
        self.portrait = portrait
        self.landscape = landscape
    }

    public subscript(family: SceneFamily) -> Probe { family == .portrait ? portrait : landscape }

    /// What both probes say about one picture.
    public struct Reading: Sendable {
        public let portrait: Probe.Answer
        public let landscape: Probe.Answer

        /// The family whose probe is surer.
        public var family: SceneFamily { portrait.familyChance >= landscape.familyChance ? .portrait : .landscape }

        /// The features of both, one after the other: what Fréchet distances are taken over.
        public var features: [Float] { portrait.features + landscape.features }

        public subscript(family: SceneFamily) -> Probe.Answer { family == .portrait ? portrait : landscape }
    }

    public func read(_ pictures: [Image]) throws -> [Reading] {
        zip(try portrait.read(pictures), try landscape.read(pictures)).map(Reading.init)
    }

    /// What a reading says about a trait of a family; nil for a trait that there is not.
    public func value(of trait: String, family: SceneFamily, in reading: Reading) -> Double? {
        self[family].index(of: trait).map { reading[family].values[$0] }
    }
}
