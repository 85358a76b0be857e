import TensorCore

/// How an entry of a stack goes together with the other entries that act at the same moment, in the same row and place.
public enum CombineRule: String, Codable, Sendable, Hashable, CaseIterable {
    /// Its change is added to theirs.
    case sum
    /// Where several entries of this rule meet, their changes are averaged.
    case mean
    /// It takes the place of the entries before it, whatever their rules.
    case replace
}

extension CombineRule {
    public init(from decoder: any Decoder) throws { try self.init(wordFrom: decoder) }

    /// What each of several entries keeps of its strength beside the others.
    ///
    ///     left(i)  = product over later `replace` entries of (1 - coverage)
    ///     share(i) = left(i)                                                   for sum and replace
    ///     share(i) = left(i) / max(1, sum over `mean` entries of left · coverage)     for mean
    ///
    /// - Parameters:
    ///   - rules: in the order of the entries; nil for one that takes no part.
    ///   - coverage: how much each entry is there, from 0 to 1.
    static func shares(_ rules: [CombineRule?], coverage: [PlaceShare]) -> [PlaceShare] {
        var shares = coverage
        var left = PlaceShare.uniform(1)
        for number in rules.indices.reversed() {
            guard let rule = rules[number] else {
                shares[number] = .uniform(1)
                continue
            }
            shares[number] = left
            if rule == .replace { left = left * coverage[number].complement }
        }
        let means = rules.indices.filter { rules[$0] == .mean }
        let total = means.reduce(PlaceShare.uniform(0)) { $0 + shares[$1] * coverage[$1] }
        for number in means { shares[number] = shares[number].divided(byAtLeastOne: total) }
        return shares
    }

    /// The same for entries that are everywhere in the picture.
    public static func shares(_ rules: [CombineRule?], coverage: [Double]) -> [Double] {
        shares(rules, coverage: coverage.map { .uniform($0) }).map { share in
            guard case .uniform(let number) = share else { preconditionFailure("shares: a map of no region") }
            return number
        }
    }
}

/// A number for each place of the picture, or one for all.
enum PlaceShare: Sendable {
    case uniform(Double)
    /// `[height, width]`; all maps of one calculation have the same size.
    case map(Tensor)

    /// `1 - share`.
    var complement: PlaceShare {
        switch self {
        case .uniform(let number): .uniform(1 - number)
        case .map(let map): .map(1 - map)
        }
    }

    static func * (a: PlaceShare, b: PlaceShare) -> PlaceShare {
        switch (a, b) {
        case (.uniform(let a), .uniform(let b)): .uniform(a * b)
        case (.map(let map), .uniform(let number)), (.uniform(let number), .map(let map)):
            number == 0 ? .uniform(0) : .map(map * number)
        case (.map(let a), .map(let b)): .map(a * b)
        }
    }

    static func + (a: PlaceShare, b: PlaceShare) -> PlaceShare {
        switch (a, b) {
        case (.uniform(let a), .uniform(let b)): .uniform(a + b)
        case (.map(let map), .uniform(let number)), (.uniform(let number), .map(let map)):
            number == 0 ? .map(map) : .map(map + number)
        case (.map(let a), .map(let b)): .map(a + b)
        }
    }

    /// `share / max(1, total)`.
    func divided(byAtLeastOne total: PlaceShare) -> PlaceShare {
        switch (self, total) {
        case (.uniform(let share), .uniform(let total)): return .uniform(share / max(1, total))
        case (_, .uniform(let total)): return self * .uniform(1 / max(1, total))
        case (.uniform(let share), .map(let total)):
            return .map(share / maximum(total, Tensor.ones(total.shape)))
        case (.map(let share), .map(let total)): return .map(share / maximum(total, Tensor.ones(total.shape)))
        }
    }
}

extension CaseIterable where Self: RawRepresentable, RawValue == String {
    /// Reads a word, and says which words there are for one that is none.
    package init(wordFrom decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let value = Self(rawValue: try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: Self.allCases.map(\.rawValue).joined(separator: ", "))
        }
        self = value
    }
}
