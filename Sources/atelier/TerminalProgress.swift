import Foundation

/// A line on stderr that redraws itself, when stderr is a terminal; otherwise a plain line now and then.
struct TerminalProgress {
    private let isTerminal = isatty(STDERR_FILENO) == 1
    private var lastLine = ContinuousClock.now
    private let quietInterval: Duration

    /// - Parameter quietInterval: how often a line is printed when stderr is not a terminal; nil for never.
    init(quietInterval: Duration? = nil) {
        self.quietInterval = quietInterval ?? .seconds(1 << 40)
    }

    /// - Parameter isLast: whether nothing follows; when nil, where the step is the total.
    mutating func show(
        _ label: String, step: Int, total: Int, detail: String = "", secondsLeft: Double? = nil, isLast: Bool? = nil
    ) {
        let isLast = isLast ?? (step == total)
        let left = secondsLeft.map { "  " + Self.duration($0) + " left" } ?? ""
        if isTerminal {
            let width = 24
            let filled = total > 0 ? width * step / total : 0
            let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: width - filled)
            write("\r\u{1B}[K\(label) \(bar) \(step)/\(total)\(detail)\(left)")
            if isLast { write("\n") }
        } else if ContinuousClock.now - lastLine >= quietInterval
            || (isLast && quietInterval < .seconds(1 << 30))
        {
            lastLine = .now
            write("\(label) \(step)/\(total)\(detail)\(left)\n")
        }
    }

    /// A line of its own.
    func note(_ message: String) { write(isTerminal ? "\r\u{1B}[K\(message)\n" : message + "\n") }

    private func write(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }

    static func duration(_ seconds: Double) -> String {
        guard seconds.isFinite && seconds >= 0 else { return "?" }
        let whole = Int(seconds.rounded())
        return whole >= 3600
            ? String(format: "%d:%02d:%02d", whole / 3600, whole / 60 % 60, whole % 60)
            : String(format: "%d:%02d", whole / 60, whole % 60)
    }
}
