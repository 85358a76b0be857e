/// What is wrong with a graph, found before anything is computed.
public struct TraceError: Error, Sendable, Equatable, CustomStringConvertible {
    public enum Kind: String, Sendable {
        case format, unknownSite, shape, selection, order, limit, input, operation, unsupported
    }

    public let kind: Kind
    /// The node or prompt, as `node 3 (set layers.2.mlp.out)`.
    public let place: String
    public let expected: String
    public let found: String
    /// What to do about it.
    public let advice: String?

    public init(_ kind: Kind, _ place: String, expected: String, found: String, advice: String? = nil) {
        self.kind = kind
        self.place = place
        self.expected = expected
        self.found = found
        self.advice = advice
    }

    public var description: String {
        "\(place): expected \(expected), found \(found)" + (advice.map { " (\($0))" } ?? "")
    }
}

/// What one graph may cost; exceeding it is an error before anything is computed.
public struct TraceLimits: Sendable, Hashable {
    /// Bytes of all saved values together.
    public var savedBytes = 4 << 30
    /// Bytes of any one value.
    public var valueBytes = 2 << 30
    /// Bytes of the value at a site for all prompts of a pass, of which a graph may read a part.
    public var siteBytes = 4 << 30
    /// Bytes of all values of a graph together, saved or not.
    public var heldBytes = 16 << 30
    public var prompts = 4096
    public var nodes = 200_000
    public var steps = 4096
    public var passes = 64

    public init() {}
}
