internal import Synchronization

/// Numbers for the paths of layers, shared by everything that is built from the same weights.
///
/// A layer takes its number when it is built, so a plan for a pass can be an array by number. A path keeps its number
/// for as long as the index lives, also when its layer is built again.
public final class SiteIndex: Sendable {
    private struct State {
        var numbers: [String: Int] = [:]
        var paths: [String] = []
    }

    private let state = Mutex(State())

    public init() {}

    /// The number of a path, a new one when the path is new.
    public func register(_ path: String) -> Int {
        state.withLock { state in
            if let number = state.numbers[path] { return number }
            let number = state.paths.count
            state.numbers[path] = number
            state.paths.append(path)
            return number
        }
    }

    /// The number of a path that is registered.
    public subscript(path: String) -> Int? { state.withLock { $0.numbers[path] } }

    /// The registered paths; a path's place is its number.
    public var paths: [String] { state.withLock { $0.paths } }

    public var count: Int { state.withLock { $0.paths.count } }
}
