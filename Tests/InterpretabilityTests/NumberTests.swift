import Foundation
import Interpretability
import TensorCore
import TestSupport
import Testing

/// Numbers in graphs and edits that mean nothing are told as they were given, and stop nothing.
@Suite struct NumberTests {
    private func edit(prompt: Int = 0, input: Int = 0) -> Data {
        Data(
            """
            {"version": 1, "prompts": [{"tokens": [0]}], "nodes": [
              {"operation": "get", "site": "embed", "prompt": 0}, {"operation": "scale", "inputs": [\(input)], "number": 2},
              {"operation": "set", "site": "embed", "prompt": \(prompt), "inputs": [1]}]}
            """.utf8)
    }

    @Test(arguments: [Int.max, Int.min, -1, 1, 5]) func prompts(_ number: Int) throws {
        #expect {
            _ = try EditSet(json: edit(prompt: number))
        } throws: { error in
            let error = error as? TraceError
            return error?.place == "edit 0, node 2 (set embed)" && error?.found == "prompt \(number)"
        }
        let graph = InterventionGraph.written { t in t.save("x", t.prompt([1, 2])["embed"]) }
        let bad = try InterventionGraph(json: edit(prompt: number))
        #expect(throws: TraceError.self) { try EditSet([bad]).applied(to: graph) }
        #expect(throws: TraceError.self) { try InterventionSession([graph]).edited(by: EditSet([bad])) }
        #expect(throws: TraceError.self) { try TinyModels.text("llama").run(bad) }
        // The same graph as a corruption.
        let model = try TinyModels.text("llama")
        #expect {
            _ = try ContrastPair(model, clean: PromptInput(tokens: [1, 2]), .graph(bad), answer: 3, other: 4)
        } throws: { ($0 as? TraceError)?.found == "prompt \(number)" }
    }

    @Test(arguments: [Int.max, Int.min, -1, 7]) func inputsAndSaves(_ number: Int) throws {
        #expect {
            _ = try EditSet(json: edit(input: number))
        } throws: { ($0 as? TraceError)?.found == "node \(number)" }
        var graph = InterventionGraph.written { t in t.save("x", t.prompt([1, 2])["embed"]) }
        graph.saves["y"] = number
        let edits = try EditSet(json: edit())
        for edits in [edits, EditSet()] {
            #expect {
                _ = try TinyModels.text("llama").run(edits.applied(to: graph))
            } throws: { error in
                let error = error as? TraceError
                return error?.place == "save \"y\"" && error?.found == "\(number)"
            }
        }
        graph.saves["y"] = nil
        graph.nodes[0].prompt = number
        #expect {
            _ = try edits.applied(to: graph)
        } throws: { ($0 as? TraceError)?.found == "prompt \(number)" }
    }

    @Test(arguments: [Int.min, -1, 0]) func stepsOfEdits(_ number: Int) throws {
        let graph = InterventionGraph.written { t in t.save("x", t.prompt([1, 2])["embed"]) }
        var bad = try InterventionGraph(json: edit())
        bad.steps = number
        #expect {
            _ = try EditSet([bad]).applied(to: graph)
        } throws: { ($0 as? TraceError)?.place == "edit 0" && ($0 as? TraceError)?.found == "\(number)" }
    }

    @Test func numbersOfKeys() throws {
        for (prompt, node, words) in [
            (#""seed": -1"#, "", "prompts[0].seed: expected a whole number of 0 to 18446744073709551615, found -1"),
            (#""seed": 1.5"#, "", "graph.prompts[0].seed: expected a whole number of 0"),
            (#""tokens": [1, 9223372036854775808]"#, "", "graph.prompts[0].tokens[1]: expected a whole number"),
            (#""tokens": [1]"#, #", "number": 1.5, "axes": [1e30]"#, "graph.nodes[0].axes[0]: expected a whole number"),
        ] {
            let text =
                #"{"version": 1, "prompts": [{\#(prompt)}], "nodes": [{"operation": "scale", "inputs": [0]\#(node)}]}"#
            #expect {
                _ = try InterventionGraph(json: Data(text.utf8))
            } throws: { "\($0)".contains(words) }
        }
        let largest = #"{"version": 1, "prompts": [{"seed": 18446744073709551615}], "nodes": [], "saves": {}}"#
        #expect(try InterventionGraph(json: Data(largest.utf8)).prompts[0].seed == .max)
    }

    /// Several byte tokens of one character are one word, and so are the characters of a script without spaces.
    @Test func wordsOfRareCharacters() {
        let text = "über 日本, ok"
        let ranges = [
            0..<1, 0..<1, 1..<4, 5..<6, 5..<6, 5..<6, 6..<7, 6..<7, 7..<8, 9..<11,
        ]
        let words = WordMaps.words(of: text, ranges: ranges)
        #expect(words.map(\.text) == ["über", "日本,", "ok"])
        #expect(words.map(\.places) == [1..<4, 4..<10, 10..<11])
        #expect(WordMaps.words(of: "a b", ranges: [0..<1, 2..<3]).map(\.places) == [1..<2, 2..<3])
    }

    /// Within a layer that is passed by nothing is read or written.
    @Test func skippedLayers() throws {
        let model = try TinyModels.text("llama")
        func error(_ build: (TraceBuilder, TracedPrompt) -> Void) throws -> TraceError? {
            do {
                _ = try model.program(.written { t in build(t, t.prompt([1, 2, 3])) })
                return nil
            } catch let error as TraceError { return error }
        }
        for site in ["mlp.out", "attn.pattern", "resid_mid", "mlp.in"] {
            let found = try error { t, p in
                p.skip(layer: 1)
                t.save("x", p["layers.1.\(site)"])
            }
            #expect(found?.kind == .order && found?.expected.contains("model.layers.1") == true, "\(site)")
        }
        #expect(
            try error { t, p in
                t.save("before", p["layers.1.mlp.out"])
                p.skip(layer: 1)
                for site in ["layers.1.resid_post", "layers.2.mlp.out", "layers.1.resid_pre"] { t.save(site, p[site]) }
                t.save("other", t.prompt([1, 2])["layers.1.mlp.out"])
            } == nil)
        #expect(
            try error { t, p in
                t.steps = 3
                p["layers.1.resid_post", steps: .only(1)] = p["layers.1.resid_pre", steps: .only(1)]
                t.save("x", p["layers.1.mlp.out", steps: .only(2)])
            } == nil)
    }
}
