internal import Synchronization
public import TensorCore

/// What a plan does with the value at a site.
public enum SiteAction: Sendable {
    /// Looks at the value. Not called again when a checkpoint replays its block.
    case observe(@Sendable (Tensor) -> Void)
    /// Puts another value of the same shape in its place. Called again in a replay, so it must be a pure function.
    case replace(@Sendable (Tensor) -> Tensor)
}

/// The observations and interventions of one pass, by site number and port.
public struct SitePlan: Sendable {
    private var stations: [[Port: [SiteAction]]] = []
    private var end: PlanEnd?

    public init() {}

    /// Adds an action after those that the site already has.
    public mutating func add(_ action: SiteAction, at site: Int, _ port: Port = .output) {
        while stations.count <= site { stations.append([:]) }
        stations[site][port, default: []].append(action)
    }

    /// Nothing is wanted of the pass once it has visited this site: a model that asks `isFinished` between its blocks
    /// leaves out those that follow.
    ///
    /// Such a plan is for one pass. What the model returns after an early end is not its output.
    public mutating func end(after site: Int, _ port: Port = .output) {
        end = PlanEnd(site: site, port: port)
    }

    /// Whether everything that the plan wants has been visited.
    public var isFinished: Bool { end?.isReached ?? false }

    /// Whether anything happens at the site.
    public func contains(_ site: Int, _ port: Port) -> Bool {
        site < stations.count && stations[site][port] != nil
    }

    func visit(_ site: Int, _ port: Port, _ value: Tensor, isReplay: Bool) -> Tensor {
        defer { end?.visit(site, port) }
        guard site < stations.count, let actions = stations[site][port] else { return value }
        var value = value
        for action in actions {
            switch action {
            case .observe(let look): if !isReplay { look(value) }
            case .replace(let change):
                let changed = change(value)
                precondition(changed.shape == value.shape, "site \(site): \(changed.shape) in place of \(value.shape)")
                value = changed
            }
        }
        return value
    }
}

/// The last site that a plan wants, and whether its pass has come by.
private final class PlanEnd: Sendable {
    private let site: Int
    private let port: Port
    private let reached = Atomic<Bool>(false)

    init(site: Int, port: Port) {
        self.site = site
        self.port = port
    }

    var isReached: Bool { reached.load(ordering: .relaxed) }

    func visit(_ site: Int, _ port: Port) {
        if site == self.site && port == self.port { reached.store(true, ordering: .relaxed) }
    }
}
