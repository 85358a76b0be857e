import Interpretability
import TensorCore
import TestSupport
import Testing

/// What a graph will keep is known before it runs, in all its steps and over all graphs of a session.
@Suite struct SizeTests {
    private func bytes(_ result: TraceResult) -> Int {
        result.values.values.reduce(0) { $0 + $1.reduce(0) { $0 + 4 * $1.count } }
    }

    /// Patterns and scores have a key more in each step: a short prompt and many steps make far more than the first has.
    @Test(arguments: ["llama", "gpt2", "gemma2"]) func growingValues(_ family: String) throws {
        let model = try TinyModels.text(family)
        let graph = InterventionGraph.written { t in
            t.steps = 12
            let (one, two) = (t.prompt([5]), t.prompt([7, 2]))
            t.save("pattern", one["layers.1.attn.pattern", steps: .each])
            t.save("scores", two["layers.2.attn.scores", steps: .range(3..<9)])
            t.save("sum", one["layers.1.attn.pattern", steps: .each].sum([0]))
            let row = one["layers.1.attn.pattern", head: 0, steps: .range(1..<12)]
            t.save("outer", row.permuted([1, 0]).matmul(row))
            t.save("keys", one["layers.0.attn.k", steps: .each])
            t.save("late", one["layers.1.attn.pattern", steps: .only(11)])
            t.save("stream", two["layers.0.resid_post", steps: .each])
        }
        let program = try model.program(graph)
        let found = bytes(try model.run(graph))
        #expect(program.savedBytes >= found, "\(program.savedBytes) foretold, \(found) found")
        #expect(program.shape("pattern", step: 11) == [4, 1, 12])
        #expect(program.shape("outer", step: 11) == [12, 12])
        #expect(program.shape("outer", step: 0) == nil && program.shape("scores", step: 9) == nil)
        var limits = TraceLimits()
        limits.savedBytes = found - 1
        #expect(throws: TraceError.self) { try model.program(graph, limits: limits) }
        (limits.savedBytes, limits.heldBytes) = (program.savedBytes, found - 1)
        #expect(throws: TraceError.self) { try model.program(graph, limits: limits) }
        (limits.heldBytes, limits.valueBytes) = (1 << 30, 4 * 12 * 12 - 1)
        #expect(throws: TraceError.self) { try model.program(graph, limits: limits) }
    }

    /// Reads that end in many different steps.
    @Test func manyEnds() throws {
        let model = try TinyModels.text("llama")
        let graph = InterventionGraph.written { t in
            t.steps = 14
            let prompt = t.prompt([5])
            for end in 2...14 {
                let pattern = prompt["layers.0.attn.pattern", steps: .range(0..<end)]
                t.save("\(end)", pattern.sum([0]))
            }
        }
        #expect(try model.program(graph).savedBytes >= bytes(model.run(graph)))
    }

    /// Where shapes do not grow, the foretold number is the number.
    @Test(arguments: TinyModels.families) func constantValues(_ family: String) throws {
        let model = try TinyModels.text(family)
        let graph = InterventionGraph.written { t in
            t.steps = 7
            let prompt = t.prompt([5, 9, 20])
            let stream = prompt["layers.1.resid_post", steps: .each]
            t.save("stream", stream)
            t.save("last", prompt["layers.1.resid_post", token: -1, steps: .range(2..<5)])
            t.save("more", stream * 2)
            t.save("top", prompt["logits", token: -1, steps: .each].argmax())
            t.save("constant", t.constant(Tensor.ones([3, 4])))
        }
        #expect(try model.program(graph).savedBytes == bytes(model.run(graph)))
    }

    /// What the graphs of a session save is kept until all have run.
    @Test func sessions() throws {
        let model = try TinyModels.text("llama")
        let graph = InterventionGraph.written { t in t.save("x", t.prompt([5, 9, 20])["layers.1.resid_post"]) }
        let session = InterventionSession([graph, graph, graph])
        let each = 4 * 3 * 16
        var limits = TraceLimits()
        limits.savedBytes = 3 * each
        #expect(try model.programs(session, limits: limits).map(\.savedBytes) == [each, each, each])
        limits.savedBytes -= 1
        #expect {
            _ = try model.programs(session, limits: limits)
        } throws: { error in
            let error = error as? TraceError
            return error?.kind == .limit && error?.place == "graph 2, save \"x\""
        }
        limits = TraceLimits()
        limits.heldBytes = 3 * each - 1
        #expect(throws: TraceError.self) { try model.programs(session, limits: limits) }
        limits.heldBytes = 3 * each
        #expect(throws: Never.self) { try model.programs(session, limits: limits) }
    }

    /// The tokens that steps add have positions, too.
    @Test(arguments: ["gpt2", "gpt-neox", "llama", "gemma2"]) func positions(_ family: String) throws {
        let model = try TinyModels.text(family)
        func graph(_ steps: Int) -> InterventionGraph {
            .written { t in
                t.steps = steps
                _ = t.prompt([1])
                t.save("x", t.prompt(Array(0..<30))["logits", token: -1, steps: .each].argmax())
            }
        }
        #expect(try model.run(graph(3)).values["x"]?.count == 3)
        #expect {
            _ = try model.program(graph(4))
        } throws: { error in
            let error = error as? TraceError
            return error?.kind == .limit && error?.place == "prompt 1" && error?.found == "30 and 3 more"
        }
        #expect(throws: Never.self) { try TinyModels.text("mamba").program(graph(40)) }
    }

    /// What was kept in several steps is taken by its step, or not at all.
    @Test func savedSteps() throws {
        let model = try TinyModels.text("llama")
        let first = InterventionGraph.written { t in
            t.steps = 5
            t.save("v", t.prompt([5, 9, 20])["layers.1.resid_post", token: -1, steps: .range(1..<5)])
            t.save("pattern", t.prompt([5, 9])["layers.1.attn.pattern", steps: .each])
        }
        func second(_ step: Int?, _ name: String = "v") -> InterventionSession {
            InterventionSession([first, .written { t in t.save("w", t.saved(name, graph: 0, step: step)) }])
        }
        for step in 1..<5 {
            let results = try model.run(second(step))
            #expect(isBitEqual(try results[1].value("w"), try #require(results[0].values["v"])[step - 1]))
        }
        #expect(try model.programs(second(4, "pattern"))[1].shape("w") == [4, 1, 6])
        #expect(try model.run(second(4, "pattern"))[1].value("w").shape == [4, 1, 6])
        for step in [nil, 0, 5, -1] {
            #expect {
                _ = try model.programs(second(step))
            } throws: { "\($0)".contains("one of the steps 1 to 4") }
        }
        // A window of attention keeps fewer keys than the prompt has tokens.
        let windowed = try TinyModels.text("gemma2")
        var session = second(4, "pattern")
        session.graphs[0].nodes[1].site = "layers.0.attn.pattern"
        #expect {
            _ = try windowed.run(session)
        } throws: { ($0 as? TraceError)?.kind == .shape }
    }
}
