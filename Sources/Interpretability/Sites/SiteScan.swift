internal import Synchronization
public import Layers
internal import TensorCore
internal import Weights

/// The sites of a model in the order in which a forward pass visits them, with the shapes of their values.
public struct SiteScan: Sendable {
    /// The size of an axis.
    public enum Size: Sendable, Hashable {
        case fixed(Int)
        /// As many as the prompt has tokens.
        case tokens
    }

    public struct Entry: Sendable {
        public let site: Int
        public let path: String
        public let port: Port
        /// The place in the order of a forward pass.
        public let order: Int
        /// Without the axis of prompts.
        public let sizes: [Size]
        /// Whether all prompts share one value, as positions may: it can be read, not written.
        public let isShared: Bool
        /// Whether a forward pass comes by once, and no more.
        public let isVisitedOnce: Bool

        /// The path, and the port where it is not the output.
        public var name: String { port == .output ? path : "\(path):\(port.rawValue)" }

        /// The shape for a prompt; tokens of keys go on growing where a step adds one to those before.
        func shape(tokens: Int, step: Int) -> [Int] {
            let growing = port == .scores || port == .pattern ? sizes.count - 1 : nil
            return sizes.enumerated().map { axis, size in
                switch size {
                case .fixed(let size): size
                case .tokens: step == 0 ? tokens : axis == growing ? tokens + step : 1
                }
            }
        }

        /// The number of an axis by the name of its meaning.
        func axis(_ name: String) -> Int? {
            if let number = Int(name) { return sizes.indices.contains(number) ? number : nil }
            return axisNames.firstIndex(of: name).flatMap { sizes.indices.contains($0) ? $0 : nil }
        }

        /// What the axes mean, in their order; empty where only numbers are known.
        public var axisNames: [String] {
            switch port {
            case .scores, .pattern: ["head", "token", "key"]
            case .queries, .keys, .values, .heads: ["token", "head", "channel"]
            case .state: ["token", "channel", "state"]
            default:
                switch sizes.count {
                case 2: ["token", "channel"]
                case 3: sizes[0] == .tokens ? ["token", "head", "channel"] : ["channel", "row", "column"]
                default: []
                }
            }
        }
    }

    public let entries: [Entry]
    private let byKey: [Key: Int]

    private struct Key: Hashable {
        var site: Int
        var port: Port
    }

    public init(_ entries: [Entry]) {
        self.entries = entries
        byKey = Dictionary(
            entries.enumerated().map { (Key(site: $1.site, port: $1.port), $0) },
            uniquingKeysWith: { first, _ in first })
    }

    public func entry(_ site: Int, _ port: Port) -> Entry? { byKey[Key(site: site, port: port)].map { entries[$0] } }

    /// Learns sites from two runs of two rows each, whose prompts differ in length. The runs are on `ShapeBackend`, so
    /// nothing is computed.
    ///
    /// - Parameters:
    ///   - isRepeated: whether a second run is needed, to tell tokens from other axes.
    ///   - run: a forward pass; the argument tells the runs apart.
    static func learned(
        _ sites: SiteIndex, isRepeated: Bool = true, run: (_ index: Int, _ plan: SitePlan) throws -> Void
    ) rethrows -> SiteScan {
        var visits: [[Visit]] = []
        for index in 0..<(isRepeated ? 2 : 1) {
            let log = VisitLog()
            var plan = SitePlan()
            for number in 0..<sites.count {
                for port in Port.allCases {
                    plan.add(
                        .observe { value in log.add(Visit(site: number, port: port, shape: value.shape)) }, at: number,
                        port)
                }
            }
            try run(index, plan)
            visits.append(log.visits)
        }
        let paths = sites.paths
        let counts = Dictionary(visits[0].map { (Key(site: $0.site, port: $0.port), 1) }, uniquingKeysWith: +)
        let entries = zip(visits[0], visits[visits.count - 1]).enumerated().map { order, pair in
            Entry(
                site: pair.0.site, path: paths[pair.0.site], port: pair.0.port, order: order,
                sizes: zip(pair.0.shape.dropFirst(), pair.1.shape.dropFirst()).map { $0 == $1 ? .fixed($0) : .tokens },
                isShared: pair.0.shape.first == 1,
                isVisitedOnce: counts[Key(site: pair.0.site, port: pair.0.port)] == 1)
        }
        return SiteScan(entries)
    }
}

private struct Visit: Sendable {
    var site: Int
    var port: Port
    var shape: [Int]
}

/// Visits in their order, from any thread.
private final class VisitLog: Sendable {
    private let state = Mutex<[Visit]>([])
    var visits: [Visit] { state.withLock { $0 } }
    func add(_ visit: Visit) { state.withLock { $0.append(visit) } }
}
