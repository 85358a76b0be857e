internal import Synchronization
public import TensorCore
public import Weights

/// Collects the values of sites by path while a model runs, from any thread.
///
///     let recorder = SiteRecorder(weights.sites)
///     _ = unet(sample, timesteps: t, context: c, Pass(plan: recorder.plan()))
///     recorder["mid_block.attentions.0"]
///
/// Replays of checkpoints are not recorded. A site that is visited twice keeps the later value.
public final class SiteRecorder: Sendable {
    private struct Site: Hashable {
        var path: String
        var port: Port
    }

    private let sites: SiteIndex
    private let values = Mutex<[Site: Tensor]>([:])

    public init(_ sites: SiteIndex) { self.sites = sites }

    /// A plan that records the given ports of every site whose path passes `isIncluded`. Make it when the model is
    /// built: it knows the sites that are registered by then.
    public func plan(ports: [Port] = [.output], where isIncluded: (String) -> Bool = { _ in true }) -> SitePlan {
        var plan = SitePlan()
        for (number, path) in sites.paths.enumerated() where isIncluded(path) {
            for port in ports {
                let site = Site(path: path, port: port)
                plan.add(.observe { [self] value in values.withLock { $0[site] = value.detached } }, at: number, port)
            }
        }
        return plan
    }

    /// The value that was recorded at a site, or nil when no layer visited it.
    public subscript(path: String, port: Port = .output) -> Tensor? {
        values.withLock { $0[Site(path: path, port: port)] }
    }

    /// The paths with a recorded value of a port, sorted.
    public func paths(_ port: Port = .output) -> [String] {
        values.withLock { values in values.keys.filter { $0.port == port }.map(\.path) }.sorted()
    }
}
