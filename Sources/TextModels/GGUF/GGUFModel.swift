internal import Layers
public import TensorCore
public import Weights

/// A language model in a GGUF file: its configuration, and its tensors under the checkpoint's own keys.
///
/// GGUF has names and layouts of its own. They are translated here, at the file's edge, so that layers, sites and errors
/// speak of the same paths as for a folder of transformers. Quantised tensors stay quantised: rows that the format keeps
/// in another order are moved as bytes.
public struct GGUFModel: Sendable {
    public let configuration: any LanguageModelConfiguration
    public let source: DictionarySource
    /// Tensors that no key stands for.
    public let unused: [String]

    /// - Parameter floatingPoint: the type that all numbers are converted to, which gradients by weights need; nil keeps
    ///   them as they are stored, and mapped, but for bfloat16, which is widened to float32.
    /// - Throws: `GGUFError` for an architecture that is not built here and for metadata that is missing.
    public init(_ file: GGUFFile, floatingPoint: DType? = nil) throws {
        let header = file.header
        let name = try header.require("general.architecture", header.string("general.architecture"))
        guard let grammar = GGUFGrammar.all.first(where: { $0.architectures.contains(name) }) else {
            let known = GGUFGrammar.all.flatMap(\.architectures).joined(separator: ", ")
            throw GGUFError(
                .metadata, path: file.path, place: "metadata \"general.architecture\"", expected: "one of \(known)",
                found: "\"\(name)\"")
        }
        let metadata = GGUFMetadata(file: file, architecture: name)
        configuration = try grammar.configuration(metadata)
        do {
            try configuration.validate()
        } catch var error as ConfigurationError {
            error.path = file.path
            throw error
        }
        var tensors: [String: Tensor] = [:]
        var unused: [String] = []
        for entry in header.entries {
            guard let key = grammar.key(of: entry.name), let tensor = file.tensor(entry.name) else {
                if !grammar.ignored.contains(entry.name) { unused.append(entry.name) }
                continue
            }
            // Integers are no weights; building the model refuses them by name.
            guard tensor.dtype.isFloatingPoint else {
                tensors[key] = tensor
                continue
            }
            let stored = try grammar.translated(tensor, key, configuration, path: file.path)
            tensors[key] = floatingPoint == nil ? stored.widenedFromBFloat16 : stored.loaded(as: floatingPoint)
        }
        source = DictionarySource(tensors, name: file.path)
        self.unused = unused
    }

    /// Builds the model, strictly.
    public func model(sites: SiteIndex = SiteIndex()) throws -> (model: any LanguageModel, report: LoadReport) {
        try ScopedWeights.load(source, root: "", sites: sites) { try configuration.model($0) }
    }
}

/// The metadata of a model, whose keys begin with its architecture.
struct GGUFMetadata {
    let file: GGUFFile
    let architecture: String
    var header: GGUFHeader { file.header }

    func integer(_ key: String, or standard: Int? = nil) throws -> Int {
        try header.require("\(architecture).\(key)", header.integer("\(architecture).\(key)") ?? standard)
    }

    func number(_ key: String, or standard: Double? = nil) throws -> Double {
        try header.require("\(architecture).\(key)", header.number("\(architecture).\(key)") ?? standard)
    }

    func optionalNumber(_ key: String) throws -> Double? { try header.number("\(architecture).\(key)") }
    func optionalInteger(_ key: String) throws -> Int? { try header.integer("\(architecture).\(key)") }
    func boolean(_ key: String, or standard: Bool) throws -> Bool {
        try header.boolean("\(architecture).\(key)") ?? standard
    }
    func string(_ key: String) throws -> String? { try header.string("\(architecture).\(key)") }

    /// Rows of the table of tokens.
    func vocabularySize() throws -> Int {
        guard let entry = header["token_embd.weight"], let rows = entry.shape.first else {
            throw GGUFError(
                .metadata, path: header.path, expected: "a tensor \"token_embd.weight\"", found: "none of that name")
        }
        return rows
    }

    var isTied: Bool { header["output.weight"] == nil }
    func beginToken() throws -> Int? { try header.integer("tokenizer.ggml.bos_token_id") }
    func endTokens() throws -> [Int] {
        var ids: [Int] = []
        for key in ["eos_token_id", "eot_token_id"] {
            if let id = try header.integer("tokenizer.ggml.\(key)"), !ids.contains(id) { ids.append(id) }
        }
        return ids
    }

    /// What Llama 3 divides its frequencies by.
    func frequencyDivisors() throws -> [Float]? {
        guard let tensor = file.tensor("rope_freqs.weight") else { return nil }
        guard tensor.dtype.isFloatingPoint else {
            throw GGUFError(
                .type, path: header.path, place: "tensor \"rope_freqs.weight\"", expected: "a floating-point type",
                found: "\(tensor.dtype)")
        }
        return tensor.floats
    }

    /// Rotary parameters, as far as metadata has them.
    func rotary(theta: Double) throws -> RotaryParameters {
        var rotary = RotaryParameters(theta: try number("rope.freq_base", or: theta))
        let kind = try string("rope.scaling.type")
        if kind == "linear", let factor = try optionalNumber("rope.scaling.factor") {
            rotary.kind = .linear
            rotary.factor = factor
        } else if let kind, kind != "none", kind != "linear" {
            throw GGUFError(
                .metadata, path: header.path, place: "metadata \"\(architecture).rope.scaling.type\"",
                expected: "none or linear", found: "\"\(kind)\"")
        }
        return rotary
    }
}
