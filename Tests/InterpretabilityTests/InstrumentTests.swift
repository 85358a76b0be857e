import Foundation
import Imaging
import Interpretability
import TensorCore
import TestSupport
import Testing

/// Instruments on a model whose circuit is known.
@Suite struct InstrumentTests {
    /// A subject is words, not a part of longer ones; scripts without spaces have no such parts.
    @Test func lastWords() {
        func found(_ part: String, _ text: String) -> Int? {
            text.lastWords(part).map { text.distance(from: text.startIndex, to: $0.lowerBound) }
        }
        #expect(found("France", "France and the Frances of France, Frances") == 26)
        #expect(found("France", "Frances") == nil && found("France", "aFrance") == nil)
        #expect(found("Eiffel Tower", "The Eiffel Tower") == 4 && found("", "a") == nil)
        #expect(found("4", "14 4 41") == 3)
        #expect(found("aa", "aaa aa") == 4 && found("-", "a-b") == 1)
        #expect(found("東京", "東京都は") == 0)
    }

    static let clean = PromptInput(tokens: [1, 8, 9, 10])
    static let corrupted = PromptInput(tokens: [3, 8, 9, 10])

    /// Cells that are 1 where `isWanted` says so, and 0 elsewhere.
    private func expect(_ grid: ScoreGrid, _ tolerance: Double = 1e-3, _ isWanted: (Int, Int) -> Bool) {
        for (row, values) in grid.values.enumerated() {
            for (column, value) in values.enumerated() {
                #expect(
                    abs(value - (isWanted(row, column) ? 1 : 0)) < tolerance,
                    "\(grid.title): \(row), \(column): \(value)")
            }
        }
    }

    @Test func theModelKnowsItsFacts() throws {
        let model = try PlantedCircuit.model()
        for subject in 0..<4 {
            let logits = TinyModels.logits(model, [subject, 8, 9, 10]).selected(0, -1).floats
            let others = logits.enumerated().filter { $0.offset != 4 + subject }.map(\.element)
            #expect(logits[4 + subject] > (others.max() ?? 0) + 5)
        }
    }

    @Test func activationPatching() throws {
        let model = try PlantedCircuit.model()
        let pair = try ContrastPair(model, clean: Self.clean, corrupted: Self.corrupted)
        #expect((pair.answer, pair.other) == (5, 7))
        for rows in [3, 32] {
            // The stream holds the fact at the subject until layer 2 has read it, and at the last token from then on.
            expect(try ActivationPatching.tokens(model, pair, rows: rows)) { layer, token in
                layer < 2 ? token == 0 : token == 3
            }
        }
        expect(try ActivationPatching.tokens(model, pair, site: "mlp.out")) { layer, token in layer == 1 && token == 0 }
        expect(try ActivationPatching.tokens(model, pair, site: "attn.out")) { layer, token in layer == 2 && token == 3
        }
        expect(try ActivationPatching.heads(model, pair)) { layer, head in layer == 2 && head == 0 }
    }

    @Test func attribution() throws {
        let model = try PlantedCircuit.model()
        let pair = try ContrastPair(model, clean: Self.clean, corrupted: Self.corrupted)
        // Behind what the head reads stands only the last norm, whose bend takes more than half at first order.
        let heads = try AttributionPatching.heads(model, pair)
        #expect(try #require(heads.largest) == (2, 0))
        #expect(heads.values[2][0] > 0.2)
        expect(
            ScoreGrid(title: "heads", rows: [], columns: [], values: heads.values.map { $0.map { $0 > 0.2 ? 1 : $0 } })
        ) {
            $0 == 2 && $1 == 0
        }
        let stream = try AttributionPatching.tokens(model, pair)
        for layer in 2..<4 { #expect(stream.values[layer].enumerated().max { $0.element < $1.element }?.offset == 3) }
        #expect(abs(stream.values[3][0]) + abs(stream.values[2][1]) == 0)
    }

    @Test func causalTracing() throws {
        let model = try PlantedCircuit.model()
        for corruption in [
            CausalTrace.Corruption.swap(tokens: [3]), .noise(deviation: 3, draws: 3, seed: 2),
            .other(.zero(0..<1)), .other(.mean(0..<1, over: [[0, 2, 3]])),
        ] {
            var options = CausalTrace.Options()
            let trace = try CausalTrace(model, Self.clean, subject: 0..<1, corruption: corruption, options)
            #expect(trace.cleanProbability > 0.99)
            #expect(trace.corruptedProbability < 0.8)
            let total = trace.cleanProbability - trace.corruptedProbability
            let grid = ScoreGrid(
                title: "\(corruption)", rows: [], columns: [], values: trace.effects.map { $0.map { $0 / total } })
            expect(grid) { layer, token in layer < 2 ? token == 0 : token == 3 }
            options.kind = .mlp
            options.window = 2
            let mlp = try CausalTrace(model, Self.clean, subject: 0..<1, corruption: corruption, options)
            // Windows l-1 ..< l+1 that hold layer 1.
            guard case .swap = corruption else { continue }
            let values = mlp.effects.map { $0.map { $0 / total } }
            expect(ScoreGrid(title: "mlp", rows: [], columns: [], values: values)) { layer, token in
                (1...2).contains(layer) && token == 0
            }
            // Odd windows l-1 ..< l+2 reach one layer further up.
            options.window = 3
            let odd = try CausalTrace(model, Self.clean, subject: 0..<1, corruption: corruption, options)
            let wide = odd.effects.map { $0.map { $0 / total } }
            expect(ScoreGrid(title: "mlp", rows: [], columns: [], values: wide)) { layer, token in
                (0...2).contains(layer) && token == 0
            }
            // The fact reaches the subject's stream through layer 1's feed-forward part, so without it nothing comes back.
            options = CausalTrace.Options()
            options.severed = .mlp
            let severed = try CausalTrace(model, Self.clean, subject: 0..<1, corruption: corruption, options)
            expect(
                ScoreGrid(
                    title: "severed", rows: [], columns: [], values: severed.effects.map { $0.map { $0 / total } })
            ) { layer, token in layer == 1 ? token == 0 : layer > 1 && token == 3 }
            let summary = try CausalSummary([trace, trace])
            #expect(summary.roles == [.last, .next, .further, .final])
            #expect(summary.effects[0][0] == trace.effects[0][0])
        }
        #expect(throws: TraceError.self) {
            try CausalTrace(model, Self.clean, subject: 0..<1, corruption: .swap(tokens: [3, 4]))
        }
    }

    @Test func knockout() throws {
        let model = try PlantedCircuit.model()
        let grid = try AttentionKnockout.changes(model, Self.clean, subject: 0..<1, window: 1)
        #expect(grid.rows == ["subject", "non-subject", "last"])
        for (row, values) in grid.values.enumerated() {
            for (layer, change) in values.enumerated() {
                if row == 0 && layer == 2 {
                    #expect(change < -0.5)
                } else {
                    #expect(abs(change) < 1e-5, "\(row) \(layer): \(change)")
                }
            }
        }
        let wide = try AttentionKnockout.changes(model, Self.clean, subject: 0..<1, window: 3)
        #expect(wide.values[0].map { $0 < -0.5 } == [false, true, true, true])
        let mamba = try TinyModels.text("mamba")
        #expect(throws: TraceError.self) { try AttentionKnockout.changes(mamba, Self.clean, subject: 0..<1) }
    }

    @Test func lensAndPatterns() throws {
        let model = try PlantedCircuit.model()
        let lens = try LogitLens(model, Self.clean, top: 2)
        #expect(lens.candidates.map { $0[3][0].token }.suffix(2) == [5, 5])
        #expect(lens.candidates[3][3][0].probability > 0.99)
        #expect(lens.candidates[1][3][0].probability < 0.5)
        let last = softmax(TinyModels.logits(model, [1, 8, 9, 10])).selected(0, -1).floats
        #expect(abs(lens.candidates[3][3][0].probability - Double(last[5])) < 1e-5)
        let patterns = try AttentionPatterns(model, Self.clean, layers: [2], heads: [0, 1])
        #expect(patterns.heads[0].pattern[3][0] > 0.999)
        #expect(patterns.heads[1].pattern[3].allSatisfy { abs($0 - 0.25) < 1e-5 })
        for report in [lens, patterns] as [any TraceReport] {
            #expect(!report.table.isEmpty)
            #expect(report.picture().width > 50)
            #expect(try JSONEncoder().encode(report).count > 50)
        }
    }
}
