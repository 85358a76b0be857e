import Foundation
import Imaging

/// The files that a batch writes: one name, or a pattern with the picture's number.
struct OutputPattern {
    private let pattern: String
    private let number: Range<String.Index>?

    /// - Throws: `UsageError` when the ending is unknown, the folder is not there, or several pictures share a name.
    init(_ pattern: String, count: Int) throws {
        self.pattern = pattern
        number = pattern.range(of: "%0?[0-9]*d", options: .regularExpression)
        guard ImageFormat(path: pattern) != nil else {
            throw UsageError(description: "--output \(pattern): expected a name that ends in .png, .jpg or .jpeg")
        }
        guard count == 1 || number != nil else {
            throw UsageError(
                description: "--output \(pattern): expected a number such as %03d for \(count) pictures, found none")
        }
        let folder = URL(filePath: pattern).deletingLastPathComponent().path
        guard FileManager.default.isWritableFile(atPath: folder) else {
            throw OutputError(
                description: "\(folder): expected a folder that can be written, found "
                    + (FileManager.default.fileExists(atPath: folder) ? "one that cannot" : "nothing there"))
        }
    }

    func path(_ index: Int) -> String {
        guard let number else { return pattern }
        let digits = Int(pattern[number].filter(\.isNumber)) ?? 0
        let text = String(index)
        let padding = String(repeating: "0", count: max(min(digits, 20) - text.count, 0))
        return pattern.replacingCharacters(in: number, with: padding + text)
    }
}

/// An output that cannot be written.
struct OutputError: Error, CustomStringConvertible {
    let description: String
}
