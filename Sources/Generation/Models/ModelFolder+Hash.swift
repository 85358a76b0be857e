import Foundation
import Recipes

extension ModelFolder {
    /// The SHA-256 of the folder's files.
    public func hash() throws -> String { try folderHash(path) }
}

/// The SHA-256 of the sorted list of a folder's (path, file hash), cached by size and time.
func folderHash(_ path: String) throws -> String {
    let root = URL(filePath: path, directoryHint: .isDirectory)
    guard let names = try? FileManager.default.subpathsOfDirectory(atPath: path).sorted() else {
        throw GenerationError(path, expected: "a folder that can be read", found: "one that cannot")
    }
    var cache = HashCache()
    var listing = ""
    for name in names where !name.split(separator: "/").contains(where: { $0.hasPrefix(".") }) {
        let file = root.appending(path: name).resolvingSymlinksInPath()
        guard let attributes = try? FileManager.default.attributesOfItem(atPath: file.path),
            attributes[.type] as? FileAttributeType == .typeRegular
        else { continue }
        listing += "\(name)\u{0}\(try cache.hash(of: file.path, attributes))\n"
    }
    cache.save()
    return sha256Hex(of: Data(listing.utf8))
}

/// The SHA-256 of a file, cached by size and time.
func fileHash(_ path: String) throws -> String {
    let file = URL(filePath: path).resolvingSymlinksInPath()
    guard let attributes = try? FileManager.default.attributesOfItem(atPath: file.path) else {
        throw GenerationError(path, expected: "a file that can be read", found: "nothing there")
    }
    // A device never ends, and a pipe waits for its writer.
    guard attributes[.type] as? FileAttributeType == .typeRegular else {
        throw GenerationError(path, expected: "a regular file", found: "something else")
    }
    var cache = HashCache()
    let hash = try cache.hash(of: file.path, attributes)
    cache.save()
    return hash
}

/// File hashes by path, size and modification time, kept in the user's cache folder.
private struct HashCache {
    private struct Entry: Codable, Equatable {
        let size: Int
        let modified: Double
        let hash: String
    }

    private let file: URL
    private var entries: [String: Entry]
    private var isChanged = false

    init() {
        let environment = ProcessInfo.processInfo.environment
        let base =
            environment["XDG_CACHE_HOME"].map { URL(filePath: $0, directoryHint: .isDirectory) }
            ?? FileManager.default.homeDirectoryForCurrentUser.appending(path: ".cache")
        file = base.appending(path: "atelier/hashes.json")
        entries = (try? JSONDecoder().decode([String: Entry].self, from: Data(contentsOf: file))) ?? [:]
    }

    mutating func hash(of path: String, _ attributes: [FileAttributeKey: Any]) throws -> String {
        let size = attributes[.size] as? Int ?? -1
        let modified = (attributes[.modificationDate] as? Date)?.timeIntervalSince1970 ?? 0
        if let entry = entries[path], entry.size == size, entry.modified == modified { return entry.hash }
        let hash = try sha256Hex(ofFile: path)
        entries[path] = Entry(size: size, modified: modified, hash: hash)
        isChanged = true
        return hash
    }

    /// Losing the cache costs time only, so a cache folder that cannot be written is no error.
    func save() {
        guard isChanged, let data = try? JSONEncoder().encode(entries) else { return }
        try? FileManager.default.createDirectory(
            at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try? data.write(to: file, options: .atomic)
    }
}
