/// What a slider does to pictures, as probes read it: changes against the same picture at scale 0, as shares of each
/// trait's range.
public struct SliderReport: Sendable, Codable, Equatable {
    /// One trait under the slider.
    public struct TraitRow: Sendable, Codable, Equatable {
        public var trait: String
        /// The mean signed change at each scale.
        public var changes: [Double]
        /// The mean size of the change at each scale; for classes the share of the probability that moved.
        public var sizes: [Double]
        /// The share of the pictures that show the trait at scale 0 and at each scale: the means are over those.
        public var shown: [Double]
    }

    /// What one window of timesteps, or one block of layers, does alone at scale 1.
    public struct Part: Sendable, Codable, Equatable {
        public var name: String
        /// The change of the target.
        public var effect: Double
        public var perceptual: Double
        public var drift: Double
    }

    /// A row of the table of ways to do the same.
    public struct Way: Sendable, Codable, Equatable {
        public var name: String
        public var pictures: Int
        public var change: SliderChange

        public init(_ name: String, _ pictures: Int, _ change: SliderChange) {
            self.name = name
            self.pictures = pictures
            self.change = change
        }
    }

    /// The share of the squares of all changes of weights that lies in some layers.
    public struct LayerShare: Sendable, Codable, Equatable {
        public var layers: String
        public var share: Double

        public init(_ layers: String, _ share: Double) {
            self.layers = layers
            self.share = share
        }
    }

    public var slider: String
    public var target: String
    public var scales: [Double]
    public var prompts: Int
    public var seeds: Int
    /// The target first.
    public var rows: [TraitRow]
    /// The share of pictures whose target never falls by more than 0.01 of its range from scale to scale.
    public var monotoneShare = 1.0
    /// The mean perceptual distance to scale 0, at each scale.
    public var perceptual: [Double]
    /// The mean distance of the probe's features to those at scale 0, over their mean length, without what the target is
    /// read along: how far identity drifts.
    public var drift: [Double]
    /// By timesteps, from noise to picture.
    public var windows: [Part] = []
    public var blocks: [Part] = []
    public var layers: [LayerShare] = []
    /// The slider at scale 1 first, then what else should do the same, all over the same pictures.
    public var ways: [Way] = []

    /// - Parameter changes: from scale 0 to each scale.
    public init(
        slider: String, target: String, scales: [Double], prompts: Int, seeds: Int, changes: [SliderChange]
    ) {
        precondition(changes.count == scales.count && !changes.isEmpty, "\(changes.count) changes")
        self.slider = slider
        self.target = target
        self.scales = scales
        self.prompts = prompts
        self.seeds = seeds
        rows = changes[0].rows.indices.map { row in
            TraitRow(
                trait: changes[0].rows[row].trait, changes: changes.map { $0.rows[row].change },
                sizes: changes.map { $0.rows[row].size }, shown: changes.map { $0.rows[row].shown })
        }
        perceptual = changes.map(\.perceptual)
        drift = changes.map(\.drift)
    }

    public var targetRow: TraitRow { rows[0] }

    /// What changed at one of the scales.
    public func change(at scale: Double) -> SliderChange? {
        scales.firstIndex(of: scale).map { index in
            SliderChange(
                rows: rows.map {
                    .init(
                        trait: $0.trait, change: $0.changes[index], size: $0.sizes[index], shown: $0.shown[index])
                }, perceptual: perceptual[index], drift: drift[index])
        }
    }

    /// The change of the target at a scale, linear between the scales measured.
    public func effect(at scale: Double) -> Double {
        let points = zip(scales, targetRow.changes).sorted { $0.0 < $1.0 }
        guard let first = points.first, let last = points.last else { return 0 }
        if scale <= first.0 { return first.1 }
        if scale >= last.0 { return last.1 }
        guard let next = points.firstIndex(where: { $0.0 > scale }) else { return last.1 }
        let (a, b) = (points[next - 1], points[next])
        return a.1 + (b.1 - a.1) * (scale - a.0) / (b.0 - a.0)
    }

    /// The size of each other trait's change over the target's, at scale 1.
    public var interference: [(trait: String, share: Double)] { change(at: 1)?.interference ?? [] }

    public var meanInterference: Double { change(at: 1)?.meanInterference ?? 0 }

    public var worstInterference: (trait: String, share: Double) { change(at: 1)?.worstInterference ?? ("none", 0) }

    /// Three digits behind the point.
    static func text(_ value: Double) -> String { "\((value * 1000).rounded() / 1000)" }
}
