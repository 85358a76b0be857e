public import Foundation
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// What became of the jobs of a folder: one JSON object a line, on the disk before the next job counts.
///
/// A kill at any moment leaves whole lines and at most one broken one at the end, which is cut off when the journal is
/// opened again. Each shard writes its own file and reads all of them.
public final class Journal: Sendable {
    /// What became of one job.
    public struct Line: Codable, Sendable, Hashable {
        public enum State: String, Codable, Sendable { case done, failed }

        /// The hash of everything that determines the output.
        public var key: String
        /// Relative to the folder.
        public var output: String
        public var state: State
        /// The size of the output in bytes.
        public var bytes: Int?
        public var seconds: Double?
        public var error: String?
    }

    private let folder: URL
    private let path: URL
    private let state: Mutex<State>

    private struct State: Sendable {
        var handle: FileHandle
        var known: Known
    }

    /// What all journals of the folder say.
    private struct Known: Sendable {
        /// The last line of each key.
        private(set) var lines: [String: Line] = [:]
        /// The key whose output has a name now: lists that share a folder may give one name to other pictures.
        private var owners: [String: String] = [:]

        mutating func add(_ line: Line) {
            lines[line.key] = line
            if line.state == .done { owners[line.output] = line.key }
        }

        /// The last line of a key whose output is its own.
        func done(_ key: String) -> Line? {
            guard let line = lines[key], line.state == .done, owners[line.output] == key else { return nil }
            return line
        }
    }

    /// Opens the journal of a shard.
    ///
    /// - Throws: `JobError` when another run has it open, or it cannot be written.
    public init(folder: URL, shard: Shard) throws {
        self.folder = folder
        let name = shard == .whole ? "journal.jsonl" : "journal-\(shard.index)-of-\(shard.count).jsonl"
        path = folder.appending(path: name)
        do {
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        } catch {
            throw JobError(folder.path, expected: "a folder that can be written", found: "none")
        }
        let descriptor = open(path.path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else {
            throw JobError(
                path.path, expected: "a journal that can be written", found: String(cString: strerror(errno)))
        }
        let handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        // The lock goes with the process, however it ends.
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            throw JobError(path.path, expected: "no other run of these jobs", found: "one that is still at work")
        }
        try Self.dropBrokenEnd(handle)
        state = Mutex(State(handle: handle, known: try Self.read(folder)))
    }

    /// Cuts off what follows the last whole line.
    private static func dropBrokenEnd(_ handle: FileHandle) throws {
        let bytes = try handle.readToEnd() ?? Data()
        let end = bytes.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 - bytes.startIndex } ?? 0
        try handle.truncate(atOffset: UInt64(end))
        try handle.seekToEnd()
    }

    /// All whole lines of all journals of a folder.
    private static func read(_ folder: URL) throws -> Known {
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
        var known = Known()
        for name in names where name.hasPrefix("journal") && name.hasSuffix(".jsonl") {
            let text = try Data(contentsOf: folder.appending(path: name))
            for part in text.split(separator: UInt8(ascii: "\n")) {
                guard let line = try? JSONDecoder().decode(Line.self, from: part) else { continue }
                known.add(line)
            }
        }
        return known
    }

    /// Whether a job is done and its output there, or only waiting for its name.
    func isDone(_ key: String) -> Bool {
        guard let line = state.withLock({ $0.known.done(key) }), let bytes = line.bytes else { return false }
        return OutputFile(folder: folder, output: line.output).isThere(bytes: bytes)
    }

    /// Adds a line, and returns once it is on the disk.
    public func append(_ line: Line) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let bytes = try encoder.encode(line) + Data("\n".utf8)
        do {
            try state.withLock { state in
                let start = try state.handle.offset()
                do {
                    try state.handle.write(contentsOf: bytes)
                    try state.handle.synchronize()
                } catch {
                    // A full disk: no half a line stays in front of the next one.
                    try? state.handle.truncate(atOffset: start)
                    throw error
                }
                state.known.add(line)
            }
        } catch {
            throw JobError(path.path, expected: "room to write the journal", found: "\(error.localizedDescription)")
        }
    }
}
