import Foundation
import Recipes

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The output of a job: first complete under a name of its own, then noted in the journal, then given its name.
///
/// A kill after the journal's line leaves the complete file under the first name, and the next run only gives it its
/// name; a kill before it leaves nothing that counts, and the next run writes over it. The first name holds the job's
/// key, so that lists which share a folder, or a job that was changed, never take each other's halves.
struct OutputFile {
    let path: URL
    let temporary: URL

    init(folder: URL, output: String, key: String) {
        path = folder.appending(path: output)
        let mark = sha256Hex(of: Data(key.utf8)).prefix(12)
        temporary = path.deletingLastPathComponent().appending(path: ".\(path.lastPathComponent).\(mark).partial")
    }

    /// Whether a name means a file inside the folder that it is relative to.
    static func isInside(_ output: String) -> Bool {
        let parts = output.split(separator: "/", omittingEmptySubsequences: false)
        return !output.isEmpty && !parts.contains { ["", ".", ".."].contains($0) }
    }

    /// Writes all bytes to the disk, under the temporary name.
    func write(_ bytes: [UInt8]) throws {
        if let file = fileInPlaceOfFolder() {
            throw OutputFailure(
                description:
                    "\(path.path): expected a folder at \(file), found a file; give one of the two another name")
        }
        var isFolder: ObjCBool = false
        if FileManager.default.fileExists(atPath: path.path, isDirectory: &isFolder), isFolder.boolValue {
            throw OutputFailure(
                description:
                    "\(path.path): expected a file there or nothing, found a folder; give one of the two another name")
        }
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

    /// The nearest thing above the output that is there, where it is no folder.
    private func fileInPlaceOfFolder() -> String? {
        var place = path.deletingLastPathComponent()
        var isFolder: ObjCBool = false
        while place.pathComponents.count > 1 {
            if FileManager.default.fileExists(atPath: place.path, isDirectory: &isFolder) {
                return isFolder.boolValue ? nil : place.path
            }
            place.deleteLastPathComponent()
        }
        return nil
    }

    /// Gives the complete file its name.
    func commit() throws {
        guard rename(temporary.path, path.path) == 0 else { throw flaw(String(cString: strerror(errno))) }
    }

    func discard() { try? FileManager.default.removeItem(at: temporary) }

    /// Whether the output with a size and a checksum is there, or can be given its name now.
    ///
    /// The size alone would not do: another list may have put a picture as large under this name.
    func isThere(bytes: Int, hash: String) -> Bool {
        if holds(path, bytes, hash) { return true }
        guard holds(temporary, bytes, hash) else { return false }
        // Another run may have been quicker to give it its name.
        return (try? commit()) != nil || holds(path, bytes, hash)
    }

    private func holds(_ file: URL, _ bytes: Int, _ hash: String) -> Bool {
        let found = try? FileManager.default.attributesOfItem(atPath: file.path)
        guard (found?[.size] as? NSNumber)?.intValue == bytes else { return false }
        return (try? sha256Hex(ofFile: file.path)) == hash
    }

    private func flaw(_ reason: String) -> OutputFailure {
        OutputFailure(description: "\(path.path): expected room to write the file, found: \(reason)")
    }
}

/// An output that cannot be written: a failure of its job, not of the run.
struct OutputFailure: Error, CustomStringConvertible {
    let description: String
}
