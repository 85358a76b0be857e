import Foundation
import TestSupport
import Testing

/// `atelier trace` as a user meets it.
@Suite(.serialized) struct TraceCommandTests {
    /// A folder with a tiny model and a tokenizer that fits it.
    private func folder() throws -> URL {
        let folder = FileManager.default.temporaryDirectory.appending(path: "atelier-trace-\(UUID().uuidString)")
        try FileManager.default.copyItem(atPath: Fixtures.path("tiny-lm/llama"), toPath: folder.path)
        var letters = Dictionary(uniqueKeysWithValues: "abcdefghijklmnopqrstuvwxyzĠ".enumerated().map { ("\($1)", $0) })
        for word in ["Ġf", "Ġg"] { letters[word] = letters.count }
        let tokenizer: [String: Any] = [
            "version": "1.0", "added_tokens": [],
            "pre_tokenizer": ["type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true],
            "decoder": ["type": "ByteLevel"],
            "model": ["type": "BPE", "vocab": letters, "merges": ["Ġ f", "Ġ g"]],
        ]
        try JSONSerialization.data(withJSONObject: tokenizer).write(to: folder.appending(path: "tokenizer.json"))
        return folder
    }

    @Test func `instruments print JSON and draw pictures`() throws {
        let folder = try folder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let picture = folder.appending(path: "picture.png").path
        let pair = ["-p", "abcd", "--corrupted", "abed", "--answer", "f", "--other-answer", "g"]
        for arguments in [
            ["logit-lens", "-p", "abcd"], ["attention", "-p", "abcd"], ["patch"] + pair,
            ["patch", "--site", "heads"] + pair,
            ["attribution"] + pair, ["causal", "-p", "abcd", "--subject", "b", "--kind", "all"],
            ["causal", "-p", "abcd", "--subject", "b", "--swap", "e"], ["knockout", "-p", "abcd", "--subject", "b"],
        ] {
            let outcome = try CommandLineTests().run(
                ["trace", arguments[0], "-m", folder.path] + arguments.dropFirst() + ["-o", picture, "--json"])
            #expect(outcome.code == 0, "\(arguments): \(outcome.errors)")
            #expect((try? JSONSerialization.jsonObject(with: Data(outcome.output.utf8))) != nil, "\(arguments)")
            #expect(FileManager.default.fileExists(atPath: picture), "\(arguments)")
            try? FileManager.default.removeItem(atPath: picture)
        }
        let graph = folder.appending(path: "graph.json")
        try Data(
            #"{"version":1,"steps":1,"prompts":[{"text":"abc"}],"nodes":[{"operation":"get","site":"embed","prompt":0}],"saves":{"x":0}}"#
                .utf8
        ).write(to: graph)
        let dry = try CommandLineTests().run(["trace", "run", "-m", folder.path, graph.path, "--dry-run"])
        #expect(dry.output.contains("\"shapes\":{\"x\":[3,"), "\(dry.errors)")
        let real = try CommandLineTests().run(["trace", "run", "-m", folder.path, graph.path])
        #expect(real.output.contains("\"data\""), "\(real.errors)")
    }

    @Test func `wrong requests are one sentence`() throws {
        let folder = try folder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let graph = folder.appending(path: "graph.json")
        try Data(
            #"{"version":1,"steps":1,"prompts":[{"text":"abc"}],"nodes":[{"operation":"get","site":"embd","prompt":0}],"saves":{"x":0}}"#
                .utf8
        ).write(to: graph)
        for (arguments, code, words) in [
            (["logit-lens", "-m", folder.path, "-p", "ab", "--layers", "99"], 1, "layers below"),
            (["logit-lens", "-m", folder.path, "-p", "ab", "-o", "x.gif"], 2, "--output"),
            (["patch", "-m", folder.path, "-p", "ab", "--corrupted", "abc"], 1, "2 tokens"),
            (
                [
                    "patch", "-m", folder.path, "-p", "abc", "--corrupted", "abd", "--answer", "f", "--other-answer",
                    "g", "--site", "mlp.ot",
                ], 1, "mlp.out"
            ),
            (["causal", "-m", folder.path, "-p", "ab", "--subject", "z"], 1, "a text with \"z\""),
            (["causal", "-m", folder.path], 2, "--prompt"),
            (["causal", "-m", folder.path, "-p", "ab", "--subject", "a", "--kind", "x"], 2, "--kind"),
            (["knockout", "-m", folder.path, "-p", "ab", "--subject", "b"], 1, "before the last"),
            (["run", "-m", folder.path, "/nowhere"], 2, "a file of JSON"),
            (["run", "-m", folder.path, graph.path], 1, "did you mean \"embed\"?"),
        ] {
            let outcome = try CommandLineTests().run(["trace"] + arguments)
            #expect(Int(outcome.code) == code, "\(arguments): \(outcome.errors)")
            #expect(outcome.errors.contains(words), "\(arguments): \(outcome.errors)")
            #expect(outcome.errors.count { $0 == "\n" } == 1 && outcome.output.isEmpty)
        }
    }
}
