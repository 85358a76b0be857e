public import TensorCore

internal import Foundation

/// Weights that are missing, in a form that is not read here, or not the ones that a model asks for.
///
///     unet/: expected diffusion_pytorch_model.safetensors or its index, found config.json
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
///
/// Only where there are no safetensors at all, checkpoints of torch are taken by the same rules: `X.bin`,
/// `X.fp16.bin`, `X.bin.index.json`, with `pytorch_model` in the place of `model`.
public struct WeightFiles: Sendable, Equatable {
    /// How the files are written.
    public enum Format: String, Sendable, CaseIterable {
        case safetensors
        /// Read by `TorchCheckpoint`, which runs nothing.
        case torch = "bin"

        /// What X is called in the names of this format's files.
        func stem(_ baseName: String) -> String { self == .torch && baseName == "model" ? "pytorch_model" : baseName }
    }

    /// The files, in the order of their names.
    public let paths: [String]
    public let format: Format
    /// For sharded weights, the index that names them.
    public let index: ShardIndex?
    /// The variant that was taken, such as `fp16`.
    public let variant: String?

    /// One file, whatever its name: a checkpoint of torch where it ends in `.bin`, `.ckpt`, `.pt` or `.pth`.
    public init(file path: String) {
        let isTorch = [".bin", ".ckpt", ".pt", ".pth"].contains { path.hasSuffix($0) }
        self.init(paths: [path], format: isTorch ? .torch : .safetensors, index: nil, variant: nil)
    }

    /// One file of safetensors, whatever its name.
    init(safetensors path: String) {
        self.init(paths: [path], format: .safetensors, index: nil, variant: nil)
    }

    /// Finds the weights of a model part.
    ///
    /// - Parameters:
    ///   - folder: the part's folder, such as `unet`.
    ///   - baseName: `diffusion_pytorch_model` or `model`.
    ///   - variant: the variant to take, which must exist then. With nil, the plain files are preferred, and a folder
    ///     that holds one variant only gives that one.
    /// - Throws: `WeightsError` when there is nothing to take, listing what the folder holds; `SafetensorsError` when
    ///   an index breaks its rules.
    public init(in folder: String, baseName: String, variant: String? = nil) throws {
        guard let contents = try? FileManager.default.contentsOfDirectory(atPath: folder).sorted() else {
            throw WeightsError(folder, expected: "a folder with weights", found: "none that can be read")
        }
        let exists = Set(contents)
        for format in Format.allCases {
            let stem = format.stem(baseName)
            if let found = try Self.find(in: folder, exists, stem, variant, format) {
                self = found
                return
            }
            guard variant == nil else { continue }
            let variants = Self.variants(among: contents, stem, format)
            if variants.count == 1, let found = try Self.find(in: folder, exists, stem, variants[0], format) {
                self = found
                return
            }
            if variants.count > 1 {
                throw WeightsError(
                    folder, expected: "\(stem).\(format.rawValue) or the choice of a variant",
                    found: "the variants \(variants.joined(separator: ", "))")
            }
        }
        let name = variant.map { "\(baseName).\($0).safetensors" } ?? "\(baseName).safetensors"
        throw WeightsError(folder, expected: "\(name) or its index", found: Self.describe(contents))
    }

    private init(paths: [String], format: Format, index: ShardIndex?, variant: String?) {
        self.paths = paths
        self.format = format
        self.index = index
        self.variant = variant
    }

    /// Opens the files.
    ///
    /// - Parameter floatingPoint: the type that floating-point tensors are converted to when they are asked for;
    ///   nil keeps them as they are stored, and mapped.
    /// - Throws: `SafetensorsError` or `TorchCheckpointError` when a file breaks a rule of its format; `WeightsError`
    ///   when the shards do not hold what their index says.
    public func source(floatingPoint: DType? = nil) throws -> any WeightSource {
        switch format {
        case .safetensors: SafetensorsSource(try SafetensorsSet(self), floatingPoint: floatingPoint)
        case .torch: try TorchCheckpointSource(self, floatingPoint: floatingPoint)
        }
    }

    private static func find(
        in folder: String, _ exists: Set<String>, _ stem: String, _ variant: String?, _ format: Format
    ) throws(SafetensorsError) -> WeightFiles? {
        let middle = variant.map { ".\($0)" } ?? ""
        let single = "\(stem)\(middle).\(format.rawValue)"
        if exists.contains(single) {
            return WeightFiles(paths: [join(folder, single)], format: format, index: nil, variant: variant)
        }
        // The second spelling is an older one.
        let names = [
            "\(stem).\(format.rawValue).index\(middle).json", "\(stem)\(middle).\(format.rawValue).index.json",
        ]
        for name in names where exists.contains(name) {
            let index = try ShardIndex(path: join(folder, name), format: format)
            let paths = index.shardNames.map { join(folder, $0) }
            return WeightFiles(paths: paths, format: format, index: index, variant: variant)
        }
        return nil
    }

    /// The variants of which the folder holds weights: `fp16` for `X.fp16.safetensors`.
    private static func variants(among contents: [String], _ stem: String, _ format: Format) -> [String] {
        var variants: Set<String> = []
        let ending = format.rawValue
        for name in contents {
            for (prefix, suffix) in [
                ("\(stem).", ".\(ending)"), ("\(stem).\(ending).index.", ".json"),
                ("\(stem).", ".\(ending).index.json"),
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
        return contents.prefix(8).joined(separator: ", ") + (contents.count > 8 ? ", ..." : "")
    }
}

func join(_ folder: String, _ name: String) -> String {
    folder.hasSuffix("/") ? folder + name : "\(folder)/\(name)"
}
