import Foundation
import Imaging
import Jobs

/// The files that a batch writes: one name, or a pattern with the picture's number.
struct OutputPattern {
    private let pattern: String
    private let number: Range<String.Index>?

    /// - Parameter isFolderMade: whether the folder is made where there is none yet.
    /// - Throws: `UsageError` when the ending is unknown, the folder is not there, or several pictures share a name.
    init(_ pattern: String, count: Int, isFolderMade: Bool = false) throws {
        self.pattern = pattern
        number = pattern.range(of: "%0?[0-9]*d", options: .regularExpression)
        guard ImageFormat(path: pattern) != nil else {
            throw UsageError(description: "--output \(pattern): expected a name that ends in .png, .jpg or .jpeg")
        }
        guard count == 1 || number != nil else {
            throw UsageError(
                description: "--output \(pattern): expected a number such as %03d for \(count) pictures, found none")
        }
        let numbers = pattern.ranges(of: /%0?[0-9]*d/)
        guard numbers.count <= 1, numbers.allSatisfy({ pattern[$0].count <= 4 }) else {
            throw UsageError(
                description: "--output \(pattern): expected one number of up to two digits, such as %03d, found "
                    + (numbers.count > 1 ? "\(numbers.count)" : "a wider one"))
        }
        let folder = URL(filePath: pattern).deletingLastPathComponent().path
        guard !isFolderMade || FileManager.default.fileExists(atPath: folder) else { return }
        try Self.checkWritable(pattern)
    }

    /// Checks, before any work, that a file can be written: its folder is there, and no folder has its name.
    static func checkWritable(_ path: String) throws {
        var isFolder: ObjCBool = false
        if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue {
            throw OutputError(description: "\(path): expected a file to write, found a folder")
        }
        let folder = URL(filePath: path).deletingLastPathComponent().path
        guard FileManager.default.isWritableFile(atPath: folder) else {
            throw OutputError(
                description: "\(folder): expected a folder that can be written, found "
                    + (FileManager.default.fileExists(atPath: folder) ? "one that cannot" : "nothing there"))
        }
    }

    /// Checks another output of the same command: it can be written, and is none of the pictures.
    func checkBeside(_ other: String, option: String, count: Int) throws {
        try Self.checkWritable(other)
        let place = FilePlace(other)
        guard !(0..<count).contains(where: { FilePlace(path($0)) == place }) else {
            throw UsageError(
                description: "\(option) \(other): expected another file than the picture's, found the same")
        }
    }

    /// Checks that no picture is written over one that is read.
    func checkOriginals(_ inputs: [String], count: Int) throws {
        guard !inputs.isEmpty else { return }
        let originals = Dictionary(inputs.map { (FilePlace($0), $0) }) { first, _ in first }
        for index in 0..<count {
            guard let own = originals[FilePlace(path(index))] else { continue }
            throw UsageError(
                description: "--output \(path(index)): expected another file than \(own), which is read, found the same"
            )
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
