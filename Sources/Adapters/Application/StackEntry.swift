public import Layers

/// How strongly an adapter acts in each row of a batch, by the row's role in guidance.
public struct RowWeights: Sendable, Hashable {
    /// For rows without an entry, and for passes that name no roles.
    public var otherwise: Double
    public var roles: [RowRole: Double]

    public init(otherwise: Double = 1, roles: [RowRole: Double] = [:]) {
        self.otherwise = otherwise
        self.roles = roles
    }

    public static let all = RowWeights()

    /// Rows of these roles only.
    public static func only(_ roles: Set<RowRole>) -> RowWeights {
        RowWeights(otherwise: 0, roles: Dictionary(uniqueKeysWithValues: roles.map { ($0, 1) }))
    }

    public subscript(role: RowRole?) -> Double { role.flatMap { roles[$0] } ?? otherwise }
}

/// A factor for the layers whose path contains a text.
public struct LayerGain: Sendable, Hashable {
    /// `mid_block`, `attn1`, `up_blocks.1.`, ...
    public var part: String
    public var gain: Double

    public init(_ part: String, _ gain: Double) {
        self.part = part
        self.gain = gain
    }
}

/// The part of the picture that a word of its prompt draws: where the probability of cross-attention, from its lowest to
/// its highest place, is at least the threshold.
public struct WordRegion: Sendable, Hashable {
    public var word: String
    /// From 0, everywhere, to 1, the one place that looks at the word most.
    public var threshold: Double
    /// How far the edge is softened, as a share of the picture's shorter side.
    public var feather: Double

    public init(_ word: String, threshold: Double, feather: Double) {
        self.word = word
        self.threshold = threshold
        self.feather = feather
    }
}

/// An adapter in a stack: how strongly, when, in which layers and rows, and where in the picture it acts.
///
///     strength = weight * schedule(moment) * gain(layer) * rows(role) * region(place) * share(beside the others)
public struct StackEntry: Sendable {
    public var adapter: Adapter
    public var weight: Double
    public var schedule: Schedule
    public var rows: RowWeights
    public var region: RegionMask?
    /// Whether the adapter's tensors are leaves of a training; its factors are then used as they are, never packed.
    public var isTrainable: Bool
    /// The first whose text a path contains counts; 1 where none does.
    public var gains: [LayerGain] = []
    /// The word whose place is the region. It is found while the picture is drawn: until then `region` is nil, and the
    /// adapter does not act.
    public var word: WordRegion?
    /// Whether what lies outside the region is to stay as it is without the adapter.
    public var isLocked = false
    /// How it goes together with the others; nil for one that others neither replace nor are averaged with, as the
    /// adapter of a style in its own rows.
    public var combine: CombineRule? = .sum

    public init(
        _ adapter: Adapter, weight: Double = 1, schedule: Schedule = .always, rows: RowWeights = .all,
        region: RegionMask? = nil, isTrainable: Bool = false
    ) {
        self.adapter = adapter
        self.weight = weight
        self.schedule = schedule
        self.rows = rows
        self.region = region
        self.isTrainable = isTrainable
    }

    /// Whether it acts in a part of the picture only.
    public var isRegional: Bool { region != nil || word != nil }

    func gain(_ path: String) -> Double { gains.first { path.contains($0.part) }?.gain ?? 1 }
}
