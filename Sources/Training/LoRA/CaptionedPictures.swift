import Foundation
import Imaging

/// Pictures on disk with what they show.
struct CaptionedPictures: Sendable {
    struct Entry: Sendable, Hashable {
        let path: String
        let caption: String
    }

    let entries: [Entry]

    /// Reads the names and captions of folders; pictures come in the order of names, as often as they count.
    ///
    /// - Throws: `TrainingError` for a folder that cannot be read or holds no picture, and for a picture without caption;
    ///   `CaptionError` for a text file that is not UTF-8.
    init(_ folders: [LoRARecipe.Folder], relativeTo base: URL?) throws {
        var entries: [Entry] = []
        for (index, folder) in folders.enumerated() {
            let root = folder.path(beside: base)
            guard let names = try? FileManager.default.contentsOfDirectory(atPath: root).sorted() else {
                throw TrainingError.invalidRecipe(
                    key: "data[\(index)].folder", expected: "a folder of pictures",
                    found: "\(root), which cannot be read")
            }
            let pictures = names.filter { !$0.hasPrefix(".") && ImageFormat(path: $0) != nil }
            guard !pictures.isEmpty else {
                throw TrainingError.invalidRecipe(
                    key: "data[\(index)].folder", expected: "pictures in .png or .jpg", found: "none in \(root)")
            }
            for name in pictures {
                let picture = URL(filePath: root).appending(path: name)
                let words = picture.deletingPathExtension().appendingPathExtension("txt")
                let text = try Self.caption(words) ?? folder.prompt
                guard let caption = text?.trimmingCharacters(in: .whitespacesAndNewlines) else {
                    throw TrainingError.invalidRecipe(
                        key: "data[\(index)].prompt", expected: "a prompt, or \(words.path)", found: "neither")
                }
                let entry = Entry(path: picture.path, caption: caption)
                entries += [Entry](repeating: entry, count: folder.repeats ?? 1)
            }
        }
        self.entries = entries
    }

    init(_ entries: [Entry]) { self.entries = entries }

    /// What a text file says; nil where there is none.
    private static func caption(_ file: URL) throws -> String? {
        guard FileManager.default.fileExists(atPath: file.path) else { return nil }
        guard let bytes = try? Data(contentsOf: file) else {
            throw CaptionError(path: file.path, found: "a file that cannot be read")
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw CaptionError(path: file.path, found: "bytes that are none")
        }
        return text
    }
}

/// A caption that cannot be taken.
struct CaptionError: Error, Equatable, CustomStringConvertible {
    let path: String
    let found: String

    var description: String { "\(path): expected a caption as text in UTF-8, found \(found)" }
}
