import Layers
import TensorCore

/// The strengths and regions of a stack's entries in the rows of some roles, once the entries have been combined by
/// their rules.
struct Combination: Sendable {
    /// What an entry comes to in layers whose outputs have places in the picture.
    struct Part: Sendable {
        /// Its weight times its schedule, and what it keeps beside the others where that is one number; the row's factor
        /// is not in it.
        var strength: Double
        /// Where it acts, and what it keeps there; nil everywhere.
        var region: RegionMask?
    }

    /// By the entry's number.
    let parts: [Part]
    /// The strengths in layers without places, where regional entries do not act.
    let placeless: [Double]
    /// Where an entry's answer counts among the answers of all regional entries to what is read from a text; nil for
    /// those that have no region.
    let readings: [RegionMask?]

    /// Entries that are added up: each is what it is alone.
    init(_ entries: [StackEntry], strengths: [Double]) {
        parts = zip(entries, strengths).map { Part(strength: $1, region: $0.region) }
        placeless = zip(entries, strengths).map { $0.isRegional ? 0 : $1 }
        readings = entries.map(\.region)
    }

    /// Regions are combined on the grid of the finest one.
    ///
    /// - Parameters:
    ///   - strengths: of each entry, its rules aside.
    ///   - activity: how much each entry acts now and in these rows, from 0 to 1.
    init(_ entries: [StackEntry], strengths: [Double], activity: [Double]) {
        let rules = entries.map(\.combine)
        let masks = entries.compactMap(\.region)
        let size = [0, 1].map { axis in masks.map { $0.values.size(axis) }.max() ?? 1 }
        let coverage = zip(entries, activity).map { entry, activity -> PlaceShare in
            guard activity != 0, let region = entry.region else { return .uniform(activity) }
            return .map(region.resized(height: size[0], width: size[1])) * .uniform(activity)
        }
        func share(_ isIncluded: (StackEntry) -> Bool) -> [PlaceShare] {
            CombineRule.shares(
                rules, coverage: zip(entries, coverage).map { isIncluded($0) ? $1 : .uniform(0) })
        }
        func region(_ own: RegionMask?, _ share: Tensor) -> RegionMask {
            RegionMask(own.map { $0.resized(height: size[0], width: size[1]) * share } ?? share)
        }
        parts = zip(zip(entries, strengths), share { _ in true }).map { entry, share in
            switch share {
            case .uniform(let number): return Part(strength: entry.1 * number, region: entry.0.region)
            case .map(let map):
                guard entry.1 != 0 else { return Part(strength: 0, region: entry.0.region) }
                let region = region(entry.0.region, map)
                return Part(strength: region.isEmpty ? 0 : entry.1, region: region)
            }
        }
        placeless = zip(zip(entries, strengths), share { !$0.isRegional }).map { entry, share in
            guard !entry.0.isRegional, case .uniform(let number) = share else { return 0 }
            return entry.1 * number
        }
        readings = zip(entries, share(\.isRegional)).map { entry, share in
            guard let own = entry.region else { return nil }
            switch share {
            case .uniform(let number): return number == 1 ? own : RegionMask(own.values * number)
            case .map(let map): return region(own, map)
            }
        }
    }
}

/// The combinations of a stack, one for all roles in which the same entries act alike.
struct Combinations: Sendable {
    private(set) var all: [Combination]
    /// Roles that some entry treats in a way of its own; the others are like rows without one, the first.
    private var numbers: [RowRole: Int] = [:]

    /// - Parameter factors: each entry's schedule at the moment, 0 for one that does not act at all.
    init(_ entries: [StackEntry], strengths: [Double], factors: [Double]) {
        guard entries.contains(where: { $0.combine == .mean || $0.combine == .replace }) else {
            all = [Combination(entries, strengths: strengths)]
            return
        }
        func activity(_ role: RowRole?) -> [Double] {
            zip(entries, factors).map { min(abs($1), 1) * min(abs($0.rows[role]), 1) }
        }
        var known = [activity(nil)]
        for role in Set(entries.flatMap(\.rows.roles.keys)) {
            let own = activity(role)
            numbers[role] = known.firstIndex(of: own) ?? known.count
            if numbers[role] == known.count { known.append(own) }
        }
        all = known.map { Combination(entries, strengths: strengths, activity: $0) }
    }

    /// The number of the combination for rows of a role.
    func number(of role: RowRole?) -> Int { role.flatMap { numbers[$0] } ?? 0 }

    /// The weights of an entry in the rows of one combination, 0 in the others.
    func rows(_ rows: RowWeights, of combination: Int) -> RowWeights {
        guard all.count > 1 else { return rows }
        var result = RowWeights(otherwise: combination == 0 ? rows.otherwise : 0)
        for role in Set(numbers.keys).union(rows.roles.keys) {
            result.roles[role] = number(of: role) == combination ? rows[role] : 0
        }
        return result
    }
}
