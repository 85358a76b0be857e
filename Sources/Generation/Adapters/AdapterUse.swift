public import Adapters
import Foundation

/// An adapter file that a picture is made with, and how strongly.
public struct AdapterUse: Codable, Sendable, Hashable {
    public var file: PictureRecipe.InputFile
    public var weight: Double
    /// Whether keys that mean nothing to the model are left out instead of refused.
    public var allowsUnmatched: Bool?

    /// - Throws: when there is no such file.
    public init(path: String, weight: Double, allowsUnmatched: Bool = false) throws {
        file = try PictureRecipe.InputFile(path: path)
        self.weight = weight
        self.allowsUnmatched = allowsUnmatched ? true : nil
    }

    /// The file's name without its ending, as prompts call it.
    public var name: String { URL(filePath: file.path).deletingPathExtension().lastPathComponent }
}

extension StableDiffusion {
    /// The adapters of a recipe, ready for a pass; nil where there are none.
    ///
    /// - Throws: the errors of the files; `AdapterError` for what does not fit the model.
    public func adapters(_ uses: [AdapterUse]) throws -> AdapterStack? {
        guard !uses.isEmpty else { return nil }
        let entries = try uses.map { use in
            let adapter = try Adapter(
                path: use.file.path, modules: modules, allowsUnmatched: use.allowsUnmatched ?? false)
            // A calibrated slider's weights are in its own unit.
            return StackEntry(adapter, weight: use.weight * (adapter.sliderNote?.unit ?? 1))
        }
        return try AdapterStack(entries, sites: sites)
    }
}
