public import Foundation
public import Layers
public import Weights

/// The shape of a language model, as its `config.json` states it.
public protocol LanguageModelConfiguration: ModelConfiguration {
    /// The values of `model_type` that name this family.
    static var modelTypes: [String] { get }

    /// The token that begins a text, where the model wants one.
    var beginTokenID: Int? { get }
    /// The tokens that end a text.
    var endTokenIDs: [Int] { get }

    func model(_ weights: ScopedWeights) throws -> any LanguageModel
}

/// The families of language models that are built here.
public enum LanguageModels {
    public static let families: [any LanguageModelConfiguration.Type] = [
        GPT2Configuration.self, GPTNeoXConfiguration.self, LlamaConfiguration.self, GemmaConfiguration.self,
        MambaConfiguration.self,
    ]

    /// Reads a `config.json` of any family.
    ///
    /// - Throws: `ConfigurationError` for a family that is not built here, and as `ModelConfiguration.decode`.
    public static func configuration(_ json: Data, path: String) throws -> any LanguageModelConfiguration {
        let type: String?
        do {
            type = try JSONDecoder().decode(ModelTypeEntry.self, from: json).modelType
        } catch let error as DecodingError {
            throw ConfigurationError(path: path, error, in: json)
        }
        guard let family = families.first(where: { $0.modelTypes.contains(type ?? "") }) else {
            let known = families.flatMap { $0.modelTypes }.joined(separator: ", ")
            throw ConfigurationError(
                path: path, key: "model_type", expected: "one of \(known)", found: type.map { "\"\($0)\"" } ?? "none")
        }
        return try family.decode(json, path: path)
    }
}

/// What every `config.json` says.
private struct ModelTypeEntry: Decodable {
    var modelType: String?
    enum CodingKeys: String, CodingKey { case modelType = "model_type" }
}

/// One token or several: configurations write `2` or `[2, 3]`.
struct TokenIDs: Codable, Sendable, Equatable {
    var ids: [Int]

    init(_ ids: [Int]) { self.ids = ids }

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let one = try? container.decode(Int.self) {
            ids = [one]
        } else {
            ids = try container.decode([Int].self)
        }
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        if ids.count == 1 { try container.encode(ids[0]) } else { try container.encode(ids) }
    }
}

extension LanguageModelConfiguration {
    /// Throws unless each size lies between 1 and what a real model could have.
    func checkSizes(_ sizes: [(key: String, value: Int)]) throws {
        for (key, value) in sizes {
            let most =
                key == "vocab_size"
                ? 1 << 22
                : key == "num_hidden_layers" || key == "n_layer"
                    ? 512
                    : key.contains("position") ? 1 << 24 : 1 << 18
            guard (1...most).contains(value) else {
                throw ConfigurationError(key: key, expected: "1 to \(most)", found: "\(value)")
            }
        }
    }

    /// Throws unless a norm's epsilon is a number that keeps the root real.
    func checkEpsilon(_ key: String, _ epsilon: Float) throws {
        guard epsilon >= 0, epsilon.isFinite else {
            throw ConfigurationError(key: key, expected: "0 or a small positive number", found: "\(epsilon)")
        }
    }

    /// Throws where a token that begins or ends a text is none.
    func checkTokens() throws {
        let tokens = [("bos_token_id", beginTokenID)] + endTokenIDs.map { ("eos_token_id", Optional($0)) }
        for (key, token) in tokens {
            guard let token, token < 0 else { continue }
            throw ConfigurationError(key: key, expected: "a token, 0 or more", found: "\(token)")
        }
    }

    func checkDivides(_ divisor: (key: String, value: Int), _ number: (key: String, value: Int)) throws {
        guard number.value % divisor.value == 0 else {
            throw ConfigurationError(
                key: divisor.key, expected: "a divisor of \(number.key) \(number.value)", found: "\(divisor.value)")
        }
    }
}
