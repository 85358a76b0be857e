import Foundation
import Generation
public import Imaging

/// Folders of pictures whose names say which belong together.
public struct MatchedFolders: Sendable {
    /// Names without endings that every folder has, sorted.
    public let names: [String]
    /// One line for each name that some folder lacks, sorted: `c: in young, not in old`.
    public let odd: [String]
    private let files: [[String: String]]

    /// - Throws: `GenerationError` for a folder that cannot be read, or where one name has two endings.
    public init(_ folders: [String]) throws {
        files = try folders.map { folder in
            guard let names = try? FileManager.default.contentsOfDirectory(atPath: folder) else {
                throw GenerationError(folder, expected: "a folder of pictures", found: "none that can be read")
            }
            let pictures = names.filter { !$0.hasPrefix(".") && ImageFormat(path: $0) != nil }.sorted()
            let stems = Dictionary(grouping: pictures) { URL(filePath: $0).deletingPathExtension().lastPathComponent }
            if let twin = stems.filter({ $0.value.count > 1 }).min(by: { $0.key < $1.key }) {
                throw GenerationError(
                    folder, expected: "one picture of each name", found: twin.value.joined(separator: " and "))
            }
            return stems.compactMapValues { $0.first.map { URL(filePath: folder).appending(path: $0).path } }
        }
        let all = Set(files.flatMap(\.keys)).sorted()
        names = all.filter { [files] name in files.allSatisfy { $0[name] != nil } }
        odd = all.compactMap { [files] name in
            let (present, absent) = (
                folders.indices.filter { files[$0][name] != nil },
                folders.indices.filter { files[$0][name] == nil }
            )
            guard !absent.isEmpty else { return nil }
            func listed(_ indices: [Int]) -> String { indices.map { folders[$0] }.joined(separator: ", ") }
            return "\(name): in \(listed(present)), not in \(listed(absent))"
        }
    }

    /// The pictures of a name, in the order of folders: the middle square, so that nothing is stretched.
    ///
    /// - Parameter size: the side; nil for the smallest side of them all.
    /// - Throws: `ImageError` for a picture that does not decode.
    public func pictures(_ name: String, size: Int?) throws -> [Image] {
        let read = try files.compactMap { $0[name] }.map { try readImage(at: $0).image }
        let side = size ?? read.map { min($0.width, $0.height) }.min() ?? 1
        return read.map { picture in
            let square = min(picture.width, picture.height)
            return picture.centerCropped(width: square, height: square).resized(width: side, height: side)
        }
    }
}
