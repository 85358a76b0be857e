import Synchronization

/// Values by the hash of all that determines them, within a number of bytes; the one that was used longest ago goes first.
///
/// Several threads may ask at once: who asks for a value that another thread is making waits for it, so each is made once.
public final class ContentCache<Value: Sendable>: Sendable {
    public struct Statistics: Sendable, Hashable {
        public var hits = 0
        public var misses = 0
        public var evictions = 0
        /// Of the values that are kept now.
        public var bytes = 0
    }

    /// A value that is there or being made.
    private final class Slot: Sendable { let value = Mutex<Value?>(nil) }

    private struct Entry: Sendable {
        let slot: Slot
        var lastUse: Int
        /// 0 until it is made.
        var bytes = 0
    }

    private struct State: Sendable {
        var entries: [String: Entry] = [:]
        var uses = 0
        var statistics = Statistics()
    }

    public let byteBudget: Int
    private let size: @Sendable (Value) -> Int
    private let state = Mutex(State())

    /// - Parameter size: of a value in bytes.
    public init(byteBudget: Int, size: @escaping @Sendable (Value) -> Int) {
        self.byteBudget = byteBudget
        self.size = size
    }

    public var statistics: Statistics { state.withLock { $0.statistics } }

    /// The value of a key, made where it is not kept.
    public func value(_ key: String, _ make: () throws -> Value) rethrows -> Value {
        let slot = state.withLock { state -> Slot in
            state.uses += 1
            let slot = state.entries[key]?.slot ?? Slot()
            state.entries[key, default: Entry(slot: slot, lastUse: 0)].lastUse = state.uses
            return slot
        }
        return try slot.value.withLock { held in
            if let held {
                state.withLock { $0.statistics.hits += 1 }
                return held
            }
            let made = try make()
            held = made
            keep(key, slot, size(made))
            return made
        }
    }

    private func keep(_ key: String, _ slot: Slot, _ bytes: Int) {
        state.withLock { state in
            state.statistics.misses += 1
            guard state.entries[key]?.slot === slot else { return }
            state.entries[key]?.bytes = bytes
            state.statistics.bytes += bytes
            while state.statistics.bytes > byteBudget {
                let oldest = state.entries.filter { $0.value.bytes > 0 }.min { $0.value.lastUse < $1.value.lastUse }
                guard let oldest else { return }
                state.entries[oldest.key] = nil
                state.statistics.bytes -= oldest.value.bytes
                state.statistics.evictions += 1
            }
        }
    }
}
