import Foundation
import Interpretability
import TensorCore
import TestSupport
import Testing

/// Prompts that are spoilt in every way, and graphs that come from files.
@Suite struct CorruptionTests {
    static let clean = PromptInput(tokens: [1, 8, 9, 10])

    /// However the subject is spoilt, the fact comes back from the same places.
    @Test func everyCorruption() throws {
        let model = try PlantedCircuit.model()
        let graph = InterventionGraph.written { t in
            let (prompt, other) = (t.prompt([0, 0, 0, 0]), t.prompt([3, 8, 9, 10]))
            prompt["embed", token: 0] = other["embed", token: 0]
        }
        let kinds: [(Corruption, Int?)] = [
            (.prompt([3, 8, 9, 10]), nil), (.zero(0..<1), 7), (.mean(0..<1, over: [[0, 2, 3]]), 7),
            (.mean(0..<1, over: []), 7), (.noise(0..<1, deviation: 3, seed: 2), 7), (.graph(graph), nil),
        ]
        var scores: [[[Double]]] = []
        for (corruption, other) in kinds {
            let pair = try ContrastPair(model, clean: Self.clean, corruption, answer: 5, other: other)
            let grid = try ActivationPatching.tokens(model, pair, rows: 5)
            scores.append(grid.values)
            for (layer, row) in grid.values.enumerated() {
                for (token, score) in row.enumerated() {
                    let wanted = (layer < 2 ? token == 0 : token == 3) ? 1.0 : 0
                    #expect(abs(score - wanted) < 1e-3, "\(corruption): \(layer), \(token): \(score)")
                }
            }
            let heads = try ActivationPatching.heads(model, pair)
            #expect(try #require(heads.largest) == (2, 0))
            #expect(try AttributionPatching.heads(model, pair).largest.map { $0 == (2, 0) } == true)
        }
        // The graph does what the other prompt has.
        #expect(zip(scores[0].joined(), scores[5].joined()).allSatisfy { abs($0 - $1) < 1e-5 })
        // Without a named one, the other answer is the likeliest of the rest.
        let pair = try ContrastPair(model, clean: Self.clean, .zero(0..<1))
        #expect(pair.answer == 5 && pair.other != 5)
    }

    @Test func whatDoesNotFit() throws {
        let model = try PlantedCircuit.model()
        func error(_ corruption: Corruption) -> TraceError? {
            do {
                _ = try ContrastPair(model, clean: Self.clean, corruption)
                return nil
            } catch { return error as? TraceError }
        }
        #expect(error(.prompt([1, 2]))?.found == "2")
        #expect(error(.zero(3..<5))?.kind == .input)
        #expect(error(.noise(2..<2, deviation: 1, seed: 0))?.kind == .input)
        #expect(error(.graph(InterventionGraph()))?.kind == .input)
        var steps = InterventionGraph.written { t in _ = t.prompt([0]) }
        steps.steps = 2
        #expect(error(.graph(steps))?.kind == .input)
        #expect(error(.graph(.written { t in t.prompt([0])["embd"] *= 2 }))?.kind == .unknownSite)
        // A graph that names a prompt which it does not have.
        var wrong = InterventionGraph.written { t in t.prompt([0])["embed"] *= 2 }
        wrong.nodes[0].prompt = 3
        #expect(error(.graph(wrong))?.kind == .operation)
    }

    @Test func sessionsAndEditsFromJSON() throws {
        let model = try TinyModels.text("llama")
        let first = InterventionGraph.written { t in t.save("v", t.prompt([1, 2])["layers.0.resid_post"]) }
        let second = InterventionGraph.written { t in
            let prompt = t.prompt([3, 4])
            prompt["layers.0.resid_post"] = t.saved("v", graph: 0)
            t.save("x", prompt["logits"])
        }
        let session = InterventionSession([first, second])
        let copy = try InterventionSession(json: JSONEncoder().encode(session))
        #expect(copy == session)
        #expect(try InterventionSession(json: first.json()) == InterventionSession([first]))
        let edit = InterventionGraph.written { t in t.prompt([0]).ablate("layers.2.mlp.out") }
        let edits = try EditSet(json: edit.json())
        #expect(try EditSet(json: JSONEncoder().encode(edits)) == edits)
        let (plain, edited) = (try model.run(copy), try model.run(copy.edited(by: edits)))
        let wanted = try model.trace { t in
            let prompt = t.prompt([1, 2])
            prompt.ablate("layers.2.mlp.out")
            t.save("x", prompt["logits"])
        }
        #expect(isBitEqual(try plain[0].value("v"), try edited[0].value("v")))
        #expect(isBitEqual(try edited[1].value("x"), try wanted.value("x")))
        #expect(!isBitEqual(try plain[1].value("x"), try edited[1].value("x")))
        #expect(try model.programs(copy).map(\.passes) == [1, 1])
        for (text, words) in [
            (#"{"graphs": 3}"#, "the JSON of graphs"), (#"{"graphs": [{}]}"#, "the JSON of graphs"),
            ("7", "the JSON of a graph"),
        ] {
            #expect {
                _ = try InterventionSession(json: Data(text.utf8))
            } throws: {
                "\($0)".contains(words)
            }
        }
        let misspelt = #"{"version": 1, "prompts": [{"tokens": [1]}], "nodes": [{"operation": "get", "site": "embed", "#
        for (text, words) in [
            (misspelt + #""prompt": 0, "selections": []}]}"#, "graph.nodes[0].selections: expected a key"),
            (misspelt + #""prompt": "a"}]}"#, "another value than Int at nodes[0].prompt"),
            (#"{"version": 1, "nodes": []}"#, "no prompts"), ("{", "what is no JSON"),
        ] {
            #expect {
                _ = try InterventionGraph(json: Data(text.utf8))
            } throws: {
                "\($0)".contains(words)
            }
        }
        #expect(try InterventionGraph(json: Data((misspelt + #""prompt": 0}]}"#).utf8)).steps == 1)
        #expect(throws: TraceError.self) { try EditSet(json: Data(#"{"edits": 3}"#.utf8)) }
        #expect(throws: TraceError.self) { try EditSet(json: InterventionGraph().json()) }
    }
}
