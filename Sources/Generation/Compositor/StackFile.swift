import Foundation
import Recipes

/// A stack of sliders and styles in a file (`*.stack.yaml`).
///
///     schema: 1
///     base: 3f2a...            # the model's hash or its beginning; optional
///     entries:
///       - {slider: age, scale: 1.5, start: 0.8}
///       - {slider: ../faces/smile.safetensors, scale: -1, region: {box: [0, 0, 1, 0.5], feather: 0.05}}
///       - {slider: bright, scale: 1, region: {word: hat}}
///     styles:
///       - {style: ink, strength: 3, start: 0.8}
///     directions:
///       - {positive: an old man, negative: a young man, scale: 1}
///
/// A slider or style is a path, from the stack's own folder, or a name, which is looked up in folders.
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

    /// A style with a branch of guidance of its own; what is not said is the file's own.
    public struct Style: Codable, Sendable, Hashable {
        public var style: String
        /// The SHA-256 that the file must have, or its beginning.
        public var hash: String?
        public var strength: Double?
        public var start: Double?
        /// What follows the prompt in its branch.
        public var phrase: String?
        /// The weight of the adapter in its branch; 1 when nil.
        public var adapterScale: Double?

        public init(style: String, strength: Double? = nil, start: Double? = nil, phrase: String? = nil) {
            self.style = style
            self.strength = strength
            self.start = start
            self.phrase = phrase
        }
    }

    /// A region with its mask by path.
    public struct Region: Codable, Sendable, Hashable {
        public var box: [Double]?
        public var mask: String?
        public var word: String?
        public var threshold: Double?
        public var feather: Double?
        public var lock: Bool?
    }

    public var schema: Int
    public var name: String?
    public var base: String?
    public var entries: [Entry]
    public var styles: [Style]?
    public var directions: [ConceptDirection]?

    /// Sliders may be left out where there are styles.
    public init(from decoder: any Decoder) throws {
        let keys = try decoder.container(keyedBy: CodingKeys.self)
        schema = try keys.decode(Int.self, forKey: .schema)
        name = try keys.decodeIfPresent(String.self, forKey: .name)
        base = try keys.decodeIfPresent(String.self, forKey: .base)
        styles = try keys.decodeIfPresent([Style].self, forKey: .styles)
        directions = try keys.decodeIfPresent([ConceptDirection].self, forKey: .directions)
        entries =
            styles == nil && directions == nil
            ? try keys.decode([Entry].self, forKey: .entries)
            : try keys.decodeIfPresent([Entry].self, forKey: .entries) ?? []
    }

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
            try use.check(hash: entry.hash, "\(path): \(entry.slider)")
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
                    }, word: region.word, threshold: region.threshold, feather: region.feather, lock: region.lock)
            }
            return use
        }
    }
}

extension StackFile {
    /// Adds the stack to what a picture is made with.
    ///
    /// - Throws: as `uses`.
    public func add(to composition: inout Composition, path: String, folders: StackFolders, modelHash: String) throws {
        composition.adapters += try uses(path: path, folders: folders, modelHash: modelHash)
        let folder = URL(filePath: path).deletingLastPathComponent().path
        for style in styles ?? [] {
            let file = try folders.file(of: style.style, beside: folder)
            try composition.add(
                StyleUse(
                    path: file, strength: style.strength, start: style.start, phrase: style.phrase,
                    adapterScale: style.adapterScale ?? 1))
            try composition.adapters.last?.check(hash: style.hash, "\(path): \(style.style)")
        }
        for direction in directions ?? [] {
            try direction.validate()
            composition.directions.append(direction)
        }
    }
}

extension AdapterUse {
    /// Refuses a file that has not the hash that a stack names.
    fileprivate func check(hash: String?, _ subject: String) throws {
        guard let hash, !file.hash.hasPrefix(hash) else { return }
        throw GenerationError(
            subject, expected: "a file with the hash \(hash.prefix(12))", found: String(file.hash.prefix(12)))
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
