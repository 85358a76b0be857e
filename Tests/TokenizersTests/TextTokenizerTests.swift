import Foundation
import TestSupport
import Testing
import Tokenizers

/// Tokenizers of language models beside the library that wrote them.
@Suite struct TextTokenizerTests {
    static let names = [
        "gpt2", "gpt2-prefix", "neox", "llama3", "qwen2", "smollm2", "llama2", "llama2-metaspace", "gemma",
    ]

    /// One string's ids, character ranges as pairs of numbers, and the text of the ids.
    struct Row: Decodable {
        var ids: [Int]
        var ranges: [Int]
        var text: String

        init(from decoder: any Decoder) throws {
            var values = try decoder.unkeyedContainer()
            ids = try values.decode([Int].self)
            ranges = try values.decode([Int].self)
            text = try values.decode(String.self)
        }
    }

    struct Cases: Decodable {
        var strings: [String]
        var cases: [String: [Row]]
    }

    static func tokenizer(_ name: String) throws -> TextTokenizer {
        let path = "tiny-tokenizers/\(name).json"
        return try TextTokenizer(json: Fixtures.data(path), path: path)
    }

    @Test(arguments: names) func beside(_ name: String) throws {
        let cases = try JSONDecoder().decode(Cases.self, from: Fixtures.data("tiny-tokenizers/cases.json"))
        let rows = try #require(cases.cases[name])
        #expect(rows.count == cases.strings.count && rows.count >= 300)
        let tokenizer = try Self.tokenizer(name)
        var differences: [String] = []
        for (text, row) in zip(cases.strings, rows) {
            let tokens = tokenizer.encode(text)
            let ranges = tokens.flatMap { [$0.range.lowerBound, $0.range.upperBound] }
            if tokens.map(\.id) != row.ids {
                differences.append("\(text.debugDescription): ids \(tokens.map(\.id)), expected \(row.ids)")
            } else if ranges != row.ranges {
                differences.append("\(text.debugDescription): ranges \(ranges), expected \(row.ranges)")
            }
            // Compared by scalars: equality of strings takes é and e + accent for one.
            let decoded = tokenizer.decode(row.ids)
            if Array(decoded.unicodeScalars) != Array(row.text.unicodeScalars) {
                differences.append(
                    "\(row.ids): decoded \(decoded.debugDescription), expected \(row.text.debugDescription)")
            }
        }
        #expect(differences.isEmpty, "\(differences.count): \(differences.prefix(5).joined(separator: "\n"))")
    }

    /// Text comes out piece by piece as it would whole.
    @Test(arguments: names) func streaming(_ name: String) throws {
        let tokenizer = try Self.tokenizer(name)
        let text =
            "Größe 東京タワー 👍🏽 and  then some more words, 12345; naïve café "
            + String(repeating: "to be or not ", count: 30)
        var stream = StreamingText(tokenizer)
        let ids = tokenizer.encode(text, addsSpecials: false).map(\.id)
        var pieces = ids.map { stream.append($0) }
        pieces.append(stream.finish())
        #expect(pieces.joined() == tokenizer.decode(ids, skipsSpecials: true))
        #expect(pieces.count { !$0.isEmpty } > 10)
    }

    @Test(
        arguments: [
            (#""merges": []"#, "merges for a vocabulary"),
            (#""merges": ["a b"]"#, "not listed"),
            (#""merges": [["x", "y", "z"]]"#, "two tokens that are merged at model.merges.[0]"),
            (#""type": "BPE""#, "expected the key \"merges\" in model, found no such key"),
            (#""merges": null"#, "at model.merges, found null"),
            (#""merges": 7"#, "at model.merges, found another type"),
            (#""type": "WordPiece""#, "expected a BPE model, found WordPiece"),
            (#""type": "Unigram", "merges": []"#, "a BPE model"),
        ])
    func refusals(_ model: String, _ words: String) {
        let vocabulary = (0..<600).map { "\"token\($0)\": \($0)" }.joined(separator: ", ")
        let json = #"{"model": {"vocab": {"# + vocabulary + "}, \(model)}}"
        #expect {
            _ = try TextTokenizer(json: Data(json.utf8), path: "tokenizer.json")
        } throws: {
            "\($0)".contains(words) && "\($0)".hasPrefix("tokenizer.json: ")
        }
    }

    /// The tables of a GGUF file give what the `tokenizer.json` gives from which they were made.
    @Test(arguments: [
        ("smollm2", "smollm"), ("gpt2", "gpt-2"), ("gpt2", "mpt"), ("llama3", "llama-bpe"), ("qwen2", "qwen2"),
    ])
    func byteLevelInGGUF(_ name: String, _ pre: String) throws {
        struct File: Decodable {
            struct Model: Decodable {
                var vocab: [String: Int]
                var merges: [[String]]
            }
            struct Added: Decodable { var id: Int }
            var model: Model
            // swift-format-ignore: AlwaysUseLowerCamelCase
            var added_tokens: [Added]
        }
        let file = try JSONDecoder().decode(File.self, from: Fixtures.data("tiny-tokenizers/\(name).json"))
        let tokens = file.model.vocab.sorted { $0.value < $1.value }.map(\.key)
        var metadata = GGUFTokenizerMetadata(model: "gpt2", tokens: tokens)
        metadata.pre = pre
        metadata.merges = file.model.merges.map { $0.joined(separator: " ") }
        let special = Set(file.added_tokens.map(\.id))
        metadata.types = tokens.indices.map { special.contains($0) ? 3 : 1 }
        // Texts of Llama 3 begin with a token though the file says nothing of it.
        if name == "llama3" { metadata.beginToken = 0 }
        let (ours, theirs) = (try TextTokenizer(metadata, path: "x.gguf"), try Self.tokenizer(name))
        // NFC is no part of a GGUF file: plain text only.
        for text in ["Hello world, it's 12345!", "<|endoftext|> x\n\n  y", "Größe 東京"] {
            #expect(ours.encode(text) == theirs.encode(text))
        }
        metadata.addsBegin = false
        #expect(try TextTokenizer(metadata, path: "x.gguf").encode("Hello").map(\.id).first != metadata.beginToken)
        metadata.pre = "unheard-of"
        #expect(throws: TokenizerError.self) { try TextTokenizer(metadata, path: "x.gguf") }
        metadata.pre = pre
        metadata.merges = nil
        #expect(throws: TokenizerError.self) { try TextTokenizer(metadata, path: "x.gguf") }
    }

    /// Texts that Unicode calls equivalent are tokens of their own: the kelvin sign and K, the ohm sign and omega, the
    /// Greek question mark and a semicolon, an accent apart and composed.
    static let equivalent = [
        "K", "\u{212A}", ";", "\u{37E}", "\u{3A9}", "\u{2126}", "e", "\u{301}", "e\u{301}", "\u{E9}",
    ]

    private func expectOwnTokens(_ tokenizer: TextTokenizer, first: Int) {
        for (index, text) in Self.equivalent.enumerated() {
            #expect(tokenizer.encode(text, addsSpecials: false).map(\.id) == [first + index], "\(text.unicodeScalars)")
            #expect(tokenizer.id(of: text) == first + index)
            #expect(Array(tokenizer.decode([first + index]).unicodeScalars) == Array(text.unicodeScalars))
        }
        let all = Self.equivalent.enumerated().filter { $0.element.unicodeScalars.first != "\u{301}" }
        let text = all.map(\.element).joined(separator: "xx")
        let found = tokenizer.encode(text, addsSpecials: false).map(\.id).filter { $0 >= first }
        #expect(found == all.map { first + $0.offset })
    }

    @Test func equivalentSpellings() throws {
        // Written with escapes, in full and by surrogates, which are read as well.
        let vocabulary = ["<unk>", "x", "\u{1D11E}"] + Self.equivalent
        func quoted(_ text: String) -> String {
            "\"" + text.utf16.map { String(format: "\\u%04x", $0) }.joined() + "\""
        }
        for quote in [quoted, { "\"\($0)\"" }] as [(String) -> String] {
            let entries = vocabulary.enumerated().map { "\(quote($0.element)): \($0.offset)" }.joined(separator: ", ")
            let merges = ["[\(quote("e")), \(quote("\u{301}"))]", "\"e \u{301}\""]
            for merge in merges {
                let json = """
                    {"a": [1, {"vocab": {"no": "}"}}], "model": {"note": "\\"}{", "unk_token": "<unk>", "type": "BPE",
                     "vocab": {\(entries)}, "merges": [\(merge)]}, "decoder": null}
                    """
                let tokenizer = try TextTokenizer(json: Data(json.utf8), path: "tokenizer.json")
                expectOwnTokens(tokenizer, first: 3)
                #expect(tokenizer.id(of: "\u{1D11E}") == 2)
            }
        }
    }

    @Test func equivalentSpellingsInGGUF() throws {
        var metadata = GGUFTokenizerMetadata(model: "llama", tokens: ["<unk>", "x"] + Self.equivalent)
        metadata.types = [2] + [Int](repeating: 1, count: metadata.tokens.count - 1)
        metadata.scores = (0..<metadata.tokens.count).map { -Float($0) }
        (metadata.addsBegin, metadata.addsSpace) = (false, false)
        expectOwnTokens(try TextTokenizer(metadata, path: "x.gguf"), first: 2)
    }

    /// Marks after the sign of a space, and added tokens of equivalent spellings.
    @Test func marksAndAddedTokens() throws {
        var metadata = GGUFTokenizerMetadata(
            model: "llama", tokens: ["<unk>", "▁", "▁\u{301}", "a\u{301}", "\u{E1}", "\u{301}", "a"])
        metadata.types = [2, 1, 1, 4, 4, 1, 1]
        metadata.scores = [0, -5, -1, 0, 0, -6, -7]
        (metadata.addsBegin, metadata.addsSpace) = (false, true)
        let tokenizer = try TextTokenizer(metadata, path: "x.gguf")
        #expect(tokenizer.encode("\u{E1}").map(\.id).last == 4)
        #expect(tokenizer.encode("a\u{301}").map(\.id).last == 3)
        #expect(Array(tokenizer.decode([1, 2]).unicodeScalars) == [" ", "\u{301}"])
        #expect(Array(tokenizer.decode([2]).unicodeScalars) == ["\u{301}"])
    }

    /// SentencePiece's scores: the best union first.
    @Test func scores() throws {
        let bytes = (0..<256).map { String(format: "<0x%02X>", $0) }
        let pieces = ["▁", "a", "b", "c", "ab", "bc", "▁a", "▁ab", "abc"]
        var metadata = GGUFTokenizerMetadata(model: "llama", tokens: ["<unk>", "<s>", "</s>"] + bytes + pieces)
        metadata.types = [2, 3, 3] + [Int](repeating: 6, count: 256) + [Int](repeating: 1, count: pieces.count)
        metadata.scores = [Float](repeating: 0, count: 259) + [-9, -10, -11, -12, -3, -2, -4, -5, -6]
        (metadata.beginToken, metadata.endToken) = (1, 2)
        let tokenizer = try TextTokenizer(metadata, path: "x.gguf")
        func spelled(_ text: String) -> [String] { tokenizer.encode(text).compactMap { tokenizer.token($0.id) } }
        #expect(spelled("abc") == ["<s>", "▁a", "bc"])
        #expect(spelled("ab") == ["<s>", "▁ab"])
        #expect(spelled("é") == ["<s>", "▁", "<0xC3>", "<0xA9>"])
        #expect(tokenizer.decode(tokenizer.encode("abc é").map(\.id), skipsSpecials: true) == "abc é")
    }
}
