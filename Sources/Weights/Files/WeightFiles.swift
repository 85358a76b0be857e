internal import Foundation

/// Weights that are missing, in a form that is not read here, or not the ones that a model asks for.
///
///     unet/: expected diffusion_pytorch_model.safetensors, found config.json, diffusion_pytorch_model.bin (...)
public struct WeightsError: Error, Equatable, Sendable, CustomStringConvertible {
    /// What is wrong: a folder, a file or a parameter's path.
    public let subject: String
    public let expected: String
    public let found: String

    public init(_ subject: String, expected: String, found: String) {
        self.subject = subject
        self.expected = expected
        self.found = found
    }

    public var description: String { "\(subject): expected \(expected), found \(found)" }
}

/// The files that hold the weights of one part of a model, found by the naming rules of the diffusers layout.
///
/// | file | holds |
/// |---|---|
/// | `X.safetensors` | everything |
/// | `X.fp16.safetensors` | everything, as the variant `fp16` |
/// | `X.safetensors.index.json` | which shard holds which tensor |
/// | `X.safetensors.index.fp16.json` | the same for the variant `fp16` |
///
/// where X is `diffusion_pytorch_model` or `model`. Files that are symbolic links are followed.
public struct WeightFiles: Sendable, Equatable {
    /// The safetensors files, in the order of their names.
    public let paths: [String]
    /// For sharded weights, the index that names them.
    public let index: ShardIndex?
    /// The variant that was taken, such as `fp16`.
    public let variant: String?

    /// One file, whatever its name.
    public init(file path: String) {
        paths = [path]
        index = nil
        variant = nil
    }

    /// Finds the weights of a model part.
    ///
    /// - Parameters:
    ///   - folder: the part's folder, such as `unet`.
    ///   - baseName: `diffusion_pytorch_model` or `model`.
    ///   - variant: the variant to take, which must exist then. With nil, the plain files are preferred, and a folder
    ///     that holds one variant only gives that one.
    /// - Throws: `WeightsError` when there is nothing to take, listing what the folder holds; `SafetensorsError` when
    ///   the index breaks its rules.
    public init(in folder: String, baseName: String, variant: String? = nil) throws {
        guard let contents = try? FileManager.default.contentsOfDirectory(atPath: folder).sorted() else {
            throw WeightsError(folder, expected: "a folder with weights", found: "none that can be read")
        }
        let exists = Set(contents)
        if let found = try Self.find(in: folder, exists, baseName, variant) {
            self = found
            return
        }
        if variant == nil {
            let variants = Self.variants(among: contents, baseName)
            if variants.count == 1, let found = try Self.find(in: folder, exists, baseName, variants[0]) {
                self = found
                return
            }
            if variants.count > 1 {
                throw WeightsError(
                    folder, expected: "\(baseName).safetensors or the choice of a variant",
                    found: "the variants \(variants.joined(separator: ", "))")
            }
        }
        let name = variant.map { "\(baseName).\($0).safetensors" } ?? "\(baseName).safetensors"
        throw WeightsError(folder, expected: "\(name) or its index", found: Self.describe(contents))
    }

    private init(in folder: String, index name: String, variant: String?) throws(SafetensorsError) {
        let index = try ShardIndex(path: join(folder, name))
        self.index = index
        self.variant = variant
        paths = index.shardNames.map { join(folder, $0) }
    }

    private static func find(
        in folder: String, _ exists: Set<String>, _ baseName: String, _ variant: String?
    ) throws(SafetensorsError) -> WeightFiles? {
        let middle = variant.map { ".\($0)" } ?? ""
        let single = "\(baseName)\(middle).safetensors"
        if exists.contains(single) {
            return WeightFiles(paths: [join(folder, single)], index: nil, variant: variant)
        }
        // The second spelling is an older one.
        for index in ["\(baseName).safetensors.index\(middle).json", "\(baseName)\(middle).safetensors.index.json"]
        where exists.contains(index) {
            return try WeightFiles(in: folder, index: index, variant: variant)
        }
        return nil
    }

    private init(paths: [String], index: ShardIndex?, variant: String?) {
        self.paths = paths
        self.index = index
        self.variant = variant
    }

    /// The variants of which the folder holds weights: `fp16` for `X.fp16.safetensors`.
    private static func variants(among contents: [String], _ baseName: String) -> [String] {
        var variants: Set<String> = []
        for name in contents {
            for (prefix, suffix) in [
                ("\(baseName).", ".safetensors"), ("\(baseName).safetensors.index.", ".json"),
                ("\(baseName).", ".safetensors.index.json"),
            ] where name.hasPrefix(prefix) && name.hasSuffix(suffix) && name.count > prefix.count + suffix.count {
                let middle = name.dropFirst(prefix.count).dropLast(suffix.count)
                let isShard = middle.contains("-of-")
                if !isShard, !middle.contains(".") { variants.insert(String(middle)) }
            }
        }
        return variants.sorted()
    }

    private static func describe(_ contents: [String]) -> String {
        guard !contents.isEmpty else { return "an empty folder" }
        let shown = contents.prefix(8).joined(separator: ", ") + (contents.count > 8 ? ", ..." : "")
        let hasPickle = contents.contains { name in
            [".bin", ".ckpt", ".pt", ".pth"].contains { name.hasSuffix($0) }
        }
        guard hasPickle else { return shown }
        return shown + " (pickled weights can run code and are not read here; save them as safetensors)"
    }
}

func join(_ folder: String, _ name: String) -> String {
    folder.hasSuffix("/") ? folder + name : "\(folder)/\(name)"
}
