import Foundation
import Recipes

/// A stack of sliders and styles in a file (`*.stack.yaml`).
///
///     schema: 1
///     base: 3f2a...            # the model's hash or its beginning; optional
///     entries:
///       - {slider: age, scale: 1.5, start: 0.8}
///       - {slider: ../faces/smile.safetensors, scale: -1, region: {box: [0, 0, 1, 0.5], feather: 0.05}}
///
/// A slider is a path, from the stack's own folder, or a name, which is looked up in folders.
public struct StackFile: Codable, Sendable, Hashable {
    public struct Entry: Codable, Sendable, Hashable {
        public var slider: String
        /// The SHA-256 that the file must have, or its beginning.
        public var hash: String?
        public var scale: Double
        public var start: Double?
        public var axis: String?
        public var from: Double?
        public var to: Double?
        public var curve: [[Double]]?
        public var gains: [StackGain]?
        public var region: Region?
        public var branch: StackBranch?

        public init(slider: String, scale: Double, start: Double? = nil) {
            self.slider = slider
            self.scale = scale
            self.start = start
        }
    }

    /// A region with its mask by path.
    public struct Region: Codable, Sendable, Hashable {
        public var box: [Double]?
        public var mask: String?
        public var feather: Double?
        public var lock: Bool?
    }

    public var schema: Int
    public var name: String?
    public var base: String?
    public var entries: [Entry]

    public init(entries: [Entry], name: String? = nil, base: String? = nil) {
        schema = 1
        self.name = name
        self.base = base
        self.entries = entries
    }

    /// - Throws: `RecipeError` for what is no stack; `GenerationError` for another schema.
    public init(path: String) throws {
        self = try decodeRecipe(StackFile.self, at: path)
        guard schema == 1 else {
            throw GenerationError("\(path): schema", expected: "1", found: "\(schema)")
        }
    }

    /// The adapters that the stack means.
    ///
    /// - Parameters:
    ///   - path: of the stack, for its folder and for messages.
    ///   - folders: to look names up in, first ones first; the stack's own folder comes after the first.
    ///   - modelHash: of the model that they are for.
    /// - Throws: `GenerationError` for a file that is not there or has another hash, a base that is another model, and
    ///   numbers out of range: all before any compute.
    public func uses(path: String, folders: StackFolders, modelHash: String) throws -> [AdapterUse] {
        if let base, !modelHash.hasPrefix(base) {
            throw GenerationError(
                "\(path): base", expected: "the model \(base.prefix(12))", found: String(modelHash.prefix(12)))
        }
        let folder = URL(filePath: path).deletingLastPathComponent().path
        return try entries.map { entry in
            let file = try folders.file(of: entry.slider, beside: folder)
            var use = try AdapterUse(path: file, weight: entry.scale)
            if let hash = entry.hash, !use.file.hash.hasPrefix(hash) {
                throw GenerationError(
                    "\(path): \(entry.slider)", expected: "a file with the hash \(hash.prefix(12))",
                    found: String(use.file.hash.prefix(12)))
            }
            let schedule = StackSchedule(
                start: entry.start, axis: entry.axis, from: entry.from, to: entry.to, curve: entry.curve)
            use.schedule = schedule == StackSchedule() ? nil : schedule
            use.gains = entry.gains
            use.branch = entry.branch
            use.region = try entry.region.map { region in
                StackRegion(
                    box: region.box,
                    mask: try region.mask.map { mask in
                        try PictureRecipe.InputFile(path: mask.hasPrefix("/") ? mask : folder + "/" + mask)
                    }, feather: region.feather, lock: region.lock)
            }
            return use
        }
    }
}

/// Where names of sliders are looked up.
public struct StackFolders: Sendable {
    /// What the user named first.
    public var own: [String]
    /// What ships with the program.
    public var shipped: String?

    public init(own: [String], shipped: String? = nil) {
        self.own = own
        self.shipped = shipped
    }

    /// The file of a path or name: a file as it is, then one in the user's folders, in `folder`, and in the shipped one.
    public func file(of name: String, beside folder: String? = nil) throws -> String {
        var isFolder: ObjCBool = false
        let candidates = [name] + (folder.map { [$0 + "/" + name] } ?? [])
        for candidate in candidates where name.contains("/") || name.contains(".") {
            if FileManager.default.fileExists(atPath: candidate, isDirectory: &isFolder), !isFolder.boolValue {
                return candidate
            }
        }
        // Shipped sliders have a folder each, with their recipe and card.
        let shipped = shipped.map { [$0, $0 + "/" + name] } ?? []
        return try LoRATags.file(of: name, in: own + (folder.map { [$0] } ?? []) + shipped)
    }
}
