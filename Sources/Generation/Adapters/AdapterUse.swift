public import Adapters
import Foundation
import Layers

/// An adapter file that a picture is made with, and how strongly.
public struct AdapterUse: Codable, Sendable, Hashable {
    public var file: PictureRecipe.InputFile
    public var weight: Double
    /// Whether keys that mean nothing to the model are left out instead of refused.
    public var allowsUnmatched: Bool?
    /// When it acts; nil all the time.
    public var schedule: StackSchedule?
    public var gains: [StackGain]?
    /// Where it acts; nil everywhere.
    public var region: StackRegion?
    /// The rows of guidance that it acts in; nil all of them.
    public var branch: StackBranch?
    /// How it goes together with the others; nil adds it to them.
    public var combine: CombineRule?
    /// The style's branch that it acts in, and nowhere else; nil for adapters that are no style's.
    public var styleBranch: Int?
    /// Who asks for it, as messages say it: `a.stack.yaml: entry 2 (age)`. No part of a recipe.
    var named = Messenger()

    /// The rows in which it acts.
    var rows: RowWeights { styleBranch.map { .only([.style($0)]) } ?? (branch ?? .all).rows }

    /// - Parameter path: is kept as an absolute one, for pictures are made again from anywhere.
    /// - Throws: when there is no such file.
    public init(path: String, weight: Double, allowsUnmatched: Bool = false) throws {
        file = try PictureRecipe.InputFile(
            path: path.hasPrefix("/") ? path : URL(filePath: path).standardizedFileURL.path)
        self.weight = weight
        self.allowsUnmatched = allowsUnmatched ? true : nil
    }

    /// The file's name without its ending, as prompts call it.
    public var name: String { URL(filePath: file.path).deletingPathExtension().lastPathComponent }

    /// Whether a path, relative or not, is that of its file.
    func isFile(at path: String) -> Bool {
        func resolved(_ path: String) -> String { URL(filePath: path).resolvingSymlinksInPath().path }
        return resolved(path) == resolved(file.path)
    }

    /// As messages call it.
    var label: String { named.text ?? name }

    private enum CodingKeys: String, CodingKey {
        case file, weight, allowsUnmatched, schedule, gains, region, branch, combine, styleBranch
    }

    /// A text for messages alone: two of them never make a difference.
    struct Messenger: Sendable, Hashable {
        var text: String?

        static func == (a: Messenger, b: Messenger) -> Bool { true }
        func hash(into hasher: inout Hasher) {}
    }
}
