public import Foundation

/// Pictures in a folder that nothing here can read, and that are therefore not learnt.
public struct UnreadPictures: Sendable, Hashable {
    public let folder: String
    public let names: [String]
}

extension LoRARecipe {
    /// How names of pictures end that only other programs read.
    private static let otherEndings: Set<String> = [
        "webp", "bmp", "gif", "tif", "tiff", "heic", "heif", "avif", "jxl", "jp2", "jfif", "tga", "ppm", "pgm", "pnm",
        "psd", "svg", "dng",
    ]

    /// What lies in the folders beside the pictures that are learnt; folders that have nothing of that are left out.
    ///
    /// - Parameter base: where relative paths start.
    public func unreadPictures(beside base: URL?) -> [UnreadPictures] {
        data.compactMap { folder in
            let path = folder.path(beside: base)
            let names = ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted().filter { name in
                !name.hasPrefix(".") && Self.otherEndings.contains(URL(filePath: name).pathExtension.lowercased())
            }
            return names.isEmpty ? nil : UnreadPictures(folder: path, names: names)
        }
    }
}

extension LoRARecipe.Folder {
    /// Where it is.
    func path(beside base: URL?) -> String {
        guard !folder.hasPrefix("/"), let base else { return folder }
        return base.appending(path: folder).path
    }
}
