public import Adapters
import Foundation
import Recipes

/// A stack of sliders and styles in a file (`*.stack.yaml`).
///
///     schema: 1
///     base: sdxl               # a family, or a model's hash or its beginning; optional
///     entries:
///       - {slider: age, scale: 1.5, start: 0.8}
///       - {slider: ../faces/smile.safetensors, scale: -1, region: {box: [0, 0, 1, 0.5], feather: 0.05}}
///       - {slider: bright, scale: 1, region: {word: hat}, combine: replace}
///     styles:
///       - {style: ink, strength: 3, start: 0.8}
///     directions:
///       - {positive: an old man, negative: a young man, scale: 1}
///
/// A slider or style is a path, from the stack's own folder, or a name, which is looked up in `StackFolders`.
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
        /// How it goes together with the others; nil adds it to them.
        public var combine: CombineRule?

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
        /// How it goes together with the other styles; nil adds it to them.
        public var combine: CombineRule?

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
    ///   - folders: to look names up in.
    ///   - model: that they are for.
    /// - Throws: `GenerationError` for a file that is not there or has another hash, and for a base that is another model:
    ///   all before any compute.
    public func uses(path: String, folders: StackFolders, model: ModelIdentity) throws -> [AdapterUse] {
        if let base { try model.check(base: base, "\(path): base") }
        let folder = URL(filePath: path).deletingLastPathComponent().path
        return try entries.enumerated().map { number, entry in
            let label = "\(path): entry \(number + 1) (\(entry.slider))"
            let file = try folders.file(of: entry.slider, beside: folder, for: label)
            var use = try AdapterUse(path: file, weight: entry.scale)
            use.named.text = label
            try use.check(hash: entry.hash, label)
            let schedule = StackSchedule(
                start: entry.start, axis: entry.axis, from: entry.from, to: entry.to, curve: entry.curve)
            use.schedule = schedule == StackSchedule() ? nil : schedule
            use.gains = entry.gains
            use.branch = entry.branch
            use.combine = entry.combine
            use.region = try entry.region.map { region in
                StackRegion(
                    box: region.box, mask: try region.mask.map { try Self.mask($0, beside: folder, label) },
                    word: region.word, threshold: region.threshold, feather: region.feather, lock: region.lock)
            }
            return use
        }
    }

    private static func mask(_ path: String, beside folder: String, _ label: String) throws -> PictureRecipe.InputFile {
        let path = path.hasPrefix("/") ? path : folder + "/" + path
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), !isFolder.boolValue else {
            throw GenerationError("\(label): region mask", expected: "a picture", found: "none at \(path)")
        }
        return try PictureRecipe.InputFile(path: path)
    }
}

extension StackFile {
    /// Adds the stack to what a picture is made with.
    ///
    /// - Throws: as `uses`.
    public func add(
        to composition: inout Composition, path: String, folders: StackFolders, model: ModelIdentity
    ) throws {
        composition.adapters += try uses(path: path, folders: folders, model: model)
        let folder = URL(filePath: path).deletingLastPathComponent().path
        try addGuidance(to: &composition, beside: folder, from: "\(path): ", folders)
    }

    /// Adds styles and directions that stand in no stack file, such as those of a job.
    ///
    /// - Parameter folder: where names and relative paths are looked for.
    /// - Throws: `GenerationError` for what is not there or cannot be.
    public func add(
        to composition: inout Composition, beside folder: String, folders: StackFolders
    ) throws {
        try addGuidance(to: &composition, beside: folder, from: "", folders)
    }

    /// - Parameter origin: begins each message.
    private func addGuidance(
        to composition: inout Composition, beside folder: String, from origin: String, _ folders: StackFolders
    ) throws {
        for (number, style) in (styles ?? []).enumerated() {
            let label = "\(origin)style \(number + 1) (\(style.style))"
            let file = try folders.file(of: style.style, beside: folder, for: label)
            var use = StyleUse(
                path: file, strength: style.strength, start: style.start, phrase: style.phrase,
                adapterScale: style.adapterScale ?? 1)
            use.combine = style.combine
            use.named = label
            try composition.add(use)
            try composition.adapters.last?.check(hash: style.hash, label)
        }
        for (number, direction) in (directions ?? []).enumerated() {
            do {
                try direction.validate()
            } catch let error as GenerationError {
                throw GenerationError(
                    "\(origin)direction \(number + 1): \(error.subject)", expected: error.expected, found: error.found)
            }
            composition.directions.append(direction)
        }
    }
}

extension AdapterUse {
    /// Refuses a file that has not the hash that a stack names.
    fileprivate func check(hash: String?, _ subject: String) throws {
        guard let hash else { return }
        guard hash.isHash else {
            throw GenerationError(
                "\(subject): hash", expected: "the beginning of a SHA-256 in hexadecimal digits",
                found: "'\(hash.prefix(70))'")
        }
        guard !file.hash.hasPrefix(hash.lowercased()) else { return }
        throw GenerationError(
            subject, expected: "a file with the hash \(hash.prefix(12))", found: String(file.hash.prefix(12)))
    }
}
