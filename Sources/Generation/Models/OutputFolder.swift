internal import Foundation
import Weights

/// A folder that is written as a whole and takes nothing from anybody: a new one, an empty one, or one that this very
/// writer filled before.
///
/// Files are made in a folder beside it and move in when all are complete. What was written is listed in the folder, so
/// that a repeated run knows its own files; only those are ever replaced, and nothing that stands there is removed.
struct OutputFolder {
    /// Of the folder that is asked for, behind its symbolic links.
    let folder: URL
    /// Beside it, where files are made; of a name that nobody else has.
    let staging: URL
    /// Whether trainings write here, whose older exports have no list.
    private let isOfTraining: Bool

    /// The list of what was written.
    static let manifestName = ".atelier-files.json"
    /// The file that makes a folder a model; it leaves first and comes last, so that no mixture of two can be loaded.
    private static let indexName = "model_index.json"

    /// What a former run wrote.
    private struct Manifest: Codable {
        var schema = 1
        var files: [String]
    }

    /// - Throws: `GenerationError` when something stands there that is not this writer's.
    init(_ folder: URL, isOfTraining: Bool) throws {
        self.folder = folder.absoluteURL.standardizedFileURL.resolvingSymlinksInPath()
        self.isOfTraining = isOfTraining
        staging = self.folder.deletingLastPathComponent()
            .appending(path: ".\(self.folder.lastPathComponent)-\(UUID().uuidString)", directoryHint: .isDirectory)
        _ = try formerFiles()
    }

    /// The files of a former run, or nil when there is no folder yet.
    private func formerFiles() throws -> Set<String>? {
        switch Self.type(folder.path) {
        case nil: return nil
        case .typeDirectory?: break
        default: throw flaw("a file of that name; nothing was written")
        }
        guard let entries = try? FileManager.default.contentsOfDirectory(atPath: folder.path) else {
            throw flaw("one that cannot be read; nothing was written")
        }
        if entries.isEmpty { return [] }
        if let files = try manifest() { return files }
        guard isOfTraining, isExport else {
            throw flaw("\(entries.count) \(entries.count == 1 ? "entry" : "entries") of others; nothing was written")
        }
        return Set(Self.files(below: folder))
    }

    private func manifest() throws -> Set<String>? {
        let path = folder.appending(path: Self.manifestName)
        guard Self.type(path.path) == .typeRegular else { return nil }
        guard let size = try? FileManager.default.attributesOfItem(atPath: path.path)[.size] as? Int, size < 1 << 20,
            let data = try? Data(contentsOf: path), let manifest = try? JSONDecoder().decode(Manifest.self, from: data)
        else { throw flaw("a \(Self.manifestName) that is no list of files; nothing was written") }
        return Set(manifest.files + [Self.manifestName])
    }

    /// Whether a training wrote the folder before there were lists: its recipe stands in the weights' header.
    private var isExport: Bool {
        let path = folder.appending(path: "unet/diffusion_pytorch_model.safetensors").path
        guard Self.type(path) == .typeRegular, let file = try? TensorFile(path: path) else { return false }
        return file.metadata["recipe"] != nil && file.metadata["steps"] != nil
    }

    /// Puts what stands in `staging` in its place.
    ///
    /// - Throws: `GenerationError` when something came to stand there meanwhile, or when a file would take the place of
    ///   one that no former run wrote; then nothing has changed.
    func commit() throws {
        let made = Self.files(below: staging)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try encoder.encode(Manifest(files: made.sorted()))
            .write(to: staging.appending(path: Self.manifestName), options: .withoutOverwriting)
        guard let former = try formerFiles() else {
            // Nothing stands there, and nothing that may come to stand there is replaced.
            guard rename(staging.path, folder.path) == 0 else { throw flaw(String(cString: strerror(errno))) }
            return
        }
        try check(made, former)
        let manager = FileManager.default
        for name in Set(made.compactMap(Self.parent)) {
            try manager.createDirectory(at: folder.appending(path: name), withIntermediateDirectories: true)
        }
        if former.contains(Self.indexName) { unlink(folder.appending(path: Self.indexName).path) }
        // The list goes first: whatever happens now, the next run knows its files.
        let ordered = [Self.manifestName] + made.filter { $0 != Self.indexName }.sorted()
        for name in ordered + made.filter({ $0 == Self.indexName }) {
            let place = folder.appending(path: name).path
            guard rename(staging.appending(path: name).path, place) == 0 else {
                throw GenerationError(
                    place, expected: "a place for the file", found: String(cString: strerror(errno)))
            }
        }
        discard()
    }

    /// Refuses to take the place of anything that a former run did not write, and to leave a former model's parts.
    private func check(_ made: [String], _ former: Set<String>) throws {
        for name in made {
            let components = name.split(separator: "/").map(String.init)
            for count in 1..<max(components.count, 1) {
                let parent = components.prefix(count).joined(separator: "/")
                guard let type = Self.type(folder.appending(path: parent).path) else { continue }
                guard type == .typeDirectory else { throw flaw("'\(parent)', which is no folder; nothing was written") }
            }
            guard let type = Self.type(folder.appending(path: name).path) else { continue }
            guard former.contains(name), type == .typeRegular else {
                throw flaw("'\(name)' of another origin; nothing was written")
            }
        }
        let left = try (manifest() ?? []).subtracting(made).subtracting([Self.manifestName]).sorted().first {
            Self.type(folder.appending(path: $0).path) != nil
        }
        if let left { throw flaw("'\(left)', which the new one has not; nothing was written") }
    }

    /// Removes what was made beside the folder: the files, by their names, and the folders, which are empty then.
    func discard() {
        for name in Self.files(below: staging) + [Self.manifestName] { unlink(staging.appending(path: name).path) }
        let names = (try? FileManager.default.contentsOfDirectory(atPath: staging.path)) ?? []
        for name in names { rmdir(staging.appending(path: name).path) }
        rmdir(staging.path)
    }

    private func flaw(_ found: String) -> GenerationError {
        GenerationError(
            folder.path, expected: "a new or empty folder, or one that holds a model of the same parts written here",
            found: found)
    }

    /// The files of a folder and of the folders in it, without hidden ones: a model has no deeper ones.
    private static func files(below folder: URL) -> [String] {
        let manager = FileManager.default
        var files: [String] = []
        for name in (try? manager.contentsOfDirectory(atPath: folder.path)) ?? [] where !name.hasPrefix(".") {
            switch type(folder.appending(path: name).path) {
            case .typeRegular?: files.append(name)
            case .typeDirectory?:
                let inside = folder.appending(path: name)
                for file in (try? manager.contentsOfDirectory(atPath: inside.path)) ?? [] where !file.hasPrefix(".") {
                    if type(inside.appending(path: file).path) == .typeRegular { files.append("\(name)/\(file)") }
                }
            default: continue
            }
        }
        return files
    }

    private static func parent(_ name: String) -> String? {
        name.lastIndex(of: "/").map { String(name[..<$0]) }
    }

    /// What stands at a path, links themselves and not what they lead to.
    private static func type(_ path: String) -> FileAttributeType? {
        (try? FileManager.default.attributesOfItem(atPath: path))?[.type] as? FileAttributeType
    }
}
