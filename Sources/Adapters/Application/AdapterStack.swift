public import Layers
public import TensorCore
public import Weights

/// Adapters that act together while a model runs, unmerged: the value that a `Pass` carries.
///
///     y = W x + U diag(w) D x
///
/// The low-rank adapters of a layer stand side by side along the rank, so a layer does one pair of products whatever
/// their number; `w` carries every strength. An adapter whose strength is 0 in a row is skipped there, not added as
/// zero, so the row has the bits that it would have without it. What the strengths do not change (factors side by side,
/// dense changes) is computed once and shared by all copies of the stack.
public struct AdapterStack: Adaptation {
    /// How low-rank adapters are computed. All ways agree but for rounding.
    public enum Application: String, Sendable, Hashable, CaseIterable {
        /// Beside the layer, or folded into a copy of its weight where that is less work: for many adapters at high
        /// resolutions.
        case automatic
        /// Always beside the layer.
        case beside
        /// Always in a copy of the weight, where rows and places allow it: for long runs of constant strength.
        case folded
    }

    public private(set) var entries: [StackEntry]
    public var application: Application
    /// Where the run is; nil while texts are encoded.
    public private(set) var moment: SamplingMoment?
    private let sites: [SiteAdapters?]
    private var trained: [Tensor]
    /// The weight of each entry times its schedule now; 0 for an empty region.
    private(set) var strengths: [Double] = []
    /// The strengths and regions of the entries beside each other.
    private(set) var combinations = Combinations([], strengths: [], factors: [])

    /// - Parameters:
    ///   - sites: those of the model that the stack is for.
    /// - Throws: `AdapterError` when an adapter changes a layer that the model has not.
    public init(_ entries: [StackEntry], sites: SiteIndex, application: Application = .automatic) throws {
        var members: [Int: [SiteMember]] = [:]
        var paths: [Int: String] = [:]
        var trained: [Tensor] = []
        for (number, entry) in entries.enumerated() {
            for layer in entry.adapter.sortedLayers {
                let path = layer.module.path
                guard let site = sites[path] else {
                    throw AdapterError(
                        entry.adapter.name, expected: "layers of the model", found: "\(path), which it has not")
                }
                var parameters: Range<Int>?
                if entry.isTrainable {
                    let tensors = layer.parameters
                    parameters = trained.count..<trained.count + tensors.count
                    trained += tensors
                }
                members[site, default: []].append(
                    SiteMember(entry: number, layer: layer, gain: entry.gain(path), parameters: parameters))
                paths[site] = path
            }
        }
        var table = [SiteAdapters?](repeating: nil, count: (members.keys.max() ?? -1) + 1)
        for (site, members) in members { table[site] = SiteAdapters(path: paths[site] ?? "", members: members) }
        self.entries = entries
        self.application = application
        self.sites = table
        self.trained = trained
        updateStrengths()
    }

    private mutating func updateStrengths() {
        let factors = entries.map { entry -> Double in
            if let region = entry.region, region.isEmpty { return 0 }
            if entry.word != nil, entry.region == nil { return 0 }
            return entry.weight == 0 ? 0 : entry.schedule.factor(at: moment)
        }
        strengths = zip(entries, factors).map { $0.weight * $1 }
        combinations = Combinations(entries, strengths: strengths, factors: factors)
    }

    /// The same stack at a moment of a run.
    public func at(_ moment: SamplingMoment) -> AdapterStack {
        var copy = self
        copy.moment = moment
        copy.updateStrengths()
        return copy
    }

    /// The same adapters with other weights, in the order of the entries.
    public func weighted(_ weights: [Double]) -> AdapterStack {
        precondition(weights.count == entries.count, "weighted: \(weights.count) weights, \(entries.count) entries")
        var copy = self
        for (index, weight) in weights.enumerated() { copy.entries[index].weight = weight }
        copy.updateStrengths()
        return copy
    }

    /// The same adapters with regions for some entries, by their number.
    public func placed(_ regions: [Int: RegionMask]) -> AdapterStack {
        var copy = self
        for (number, region) in regions { copy.entries[number].region = region }
        copy.updateStrengths()
        return copy
    }

    /// Whether the picture without some regional entries is to stay outside their regions.
    public var hasLockedEntries: Bool { entries.contains { $0.isLocked && $0.isRegional } }

    /// Where the locked entries act, all together; nil without any, and before their words have a place.
    public var lockedRegion: RegionMask? { union(entries.filter(\.isLocked).compactMap(\.region)) }

    /// Where the regional entries act, all together; nil without any.
    public var region: RegionMask? { union(entries.compactMap(\.region)) }

    private func union(_ regions: [RegionMask]) -> RegionMask? {
        guard let first = regions.first else { return nil }
        guard regions.count > 1 else { return first }
        let (height, width) = (first.values.size(0), first.values.size(1))
        return RegionMask(
            regions.dropFirst().reduce(first.values) { maximum($0, $1.resized(height: height, width: width)) })
    }

    /// The stack without its locked entries.
    public var withoutLocked: AdapterStack { weighted(entries.map { $0.isLocked && $0.isRegional ? 0 : $0.weight }) }

    // MARK: Adaptation

    public func regionalReadings(at sites: [Int]) -> [RegionalReading] {
        let layers = sites.compactMap { $0 < self.sites.count ? self.sites[$0] : nil }
            .filter { $0.readsText && $0.path.hasPrefix("unet.") }
        let members = Set(layers.flatMap { $0.members.map(\.entry) })
        return entries.indices.flatMap { number -> [RegionalReading] in
            guard members.contains(number), strengths[number] != 0 else { return [] }
            return combinations.all.enumerated().compactMap { index, combination in
                guard let region = combination.readings[number] else { return nil }
                // Here the entry acts everywhere; the other regions' entries do not act on texts.
                var copy = self
                (copy.entries[number].region, copy.entries[number].word) = (nil, nil)
                copy.entries[number].rows = combinations.rows(entries[number].rows, of: index)
                copy.updateStrengths()
                return RegionalReading(adaptation: copy) { [moment] tokens in
                    moment?.height(ofTokens: tokens).map { height in
                        region.resized(height: height, width: tokens / height).reshaped([1, tokens, 1, 1])
                    }
                }
            }
        }
    }

    public var parameters: [Tensor] { trained }

    public func replacing(parameters: [Tensor]) -> any Adaptation {
        precondition(parameters.count == trained.count, "replacing: \(parameters.count), not \(trained.count)")
        var copy = self
        copy.trained = parameters
        return copy
    }

    public func adapted(_ layer: BaseLayer, input: Tensor, at site: Int, _ pass: Pass) -> Tensor {
        guard site < sites.count, let adapters = sites[site] else { return layer(input) }
        let places = places(of: layer, input, adapters)
        let runs = runs(of: adapters, batch: input.size(0), pass.rows, hasPlaces: places != nil)
        if runs.count == 1 { return output(layer, input, adapters, runs[0].members, places) }
        let parts = runs.map { run in
            output(
                layer, input.narrowed(0, start: run.rows.lowerBound, count: run.rows.count), adapters, run.members,
                places)
        }
        // One run may differ from place to place where another does not.
        guard let map = parts.first(where: { $0.rank == 4 }), parts.contains(where: { $0.rank == 2 }) else {
            return concatenated(parts, axis: 0)
        }
        return concatenated(
            parts.map { part in
                part.rank == 4
                    ? part
                    : part.unsqueezed(-1).unsqueezed(-1).expanded(to: part.shape + map.shape.suffix(2))
            }, axis: 0)
    }

    /// Neighbouring rows in which the same members act with the same strengths.
    private func runs(
        of adapters: SiteAdapters, batch: Int, _ rows: [RowRole], hasPlaces: Bool
    ) -> [RowRun] {
        guard !rows.isEmpty else { return [RowRun(rows: 0..<batch, members: active(adapters, nil, hasPlaces))] }
        let all = rows.map { active(adapters, $0, hasPlaces) }
        if all.allSatisfy({ $0 == all[0] }) { return [RowRun(rows: 0..<batch, members: all[0])] }
        precondition(batch == rows.count, "\(adapters.path): \(batch) rows, and roles for \(rows.count)")
        var runs: [RowRun] = []
        for (row, members) in all.enumerated() {
            if runs.last?.members == members {
                runs[runs.count - 1].rows = runs[runs.count - 1].rows.lowerBound..<row + 1
            } else {
                runs.append(RowRun(rows: row..<row + 1, members: members))
            }
        }
        return runs
    }

    /// The members that act in a row, with their strengths there; the alpha factor is not in them.
    private func active(_ adapters: SiteAdapters, _ role: RowRole?, _ hasPlaces: Bool) -> [ActiveMember] {
        let number = combinations.number(of: role)
        let combination = combinations.all[number]
        return adapters.members.enumerated().compactMap { index, member in
            let entry = member.entry
            let own = hasPlaces ? combination.parts[entry].strength : combination.placeless[entry]
            let strength = own * member.gain * entries[entry].rows[role]
            return strength == 0 ? nil : ActiveMember(number: index, strength: strength, combination: number)
        }
    }

    /// Where a member acts; nil everywhere.
    func region(of member: ActiveMember, _ adapters: SiteAdapters) -> RegionMask? {
        combinations.all[member.combination].parts[adapters.members[member.number].entry].region
    }

    /// A member's layer, with the tensors that are being trained where it is trainable.
    func layer(of member: SiteMember) -> LayerAdapter {
        guard let range = member.parameters else { return member.layer }
        return member.layer.replacing(parameters: Array(trained[range]))
    }
}

/// A member of a layer that acts, and how strongly.
struct ActiveMember: Hashable {
    var number: Int
    var strength: Double
    /// Of the row that it acts in.
    var combination = 0
}

private struct RowRun {
    var rows: Range<Int>
    var members: [ActiveMember]
}
