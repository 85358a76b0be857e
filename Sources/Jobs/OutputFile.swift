import Foundation

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The output of a job: first complete under a name of its own, then noted in the journal, then given its name.
///
/// A kill after the journal's line leaves the complete file under the first name, and the next run only gives it its
/// name; a kill before it leaves nothing that counts, and the next run writes over it.
struct OutputFile {
    let path: URL
    private let temporary: URL

    init(folder: URL, output: String) {
        path = folder.appending(path: output)
        temporary = path.deletingLastPathComponent().appending(path: "." + path.lastPathComponent + ".partial")
    }

    /// Writes all bytes to the disk, under the temporary name.
    func write(_ bytes: [UInt8]) throws {
        do {
            try FileManager.default.createDirectory(
                at: temporary.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(bytes).write(to: temporary)
            let handle = try FileHandle(forWritingTo: temporary)
            try handle.synchronize()
            try handle.close()
        } catch {
            discard()
            throw flaw(error.localizedDescription)
        }
    }

    /// Gives the complete file its name.
    func commit() throws {
        guard rename(temporary.path, path.path) == 0 else { throw flaw(String(cString: strerror(errno))) }
    }

    func discard() { try? FileManager.default.removeItem(at: temporary) }

    /// Whether the output of a size is there, or can be given its name now.
    func isThere(bytes: Int) -> Bool {
        if size(path) == bytes { return true }
        guard size(temporary) == bytes else { return false }
        return (try? commit()) != nil
    }

    private func size(_ file: URL) -> Int? {
        let found = try? FileManager.default.attributesOfItem(atPath: file.path)
        return (found?[.size] as? NSNumber)?.intValue
    }

    private func flaw(_ reason: String) -> OutputFailure {
        OutputFailure(description: "\(path.path): expected room to write the file, found: \(reason)")
    }
}

/// An output that cannot be written: a failure of its job, not of the run.
struct OutputFailure: Error, CustomStringConvertible {
    let description: String
}
