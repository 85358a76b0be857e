import Foundation
import TestSupport
import Testing

/// `atelier text` as a user meets it.
@Suite(.serialized) struct TextCommandTests {
    private func run(_ arguments: String...) throws -> CommandLineTests.Outcome {
        try CommandLineTests().run(["text"] + arguments)
    }

    /// Runs `body` with a folder of a tiny model and, when one is named, a tokenizer.
    private func inFolder(_ name: String, tokenizer: String?, _ body: (URL) throws -> Void) throws {
        try inTemporaryFolder { place in
            let folder = place.appending(path: name)
            try FileManager.default.copyItem(atPath: Fixtures.path("tiny-lm/\(name)"), toPath: folder.path)
            if let tokenizer {
                try FileManager.default.copyItem(
                    atPath: Fixtures.path("tiny-tokenizers/\(tokenizer).json"),
                    toPath: folder.appending(path: "tokenizer.json").path)
            }
            try body(folder)
        }
    }

    @Test func `wrong options and missing files are one sentence`() throws {
        for (arguments, code, words) in [
            (["generate", "-m", "/nowhere/at/all", "-p", "x"], 1, "a GGUF file, found nothing there"),
            (["generate", "-m", Fixtures.path("tiny-lm/llama"), "-p", "x"], 1, "tokenizer.json"),
            (["generate", "-m", Fixtures.path("gguf/blocks.gguf"), "-p", "x"], 1, "general.architecture"),
            (["generate", "-m", Fixtures.path("tokenizer_cases.json"), "-p", "x"], 1, "the letters GGUF"),
            (["generate", "-m", "x", "-p", "x", "--top-p", "2"], 2, "--top-p: expected above 0 up to 1, found 2"),
            (["generate", "-m", "x", "-p", "x", "--temperature", "-1"], 2, "--temperature"),
            (["generate", "-m", "/nowhere/at/all", "-p", "- item"], 1, "a GGUF file, found nothing there"),
            (["generate", "-m", "/nowhere/at/all", "-p", "-5 degrees"], 1, "a GGUF file, found nothing there"),
            (["chat", "-m", "/nowhere/at/all", "-p", "--x", "--system", "-y"], 1, "a GGUF file, found nothing there"),
            (["perplexity", "-m", "x", "/nowhere/at/all"], 2, "a text file"),
            (["generate", "-p", "x"], 2, "--model"),
        ] {
            let outcome = try CommandLineTests().run(["text"] + arguments)
            #expect(Int(outcome.code) == code, "\(arguments): \(outcome.errors)")
            #expect(outcome.errors.contains(words), "\(arguments): \(outcome.errors)")
            #expect(outcome.errors.count { $0 == "\n" } == 1 && outcome.output.isEmpty)
        }
    }

    @Test func `a tokenizer with more tokens than the model has rows is refused`() throws {
        try inFolder("llama", tokenizer: "gpt2") { folder in
            let outcome = try run("generate", "-m", folder.path, "-p", "x")
            #expect(outcome.code == 1 && outcome.errors.contains("at most 97 tokens"), "\(outcome.errors)")
        }
    }

    @Test func `a chat template that writes nothing is refused`() throws {
        try inFolder("llama", tokenizer: nil) { folder in
            for (name, text) in [
                ("tokenizer.json", #"{"model": {"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": []}}"#),
                ("chat_template.jinja", "{{ '' }}"),
            ] {
                try Data(text.utf8).write(to: folder.appending(path: name))
            }
            let outcome = try run("chat", "-m", folder.path, "-p", "x")
            #expect(
                outcome.code == 1 && outcome.errors.contains("a chat template that writes tokens"), "\(outcome.errors)")
        }
    }
}
