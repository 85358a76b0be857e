import Foundation
import Tokenizers

let golden = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "Fixtures/golden")

func write(_ text: String, to folder: URL, _ name: String) throws {
    try Data(text.utf8).write(to: folder.appending(path: name))
}

/// The prompts and ids that transformers gave.
struct GoldenCases: Decodable {
    struct Case: Decodable {
        var group: String
        var prompt: String
        var ids: [Int]
        var idsPadded: [Int]?

        enum CodingKeys: String, CodingKey {
            case group, prompt, ids
            case idsPadded = "ids_padded_with_exclamation"
        }
    }

    var length: Int
    var start: Int
    var end: Int
    var padding: [String: Int]
    var cases: [Case]

    static func read() throws -> GoldenCases {
        try JSONDecoder().decode(
            GoldenCases.self, from: Data(contentsOf: golden.appending(path: "tokenizer_cases.json")))
    }
}
