public import Imaging

/// Causal traces of many facts together: the mean effect by what a token is to its prompt, and layer.
public struct CausalSummary: TraceReport {
    /// What a token is to its prompt, in the order of the rows.
    public enum Role: String, Codable, Sendable, CaseIterable {
        case prefix = "before the subject"
        case first = "first subject token"
        case middle = "middle subject tokens"
        case last = "last subject token"
        case next = "first token after"
        case further = "further tokens"
        case final = "last token"

        init(_ place: Int, subject: Range<Int>, count: Int) {
            self =
                switch place {
                case ..<subject.lowerBound: .prefix
                case subject.upperBound - 1: .last
                case subject.lowerBound: .first
                case subject: .middle
                case count - 1: .final
                case subject.upperBound: .next
                default: .further
                }
        }
    }

    public let facts: Int
    public let kind: CausalTrace.Kind
    public let layers: [Int]
    /// Roles that occur.
    public let roles: [Role]
    /// Mean effects by role and layer: first over the tokens of a fact, then over facts.
    public let effects: [[Double]]
    public let meanClean: Double
    public let meanCorrupted: Double

    /// - Parameter traces: of one kind and the same layers.
    public init(_ traces: [CausalTrace]) throws {
        guard let first = traces.first, traces.allSatisfy({ $0.layers == first.layers && $0.kind == first.kind }) else {
            throw TraceError(
                .input, "traces", expected: "one or more of one kind and the same layers", found: "\(traces.count)")
        }
        var sums: [Role: [[Double]]] = [:]
        for trace in traces {
            var own: [Role: [[Double]]] = [:]
            for (column, place) in trace.places.enumerated() {
                let role = Role(place, subject: trace.subject, count: trace.tokens.count)
                own[role, default: []].append(trace.effects.map { $0[column] })
            }
            for (role, rows) in own { sums[role, default: []].append(Self.mean(rows)) }
        }
        roles = Role.allCases.filter { sums[$0] != nil }
        effects = roles.map { Self.mean(sums[$0] ?? []) }
        (facts, kind, layers) = (traces.count, first.kind, first.layers)
        meanClean = traces.map(\.cleanProbability).reduce(0, +) / Double(traces.count)
        meanCorrupted = traces.map(\.corruptedProbability).reduce(0, +) / Double(traces.count)
    }

    private static func mean(_ rows: [[Double]]) -> [Double] {
        (rows.first ?? []).indices.map { column in rows.map { $0[column] }.reduce(0, +) / Double(rows.count) }
    }

    public var grid: ScoreGrid {
        ScoreGrid(
            title: "Restoring \(kind.rawValue), \(facts) facts: mean P from \(TextTable.number(meanCorrupted))"
                + " (clean \(TextTable.number(meanClean)))",
            rows: roles.map(\.rawValue), columns: layers.map { "\($0)" }, values: effects, columnAxis: "layer")
    }

    public var table: String { grid.table }
    public func picture() -> Image { grid.picture() }
}
