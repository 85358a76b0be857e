internal import Foundation
internal import Layers
public import TensorCore
public import Tokenizers
public import Weights

/// A language model with its tokenizer, from a folder of transformers or a GGUF file.
public struct TextModel: Sendable {
    public let path: String
    public let configuration: any LanguageModelConfiguration
    public let model: any LanguageModel
    public let tokenizer: TextTokenizer
    /// How a conversation is written, where the files say it.
    public let chatTemplate: String?
    public let sites: SiteIndex
    public let report: LoadReport
    /// Tokens that end what is generated: those of `generation_config.json` where a folder has one, else the
    /// configuration's.
    public let endTokenIDs: [Int]

    /// - Parameters:
    ///   - path: a folder with `config.json`, `tokenizer.json` and weights, or a `.gguf` file.
    ///   - floatingPoint: the type that weights are converted to; nil keeps them as they are stored, quantised ones too,
    ///     but widens bfloat16 to float32, as activations would be rounded with it.
    /// - Throws: `ConfigurationError`, `WeightsError`, `SafetensorsError`, `GGUFError` or `TokenizerError`.
    public init(path: String, floatingPoint: DType? = nil) throws {
        self.path = path
        sites = SiteIndex()
        var isFolder: ObjCBool = false
        let exists = FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
        guard exists else {
            throw WeightsError(path, expected: "a folder of transformers or a GGUF file", found: "nothing there")
        }
        guard isFolder.boolValue else {
            let file = try GGUFFile(path: path)
            let gguf = try GGUFModel(file, floatingPoint: floatingPoint)
            configuration = gguf.configuration
            tokenizer = try TextTokenizer(GGUFTokenizerMetadata(file.header), path: path)
            chatTemplate = try file.header.string("tokenizer.chat_template")
            endTokenIDs = configuration.endTokenIDs
            (model, report) = try gguf.model(sites: sites)
            try checkTokens()
            return
        }
        let folder = URL(filePath: path, directoryHint: .isDirectory)
        let name = folder.appending(path: "config.json").path
        guard let json = FileManager.default.contents(atPath: name) else {
            throw WeightsError(path, expected: "config.json", found: "none that can be read")
        }
        let configuration = try LanguageModels.configuration(json, path: name)
        self.configuration = configuration
        tokenizer = try TextTokenizer(folder: folder)
        chatTemplate = Self.chatTemplate(in: folder)
        endTokenIDs = try Self.endTokens(in: folder) ?? configuration.endTokenIDs
        let stored = try WeightFiles(in: path, baseName: "model").source(floatingPoint: floatingPoint)
        let source: any WeightSource = floatingPoint == nil ? WidenedSource(stored) : stored
        (model, report) = try ScopedWeights.load(
            source, root: "", sites: sites,
            ignoring: [
                "*.attn.bias", "*.attn.masked_bias", "*.attention.bias", "*.masked_bias", "*.rotary_emb.inv_freq",
            ]
        ) { try configuration.model($0) }
        try checkTokens()
    }

    /// Every token that can come up has a row in the model's table.
    private func checkTokens() throws {
        let rows = model.vocabularySize
        guard tokenizer.vocabularySize <= rows else {
            throw TokenizerError(
                path: path, expected: "at most \(rows) tokens, as many as the model has",
                found: "\(tokenizer.vocabularySize)")
        }
        if let id = configuration.beginTokenID, !(0..<rows).contains(id) {
            throw ConfigurationError(
                path: path, key: "bos_token_id", expected: "a token below \(rows)", found: "\(id)")
        }
    }

    /// What `generation_config.json` says; nil where it says nothing.
    private static func endTokens(in folder: URL) throws -> [Int]? {
        struct Entry: Decodable {
            var tokens: TokenIDs?
            enum CodingKeys: String, CodingKey { case tokens = "eos_token_id" }
        }
        let path = folder.appending(path: "generation_config.json").path
        guard let json = FileManager.default.contents(atPath: path) else { return nil }
        do {
            return try JSONDecoder().decode(Entry.self, from: json).tokens?.ids
        } catch let error as DecodingError {
            throw ConfigurationError(path: path, error, in: json)
        }
    }

    /// `chat_template.jinja`, or the entry of `tokenizer_config.json`.
    private static func chatTemplate(in folder: URL) -> String? {
        if let text = try? String(contentsOf: folder.appending(path: "chat_template.jinja"), encoding: .utf8) {
            return text
        }
        guard let json = try? Data(contentsOf: folder.appending(path: "tokenizer_config.json")) else { return nil }
        return (try? JSONDecoder().decode(ChatTemplateEntry.self, from: json))?.template
    }

    /// The tokens of a prompt as the model wants it, with the token that begins a text.
    public func tokens(of prompt: String) -> [Int] {
        let ids = tokenizer.encode(prompt).map(\.id)
        guard ids.isEmpty else { return ids }
        let end = endTokenIDs.first { $0 < model.vocabularySize }
        return [configuration.beginTokenID ?? end ?? 0]
    }
}

/// One template, or several by name, of which `default` is the one for conversations.
private struct ChatTemplateEntry: Decodable {
    struct Named: Decodable {
        var name: String
        var template: String
    }

    var template: String?
    enum CodingKeys: String, CodingKey { case template = "chat_template" }

    init(from decoder: any Decoder) throws {
        let keys = try decoder.container(keyedBy: CodingKeys.self)
        if let named = try? keys.decodeIfPresent([Named].self, forKey: .template) {
            template = named.first { $0.name == "default" }?.template
        } else {
            template = try keys.decodeIfPresent(String.self, forKey: .template)
        }
    }
}

extension GGUFTokenizerMetadata {
    /// - Throws: `GGUFError` where the file has no tokenizer.
    init(_ header: GGUFHeader) throws {
        func key(_ name: String) -> String { "tokenizer.ggml.\(name)" }
        self.init(
            model: try header.require(key("model"), header.string(key("model"))),
            tokens: try header.require(key("tokens"), header.strings(key("tokens"))))
        pre = try header.string(key("pre"))
        merges = try header.strings(key("merges"))
        scores = try header.numbers(key("scores"))
        types = try header.integers(key("token_type"))
        beginToken = try header.integer(key("bos_token_id"))
        endToken = try header.integer(key("eos_token_id"))
        unknownToken = try header.integer(key("unknown_token_id"))
        addsBegin = try header.boolean(key("add_bos_token"))
        addsEnd = try header.boolean(key("add_eos_token"))
        addsSpace = try header.boolean(key("add_space_prefix"))
    }
}
