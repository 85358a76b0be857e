import Foundation
import Imaging

/// The pictures of a folder, and what else lies there and is left.
public struct PictureFolder: Sendable {
    public let path: String
    /// Of files that are named as pictures are, in their order; hidden ones are none of them.
    public let names: [String]
    /// A sentence for each folder inside, and one for all files of other names.
    public let remarks: [String]

    /// - Throws: `JobError` for a folder that cannot be read, or has no pictures.
    public init(_ path: String) throws {
        let found: [String]
        do {
            found = try FileManager.default.contentsOfDirectory(atPath: path).sorted().filter { !$0.hasPrefix(".") }
        } catch {
            throw JobError(path, expected: "a folder that can be read", found: error.localizedDescription)
        }
        let base = path.hasSuffix("/") ? path : path + "/"
        func isFolder(_ name: String) -> Bool {
            var isFolder: ObjCBool = false
            return FileManager.default.fileExists(atPath: base + name, isDirectory: &isFolder) && isFolder.boolValue
        }
        let folders = found.filter(isFolder)
        let files = found.filter { !isFolder($0) }
        let others = files.filter { ImageFormat(path: $0) == nil }
        self.path = path
        names = files.filter { ImageFormat(path: $0) != nil }
        let endings = ".png, .jpg or .jpeg"
        guard !names.isEmpty else {
            throw JobError(
                path, expected: "a folder with pictures",
                found: found.isEmpty ? "an empty one" : "no file whose name ends in \(endings)")
        }
        var remarks = folders.map { "\(base)\($0): a folder inside a folder is left out" }
        if others.count == 1 {
            remarks.append("\(base)\(others[0]): a file whose name does not end in \(endings) is left out")
        } else if let first = others.first {
            remarks.append(
                "\(path): \(others.count) files whose names do not end in \(endings) are left out, such as \(first)")
        }
        self.remarks = remarks
    }
}
