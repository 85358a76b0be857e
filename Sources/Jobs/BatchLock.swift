import Foundation

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Keeps a run of the whole list and runs of its shards apart, and shards of one number from those of another: each would
/// find jobs that the other is at work on, and do them, too.
///
/// A file in the folder, `journal.lock`: the whole list holds it alone; shards share it, and the first of them writes how
/// many there are. A lock goes with its process, however that ends. That no two runs have one shard is the journals' own
/// lock; a merge takes no part, for it makes nothing.
struct BatchLock {
    private let handle: FileHandle

    /// - Throws: `JobError` when runs are at work that this one would do the jobs of, or the file cannot be written.
    init(folder: URL, shard: Shard) throws {
        let path = folder.appending(path: "journal.lock").path
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else {
            throw JobError(path, expected: "a lock that can be written", found: String(cString: strerror(errno)))
        }
        handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        if shard == .whole {
            guard Self.take(descriptor, LOCK_EX) else {
                let others = try? count()
                throw JobError(
                    folder.path, expected: "no other run of these jobs beside one of the whole list",
                    found: others.map { "shards of \($0) that are still at work" } ?? "one that is still at work")
            }
            // Who looks why it has to wait reads nothing of shards that are long done.
            try handle.truncate(atOffset: 0)
        } else {
            try share(descriptor, shard, path)
        }
    }

    private func share(_ descriptor: Int32, _ shard: Shard, _ path: String) throws {
        // Alone for a moment where no other shard is at work: nobody else's number can be meant.
        if Self.take(descriptor, LOCK_EX) {
            do {
                try handle.truncate(atOffset: 0)
                try handle.write(contentsOf: Data("\(shard.count)\n".utf8))
            } catch {
                throw JobError(path, expected: "room to write the lock", found: error.localizedDescription)
            }
        }
        // Another shard may have it alone for that moment, too.
        var tries = 0
        while !Self.take(descriptor, LOCK_SH) {
            tries += 1
            guard tries < 100 else {
                throw JobError(
                    path, expected: "no run of the whole list beside shard \(shard)", found: "one that is still at work"
                )
            }
            usleep(10_000)
        }
        let count = try count()
        guard count == shard.count else {
            throw JobError(
                path,
                expected: "shard \(shard) beside shards of \(shard.count)",
                found: "shards of \(count.map(String.init) ?? "another number") that are still at work")
        }
    }

    /// How many shards the file says that there are; nil where it says nothing.
    private func count() throws -> Int? {
        try handle.seek(toOffset: 0)
        let text = String(decoding: try handle.readToEnd() ?? Data(), as: UTF8.self)
        return Int(text.trimmingCharacters(in: .whitespacesAndNewlines))
    }

    private static func take(_ descriptor: Int32, _ kind: Int32) -> Bool { flock(descriptor, kind | LOCK_NB) == 0 }
}
