import Foundation
import Recipes

/// Where names of sliders and styles are looked up.
///
/// A name is looked up in the user's folders, then in the folder of the stack that names it, then among what ships with
/// the program. What has a slash is a path: from the stack's folder where a stack names it, from the working directory
/// on the command line. A tag in a prompt names files below these folders and nothing else.
public struct StackFolders: Sendable {
    /// What the user named first.
    public var own: [String]
    /// What ships with the program.
    public var shipped: String?

    public init(own: [String], shipped: String? = nil) {
        self.own = own
        self.shipped = shipped
    }

    /// The endings of adapter files, in the order in which they are looked for.
    static let endings = ["safetensors", "pt", "bin", "ckpt"]

    /// The file of a path or name.
    ///
    /// - Parameters:
    ///   - folder: of the stack that names it; nil on the command line, where a name with an adapter's ending that no
    ///     folder has may stand in the working directory.
    ///   - subject: who names it, for the message; nil for the name itself.
    /// - Throws: `GenerationError` when there is none.
    public func file(of name: String, beside folder: String? = nil, for subject: String? = nil) throws -> String {
        guard name.contains("/") else {
            if let found = find(name, beside: folder) { return found }
            let isFileName = Self.endings.contains { name.hasSuffix("." + $0) }
            if folder == nil, isFileName, Self.isFile(name) { return name }
            throw missing(name, beside: folder, subject ?? name)
        }
        let path = name.hasPrefix("/") ? name : (folder.map { $0 + "/" } ?? "") + name
        guard let found = Self.candidates(path).first(where: Self.isFile) else {
            throw GenerationError(subject ?? name, expected: "an adapter's file", found: "none at \(path)")
        }
        return found
    }

    /// The file that a tag in a prompt means.
    ///
    /// - Throws: `GenerationError` for a name that leads out of the folders, and when there is no such file.
    public func file(ofTag name: String) throws -> String {
        guard !name.hasPrefix("/"), !name.split(separator: "/").contains("..") else {
            throw GenerationError(
                "<lora:\(name)>",
                expected: "a name of a file below the folder of adapters, as prompts may not leave it",
                found: "a path out of it")
        }
        guard let found = find(name, beside: nil) else { throw missing(name, beside: nil, "<lora:\(name)>") }
        return found
    }

    private func find(_ name: String, beside folder: String?) -> String? {
        places(of: name, beside: folder).lazy.flatMap { Self.candidates("\($0)/\(name)") }.first(where: Self.isFile)
    }

    /// The folders in turn. Shipped sliders have a folder each, with their recipe and card, and so have styles.
    private func places(of name: String, beside folder: String?) -> [String] {
        let ending = Self.endings.first { name.hasSuffix("." + $0) }
        let bare = ending.map { String(name.dropLast($0.count + 1)) } ?? name
        let shipped = shipped.map { [$0, $0 + "/" + bare, $0 + "/styles/" + bare] } ?? []
        return own + (folder.map { [$0] } ?? []) + shipped
    }

    private func missing(_ name: String, beside folder: String?, _ subject: String) -> GenerationError {
        // What ships is in folders named like it, in these.
        let shipped = (shipped.map { [$0, $0 + "/styles"] } ?? []).enumerated().filter { number, place in
            number == 0 || fileType(of: place) == .typeDirectory
        }
        let places = own + (folder.map { [$0] } ?? []) + shipped.map(\.element)
        let file = Self.endings.contains { name.hasSuffix("." + $0) } ? name : "\(name).\(Self.endings[0])"
        return GenerationError(
            subject, expected: "a file \(file) in \(places.joined(separator: ", "))",
            found: places.isEmpty ? "no folder to look in (--lora-model-dir)" : "none")
    }

    private static func candidates(_ path: String) -> [String] { [path] + endings.map { "\(path).\($0)" } }

    /// Whether a regular file stands there, behind links: a device never ends, and a pipe waits for its writer.
    private static func isFile(_ path: String) -> Bool { fileType(of: path) == .typeRegular }
}
