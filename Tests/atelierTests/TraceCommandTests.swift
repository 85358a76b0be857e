import Foundation
import TensorCore
import TestSupport
import Testing

/// `atelier trace` as a user meets it.
@Suite(.serialized) struct TraceCommandTests {
    /// Runs `body` with a folder of a tiny model and a tokenizer that fits it.
    private func inFolder(_ body: (URL) throws -> Void) throws {
        var letters = Dictionary(uniqueKeysWithValues: "abcdefghijklmnopqrstuvwxyzĠ".enumerated().map { ("\($1)", $0) })
        for word in ["Ġf", "Ġg"] { letters[word] = letters.count }
        let tokenizer: [String: Any] = [
            "version": "1.0", "added_tokens": [],
            "pre_tokenizer": ["type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true],
            "decoder": ["type": "ByteLevel"],
            "model": ["type": "BPE", "vocab": letters, "merges": ["Ġ f", "Ġ g"]],
        ]
        try inTemporaryFolder { place in
            let folder = place.appending(path: "llama")
            try FileManager.default.copyItem(atPath: Fixtures.path("tiny-lm/llama"), toPath: folder.path)
            try JSONSerialization.data(withJSONObject: tokenizer).write(to: folder.appending(path: "tokenizer.json"))
            try body(folder)
        }
    }

    @Test func `instruments print JSON and draw pictures`() throws {
        try inFolder { folder in
            let picture = folder.appending(path: "picture.png").path, page = folder.appending(path: "page.html").path
            let pair = ["-p", "abcd", "--corrupted", "abed", "--answer", "f", "--other-answer", "g"]
            for arguments in [
                ["logit-lens", "-p", "abcd"], ["attention", "-p", "abcd"], ["patch"] + pair,
                ["patch", "--site", "heads"] + pair,
                ["attribution"] + pair, ["patch", "--corrupt", "noise", "--subject", "b", "-p", "a b cd"],
                ["attribution", "--corrupt", "mean", "--subject", "b", "-p", "a b cd", "--site", "heads"],
                ["causal", "-p", "a b cd", "--subject", "b", "--kind", "all"],
                ["causal", "-p", "a b cd", "--subject", "b", "--swap", "e"],
                ["causal", "-p", "a b cd", "--subject", "b", "--answer", "f"],
                ["causal", "-p", "a b cd", "--subject", "b", "--corrupt", "zero"],
                ["knockout", "-p", "a b cd", "--subject", "b"],
            ] {
                let outcome = try CommandLineTests().run(
                    ["trace", arguments[0], "-m", folder.path] + arguments.dropFirst() + ["-o", picture, "--json"])
                #expect(outcome.code == 0, "\(arguments): \(outcome.errors)")
                #expect((try? JSONSerialization.jsonObject(with: Data(outcome.output.utf8))) != nil, "\(arguments)")
                #expect(FileManager.default.fileExists(atPath: picture), "\(arguments)")
                try? FileManager.default.removeItem(atPath: picture)
                guard arguments.contains("--swap") || !arguments.contains("causal") else { continue }
                let written = try CommandLineTests().run(
                    ["trace", arguments[0], "-m", folder.path] + arguments.dropFirst() + ["-o", page])
                #expect(written.code == 0, "\(arguments): \(written.errors)")
                let html = try String(contentsOfFile: page, encoding: .utf8)
                #expect(html.hasPrefix("<!doctype html>") && html.hasSuffix("</html>\n"), "\(arguments)")
                try? FileManager.default.removeItem(atPath: page)
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
            let session = folder.appending(path: "session.json"), edit = folder.appending(path: "edit.json")
            try Data(
                #"""
                {"graphs": [
                  {"version":1,"steps":1,"prompts":[{"text":"abc"}],"saves":{"x":0},
                   "nodes":[{"operation":"get","site":"embed","prompt":0}]},
                  {"version":1,"steps":1,"prompts":[{"text":"abc"}],"saves":{"y":2},
                   "nodes":[{"operation":"saved","graph":0,"name":"x"},{"operation":"get","site":"embed","prompt":0},
                            {"operation":"subtract","inputs":[0,1]}]}]}
                """#.utf8
            ).write(to: session)
            try Data(
                #"""
                {"version":1,"steps":1,"prompts":[{"text":"a"}],"saves":{},
                 "nodes":[{"operation":"get","site":"embed","prompt":0},{"operation":"scale","inputs":[0],"number":0},
                          {"operation":"set","site":"embed","prompt":0,"inputs":[1]}]}
                """#.utf8
            ).write(to: edit)
            struct Found: Decodable {
                struct Value: Decodable { var shape: [Int], data: String }
                var values: [String: [Value]]
            }
            func values(_ more: [String]) throws -> [[String: [Found.Value]]] {
                let outcome = try CommandLineTests().run(["trace", "run", "-m", folder.path, session.path] + more)
                #expect(outcome.code == 0, "\(outcome.errors)")
                return try JSONDecoder().decode([Found].self, from: Data(outcome.output.utf8)).map(\.values)
            }
            func isZero(_ value: Found.Value?) -> Bool {
                // Zero and minus zero.
                (value.flatMap { Data(base64Encoded: $0.data) } ?? Data([1])).allSatisfy { $0 == 0 || $0 == 0x80 }
            }
            let (plain, edited) = (try values([]), try values(["--edit", edit.path]))
            #expect(plain.count == 2 && !isZero(plain[0]["x"]?.first) && isZero(plain[1]["y"]?.first))
            #expect(isZero(edited[0]["x"]?.first))
            let foreseen = try CommandLineTests().run(
                ["trace", "run", "-m", folder.path, session.path, "--dry-run", "--edit", edit.path])
            #expect(foreseen.output.contains("\"shapes\":{\"y\":[3,"), "\(foreseen.errors)")
        }
    }

    /// Numbers that JSON does not have become null, and are told.
    @Test func `numbers without end are null`() throws {
        try inFolder { folder in
            let graph = folder.appending(path: "corruption.json")
            try Data(
                #"""
                {"version":1,"prompts":[{"text":"a"}],
                 "nodes":[{"operation":"get","site":"embed","prompt":0},{"operation":"scale","inputs":[0],"number":1e300},
                          {"operation":"set","site":"embed","prompt":0,"inputs":[1]}]}
                """#.utf8
            ).write(to: graph)
            let outcome = try CommandLineTests().run(
                [
                    "trace", "attribution", "-m", folder.path, "-p", "abcd", "--corrupt", graph.path, "--answer", "f",
                    "--other-answer", "g", "--json",
                ])
            #expect(outcome.code == 0 && outcome.output.contains("null"), "\(outcome.errors)")
            #expect((try? JSONSerialization.jsonObject(with: Data(outcome.output.utf8))) != nil)
            #expect(outcome.errors.contains("not a number") && outcome.errors.count { $0 == "\n" } == 1)
        }
    }

    @Test func `a scan tells every site`() throws {
        try inFolder { folder in
            let table = try CommandLineTests().run(["trace", "scan", "-m", folder.path, "-p", "abcde"])
            #expect(table.code == 0, "\(table.errors)")
            let lines = table.output.split(separator: "\n").map {
                $0.split(separator: " ", omittingEmptySubsequences: true)
            }
            let pattern = lines.first { $0.first == "model.layers.1.self_attn:pattern" }
            #expect(pattern?.dropFirst().joined(separator: " ") == "layers.1.attn.pattern 4 x 5 x 5 head, token, key")
            let json = try CommandLineTests().run(
                ["trace", "scan", "-m", folder.path, "-p", "abcde", "--json", "--find", "attn.pattern"])
            struct Report: Decodable {
                struct Row: Decodable { var site: String, name: String?, shape: [Int], axes: [String], bytes: Int }
                var rows: [Row]
            }
            let report = try JSONDecoder().decode(Report.self, from: Data(json.output.utf8))
            #expect(report.rows.map(\.name) == ["layers.0.attn.pattern", "layers.1.attn.pattern"])
            #expect(report.rows.map(\.bytes) == [400, 400])
            let picture = try CommandLineTests().run(
                ["trace", "scan", "-m", "mini", "--size", "2048", "--find", "attn1:pattern"])
            #expect(
                picture.output.contains("unet.mid_block.attentions.0.transformer_blocks.0.attn1:pattern"),
                "\(picture.errors)")
        }
    }

    /// A graph on the embedded model: a text becomes the latents and the context that `generate` would begin with.
    @Test func `graphs run on models that draw`() throws {
        try inTemporaryFolder { folder in
            let graph = folder.appending(path: "graph.json")
            try Data(
                #"{"version":1,"steps":2,"prompts":[{"text":"an old man","seed":3},{"text":"a sea","seed":3}],"nodes":[{"operation":"get","site":"latents:input","prompt":0},{"operation":"get","site":"unet.mid_block.attentions.0.transformer_blocks.0.attn2:pattern","prompt":1,"steps":{"from":1,"to":2}}],"saves":{"noise":0,"words":1}}"#
                    .utf8
            ).write(to: graph)
            struct Found: Decodable {
                struct Literal: Decodable { var shape: [Int], data: String }
                var passes: Int
                var values: [String: [Literal]]
            }
            let outcome = try CommandLineTests().run([
                "trace", "run", "-m", "mini", graph.path, "--sampling-steps", "3",
            ])
            let found = try JSONDecoder().decode(Found.self, from: Data(outcome.output.utf8))
            #expect(found.passes == 1 && found.values["words"]?.first?.shape == [6, 16, 48], "\(outcome.errors)")
            let noise = try #require(found.values["noise"]?.first)
            var generator = TorchGenerator(seed: 3)
            let bytes = try #require(Data(base64Encoded: noise.data))
            #expect(bytes.elementsEqual(generator.normal([1, 8, 16, 16]).withUnsafeBytes { Data($0) }))
            // A prompt of three chunks, beside guidance of one.
            let long = String(repeating: "an old man by the sea, ", count: 15)
            try Data(
                #"{"version":1,"prompts":[{"text":"\#(long)","seed":3}],"nodes":[{"operation":"get","site":"unet.mid_block.attentions.0.transformer_blocks.0.attn2:pattern","prompt":0},{"operation":"get","site":"latents","prompt":0}],"saves":{"words":0,"latents":1}}"#
                    .utf8
            ).write(to: graph)
            let more = try CommandLineTests().run(["trace", "run", "-m", "mini", graph.path, "--sampling-steps", "3"])
            let wide = try JSONDecoder().decode(Found.self, from: Data(more.output.utf8))
            #expect(wide.values["words"]?.first?.shape == [6, 16, 144], "\(more.errors)")
            #expect(wide.values["latents"]?.first?.shape == [8, 16, 16])
        }
    }

    @Test func `wrong requests are one sentence`() throws {
        try inFolder { folder in
            let graph = folder.appending(path: "graph.json")
            try Data(
                #"{"version":1,"steps":1,"prompts":[{"text":"abc"}],"nodes":[{"operation":"get","site":"embd","prompt":0}],"saves":{"x":0}}"#
                    .utf8
            ).write(to: graph)
            let edit = folder.appending(path: "edit.json")
            try Data(
                #"{"version":1,"prompts":[{"text":"a"}],"nodes":[{"operation":"get","site":"embed","prompt":-9223372036854775808}]}"#
                    .utf8
            ).write(to: edit)
            let facts = folder.appending(path: "facts.json")
            try Data(#"[{"prompt": "abc", "subject": "a"}, {"prompt": "abc"}]"#.utf8).write(to: facts)
            for (arguments, code, words) in [
                (["logit-lens", "-m", folder.path, "-p", "ab", "--layers", "99"], 1, "layers below"),
                (["logit-lens", "-m", "/nowhere", "-p", "- ab"], 1, "found nothing there"),
                (
                    ["causal", "-m", folder.path, "--facts", facts.path], 2,
                    "facts.json: [1].subject: expected a value, found none"
                ),
                (["logit-lens", "-m", folder.path, "-p", "ab", "-o", "x.gif"], 2, "--output"),
                (["patch", "-m", folder.path, "-p", "ab", "--corrupted", "abc"], 1, "2 tokens"),
                (
                    [
                        "patch", "-m", folder.path, "-p", "abc", "--corrupted", "abd", "--answer", "f",
                        "--other-answer", "g", "--site", "mlp.ot",
                    ], 1, "mlp.out"
                ),
                (["patch", "-m", folder.path, "-p", "ab", "--corrupted", "ac", "--answer", ""], 2, "expected a word"),
                (
                    ["run", "-m", folder.path, graph.path, "--edit", edit.path], 1,
                    "edit 0, node 0 (get embed): expected"
                ),
                (
                    ["patch", "-m", folder.path, "-p", "ab", "--corrupt", edit.path], 1,
                    "found prompt -9223372036854775808"
                ),
                (["causal", "-m", folder.path, "-p", "ab", "--subject", "z"], 1, "a text with \"z\""),
                (["causal", "-m", folder.path, "-p", "ab", "--subject", "a"], 1, "within longer words only"),
                (["run", "-m", folder.path, graph.path, "--size", "64"], 2, "a model that draws"),
                (["run", "-m", "mini", graph.path], 1, "a site of the model"),
                (["causal", "-m", folder.path], 2, "--prompt"),
                (["causal", "-m", folder.path, "-p", "ab", "--subject", "a", "--kind", "x"], 2, "--kind"),
                (
                    ["causal", "-m", folder.path, "-p", "a b", "--subject", "a", "--kind", "gate"], 1,
                    "residual, mlp, attention"
                ),
                (["causal", "-m", folder.path, "-p", "ab", "--subject", "a", "--sever", "residual"], 2, "--sever"),
                (["patch", "-m", folder.path, "-p", "ab"], 2, "neither"),
                (["patch", "-m", folder.path, "-p", "ab", "--corrupt", "zero"], 2, "--subject"),
                (["patch", "-m", folder.path, "-p", "ab", "--corrupt", "/nowhere"], 2, "--corrupt"),
                (["scan", "-m", folder.path, "--size", "64"], 2, "--size"),
                (["run", "-m", folder.path, graph.path, "--edit", "/nowhere"], 2, "a file of JSON"),
                (["knockout", "-m", folder.path, "-p", "a b", "--subject", "b"], 1, "before the last"),
                (["run", "-m", folder.path, "/nowhere"], 2, "a file of JSON"),
                (["run", "-m", folder.path, graph.path], 1, "did you mean \"embed\"?"),
            ] as [([String], Int, String)] {
                let outcome = try CommandLineTests().run(["trace"] + arguments)
                #expect(Int(outcome.code) == code, "\(arguments): \(outcome.errors)")
                #expect(outcome.errors.contains(words), "\(arguments): \(outcome.errors)")
                #expect(outcome.errors.count { $0 == "\n" } == 1 && outcome.output.isEmpty)
            }
        }
    }
}
