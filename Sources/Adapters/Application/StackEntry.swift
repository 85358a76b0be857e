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
///     strength = weight * schedule(moment) * gain(layer) * rows(role) * region(place)
public struct StackEntry: Sendable {
    public var adapter: Adapter
    public var weight: Double
    public var schedule: Schedule
    /// The first whose text a path contains counts; 1 where none does.
    public var gains: [LayerGain]
    public var rows: RowWeights
    public var region: RegionMask?
    /// The word whose place is the region. It is found while the picture is drawn: until then `region` is nil, and the
    /// adapter does not act.
    public var word: WordRegion?
    /// Whether what lies outside the region is to stay as it is without the adapter.
    public var isLocked: Bool
    /// Whether the adapter's tensors are leaves of a training; its factors are then used as they are, never packed.
    public var isTrainable: Bool

    public init(
        _ adapter: Adapter, weight: Double = 1, schedule: Schedule = .always, gains: [LayerGain] = [],
        rows: RowWeights = .all, region: RegionMask? = nil, word: WordRegion? = nil, isLocked: Bool = false,
        isTrainable: Bool = false
    ) {
        self.adapter = adapter
        self.weight = weight
        self.schedule = schedule
        self.gains = gains
        self.rows = rows
        self.region = region
        self.word = word
        self.isLocked = isLocked
        self.isTrainable = isTrainable
    }

    /// Whether it acts in a part of the picture only.
    public var isRegional: Bool { region != nil || word != nil }

    func gain(_ path: String) -> Double { gains.first { path.contains($0.part) }?.gain ?? 1 }
}
