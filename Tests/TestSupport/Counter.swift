internal import Synchronization

/// Counts calls from any thread.
public final class Counter: Sendable {
    private let value = Atomic<Int>(0)

    public init() {}

    public func add() { value.wrappingAdd(1, ordering: .relaxed) }

    public var count: Int { value.load(ordering: .relaxed) }
}
