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
        /// The SHA-256 of the output.
        public var hash: String?
        public var seconds: Double?
        public var error: String?
        /// The content hash of the list that the job is of.
        public var list: String?
    }

    private let folder: URL
    private let path: URL
    /// The content hash of the list whose jobs are noted.
    private let list: String?
    private let state: Mutex<State>

    private struct State: Sendable {
        var handle: FileHandle
        var known: Known
    }

    /// What all journals of the folder say.
    private struct Known: Sendable {
        /// The lines of each key whose output was made.
        private(set) var done: [String: [Line]] = [:]
        /// The last line of each output that could not be made, by list and output.
        private(set) var failed: [String: Line] = [:]

        mutating func add(_ line: Line) {
            switch line.state {
            case .done: if done[line.key]?.contains(line) != true { done[line.key, default: []].append(line) }
            case .failed: failed[Self.place(line.output, line.list)] = line
            }
        }

        static func place(_ output: String, _ list: String?) -> String { "\(list ?? "") \(output)" }
    }

    /// Opens the journal of a shard.
    ///
    /// - Parameter list: the content hash of the list.
    /// - Throws: `JobError` when another run has it open, or it cannot be written.
    public init(folder: URL, shard: Shard, list: String? = nil) throws {
        self.folder = folder
        self.list = list
        path = folder.appending(path: shard.fileName("journal"))
        try Self.makeFolder(folder)
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

    /// - Throws: `JobError` for a place where there can be none.
    static func makeFolder(_ folder: URL) throws {
        do {
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        } catch {
            throw JobError(
                folder.path, expected: "a folder that can be written", found: error.localizedDescription)
        }
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
                if OutputFile.isInside(line.output) { known.add(line) }
            }
        }
        return known
    }

    /// The lines of this journal's own file.
    func ownLines() throws -> Set<Line> {
        let parts = try Data(contentsOf: path).split(separator: UInt8(ascii: "\n"))
        return Set(parts.compactMap { try? JSONDecoder().decode(Line.self, from: $0) })
    }

    /// The line of a job that is done and whose output is there, or only waiting for its name.
    ///
    /// A key says all that determines the output, and the checksum that the file is this output and no other list's. A
    /// line of this list is preferred.
    func done(_ key: String) -> Line? {
        let lines = state.withLock { $0.known.done[key] ?? [] }
        func isThere(_ line: Line) -> Bool {
            guard let bytes = line.bytes, let hash = line.hash else { return false }
            return OutputFile(folder: folder, output: line.output, key: key).isThere(bytes: bytes, hash: hash)
        }
        return lines.last { $0.list == list && isThere($0) } ?? lines.last { $0.list != list && isThere($0) }
    }

    /// What the journals say of this list's outputs: the lines whose output is there, and for the others the last
    /// failure, if there was one.
    func account() -> (done: [String: Line], failed: [String: Line]) {
        let known = state.withLock { $0.known }
        var result: (done: [String: Line], failed: [String: Line]) = ([:], [:])
        for (key, lines) in known.done where lines.contains(where: { $0.list == list }) {
            if let line = done(key), line.list == list { result.done[line.output] = line }
        }
        for line in known.failed.values where line.list == list && result.done[line.output] == nil {
            result.failed[line.output] = line
        }
        return result
    }

    /// Adds a line, and returns once it is on the disk.
    public func append(_ line: Line) throws { try append([line]) }

    /// Adds lines, and returns once they are on the disk.
    func append(_ lines: [Line]) throws {
        guard !lines.isEmpty else { return }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let bytes = try lines.reduce(into: Data()) { bytes, line in
            bytes += try encoder.encode(line) + Data("\n".utf8)
        }
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
                for line in lines { state.known.add(line) }
            }
        } catch {
            throw JournalFailure(
                description: "\(path.path): expected room to write the journal, found \(error.localizedDescription)")
        }
    }
}

/// A journal that cannot be written: nothing that is done from here on could be told, so the run ends.
struct JournalFailure: Error, CustomStringConvertible {
    let description: String
}
