import Foundation
import TestSupport
import Testing
import Tokenizers

@Suite struct TokenizerFilesTests {
    /// The error of reading a folder that holds a good tokenizer with some files replaced (`nil`: removed).
    private func error(_ base: String = "tiny-clip", replacing files: [String: String?]) throws -> TokenizerError? {
        try inTemporaryFolder { folder in
            for name in try FileManager.default.contentsOfDirectory(atPath: goldenFolder(base).path)
            where name.hasSuffix(".json") || name.hasSuffix(".txt") {
                try FileManager.default.copyItem(
                    at: goldenFolder(base).appending(path: name), to: folder.appending(path: name))
            }
            #expect(throws: Never.self) { try CLIPTokenizer(folder: folder) }
            for (name, text) in files {
                if let text {
                    try write(text, to: folder, name)
                } else {
                    try FileManager.default.removeItem(at: folder.appending(path: name))
                }
            }
            return #expect(throws: TokenizerError.self) { try CLIPTokenizer(folder: folder) }
        }
    }

    private func vocabulary() throws -> String {
        try String(contentsOf: goldenFolder("tiny-clip").appending(path: "vocab.json"), encoding: .utf8)
    }

    @Test func missingFilesAreNamed() throws {
        #expect(try error(replacing: ["vocab.json": nil])?.description.contains("vocab.json with merges.txt") == true)
        #expect(
            try error(replacing: ["merges.txt": nil])?.description.hasSuffix(
                "merges.txt: expected a readable file, found no such file") == true)
        #expect(throws: TokenizerError.self) { try CLIPTokenizer(folder: URL(filePath: "/nowhere/at/all")) }
    }

    @Test func damagedMergesAreNamedWithTheirLine() throws {
        let merges = try error(replacing: ["merges.txt": "#version: 0.2\ni n\nabc\n"])
        #expect(
            merges?.description.contains(
                "merges.txt: expected two tokens and a space between them on line 3, found \"abc\"") == true)
        let empty = try error(replacing: ["merges.txt": "#version: 0.2\n"])
        #expect(empty?.path.hasSuffix("merges.txt") == true && empty?.expected.hasPrefix("merges for") == true)
        #expect(empty?.found == "none")
        let unknown = try error(replacing: ["merges.txt": "#version: 0.2\ni qqq\n"])
        #expect(unknown?.description.contains("\"i qqq\" where \"qqq\" is not listed") == true)
    }

    @Test(arguments: ["", "[]", "{\"a\": \"b\"}", "{\"a\": 1.5}", "{}", "{\"a\": -1}", "{\"a\": 99999999999}", "\u{0}"])
    func damagedVocabulariesAreNamed(text: String) throws {
        #expect(try error(replacing: ["vocab.json": text])?.path.hasSuffix("vocab.json") == true)
    }

    @Test func idsAndSpecialsAreChecked() throws {
        let doubled = try vocabulary().replacing("\"iso</w>\": 931", with: "\"iso</w>\": 930")
        #expect(try error(replacing: ["vocab.json": doubled])?.found == "\"isn</w>\" and \"iso</w>\" with id 930")
        let renamed = try vocabulary().replacing("<|endoftext|>", with: "<|end|>")
        #expect(try error(replacing: ["vocab.json": renamed])?.expected == "the end token \"<|endoftext|>\"")
        let config = "{\"pad_token\": \"[PAD]\"}"
        let padded = try error(replacing: ["special_tokens_map.json": nil, "tokenizer_config.json": config])
        #expect(padded?.expected == "the padding token \"[PAD]\"")
    }

    @Test func configurationsAreChecked() throws {
        let map = "{\"bos_token\": {\"content\": \"<|startoftext|>\", \"lstrip\": true}}"
        #expect(try error(replacing: ["special_tokens_map.json": map])?.found.contains("<|startoftext|>") == true)
        let text = try error(replacing: ["tokenizer_config.json": "{\"model_max_length\": \"x\"}"])
        #expect(text?.description.contains("tokenizer_config.json: expected Double at model_max_length") == true)
    }

    @Test func otherTokenizersAreRefused() throws {
        let path = goldenFolder("tiny-tokenizer-json").appending(path: "tokenizer.json")
        let good = try String(contentsOf: path, encoding: .utf8)
        let changes = [
            ("\"type\": \"BPE\"", "\"type\": \"Unigram\""), ("\"</w>\"", "\"\""),
            ("\"type\": \"Lowercase\"", "\"type\": \"NFKC\""), ("\"Regex\": \"<", "\"Regex\": \"x<"),
            ("\"type\": \"Split\"", "\"type\": \"Whitespace\""), ("\"id\": 932", "\"id\": 5"), ("\"i n\"", "\"in\""),
        ]
        for (old, new) in changes {
            let changed = good.replacing(old, with: new, maxReplacements: 1)
            #expect(changed != good)
            #expect(
                try error("tiny-tokenizer-json", replacing: ["tokenizer.json": changed])?.path.hasSuffix(
                    "tokenizer.json") == true)
        }
    }

    @Test func truncatedFilesNeverCrash() throws {
        let good = try Data(contentsOf: goldenFolder("tiny-tokenizer-json").appending(path: "tokenizer.json"))
        try inTemporaryFolder { folder in
            for count in stride(from: 0, to: good.count - 1, by: 997) {
                try good.prefix(count).write(to: folder.appending(path: "tokenizer.json"))
                #expect(throws: TokenizerError.self) { try CLIPTokenizer(folder: folder) }
            }
        }
    }

    @Test func endlessLengthsMeanTheStandardOne() throws {
        try inTemporaryFolder { folder in
            for name in ["vocab.json", "merges.txt"] {
                try FileManager.default.copyItem(
                    at: goldenFolder("tiny-clip").appending(path: name), to: folder.appending(path: name))
            }
            #expect(try CLIPTokenizer(folder: folder).modelMaxLength == 77, "no configuration at all")
            try write("{\"model_max_length\": 1000000000000000019884624838656}", to: folder, "tokenizer_config.json")
            #expect(try CLIPTokenizer(folder: folder).modelMaxLength == 77)
            try write("{\"model_max_length\": 248}", to: folder, "tokenizer_config.json")
            #expect(try CLIPTokenizer(folder: folder).modelMaxLength == 248)
        }
    }

    @Test func unwritableFoldersAreNamed() throws {
        let tokenizer = try CLIPTokenizer(folder: goldenFolder("tiny-clip"))
        try inTemporaryFolder { folder in
            try write("x", to: folder, "file")
            let error = #expect(throws: TokenizerError.self) { try tokenizer.write(to: folder.appending(path: "file")) }
            #expect(error?.path.hasSuffix("/file") == true)
        }
    }
}
