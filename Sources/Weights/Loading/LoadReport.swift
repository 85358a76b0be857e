internal import Synchronization

/// What became of every key while a model was built.
public struct LoadReport: Sendable, Equatable, CustomStringConvertible {
    /// Keys of the source that a layer took.
    public let used: [String]
    /// Paths that a layer needs and the source has not.
    public let missing: [String]
    /// Keys of the source that no layer asked for.
    public let unused: [String]
    /// Unused keys that are known to be harmless, such as stored position numbers.
    public let ignored: [String]

    /// One line: `686 tensors used, 2 unused (a.b, a.c), 1 ignored`.
    public var description: String {
        var parts = ["\(used.count) tensors used"]
        if !missing.isEmpty { parts.append("\(missing.count) missing (\(listed(missing)))") }
        if !unused.isEmpty { parts.append("\(unused.count) unused (\(listed(unused)))") }
        if !ignored.isEmpty { parts.append("\(ignored.count) ignored") }
        return parts.joined(separator: ", ")
    }
}

/// The first few names and how many more there are.
func listed(_ names: [String], limit: Int = 8) -> String {
    let shown = names.prefix(limit).joined(separator: ", ")
    return names.count > limit ? "\(shown) and \(names.count - limit) more" : shown
}

/// Whether `text` is `pattern`, in which each `*` stands for any characters, none included.
func matches(_ text: String, pattern: String) -> Bool {
    let text = Array(text.utf8)
    let pattern = Array(pattern.utf8)
    var (t, p) = (0, 0)
    // Where to go on when the text does not fit: one more character for the last star.
    var retry: (text: Int, pattern: Int)?
    while t < text.count {
        if p < pattern.count, pattern[p] == UInt8(ascii: "*") {
            retry = (t, p + 1)
            p += 1
        } else if p < pattern.count, pattern[p] == text[t] {
            t += 1
            p += 1
        } else if let (start, next) = retry {
            retry = (start + 1, next)
            t = start + 1
            p = next
        } else {
            return false
        }
    }
    return pattern[p...].allSatisfy { $0 == UInt8(ascii: "*") }
}

/// Collects what `ScopedWeights` sees, from any thread.
final class LoadRecorder: Sendable {
    private struct State {
        var used: Set<String> = []
        var missing: [String] = []
        var flaws: [WeightsError] = []
    }

    private let state = Mutex(State())

    func use(_ key: String) { state.withLock { _ = $0.used.insert(key) } }

    func miss(_ path: String, _ error: WeightsError) {
        state.withLock { state in
            state.missing.append(path)
            state.flaws.append(error)
        }
    }

    func mismatch(_ error: WeightsError) { state.withLock { $0.flaws.append(error) } }

    var flaws: [WeightsError] { state.withLock { $0.flaws } }

    func report(keys: Set<String>, ignoring patterns: [String]) -> LoadReport {
        let (used, missing) = state.withLock { ($0.used, $0.missing) }
        var unused: [String] = []
        var ignored: [String] = []
        for key in keys.subtracting(used).sorted() {
            let isIgnored = patterns.contains { matches(key, pattern: $0) }
            if isIgnored { ignored.append(key) } else { unused.append(key) }
        }
        return LoadReport(used: used.sorted(), missing: missing, unused: unused, ignored: ignored)
    }
}
