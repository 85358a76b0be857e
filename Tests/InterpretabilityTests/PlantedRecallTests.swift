import Interpretability
import TensorCore
import TestSupport
import Testing

/// Causal tracing finds the planted facts where they are, and nowhere else.
@Suite struct PlantedRecallTests {
    enum Model: String, CaseIterable, Sendable {
        case transformer, mamba
        func traced() throws -> TracedTextModel {
            self == .transformer ? try PlantedRecall.transformer() : try PlantedRecall.mamba()
        }
    }

    @Test(arguments: Model.allCases) func everyFactIsKnown(_ kind: Model) throws {
        let model = try kind.traced()
        for relation in 0..<2 {
            for subject in 0..<16 {
                let logits = TinyModels.logits(model, PlantedRecall.prompt(subject, relation)).selected(0, -1).floats
                let object = PlantedRecall.object(relation, subject)
                let others = logits.enumerated().filter { $0.offset != object }.map(\.element)
                #expect(logits[object] > (others.max() ?? 0) + 15, "\(kind) \(subject) \(relation)")
            }
        }
    }

    /// The share of the answer that comes back, by layer and token.
    private func shares(
        _ model: TracedTextModel, _ subject: Int, _ relation: Int, swap: [Int], _ kind: CausalTrace.Kind,
        severed: CausalTrace.Kind? = nil
    ) throws -> [[Double]] {
        var options = CausalTrace.Options()
        (options.kind, options.window, options.severed) = (kind, 1, severed)
        let trace = try CausalTrace(
            model, PromptInput(tokens: PlantedRecall.prompt(subject, relation)), subject: 0..<2,
            corruption: .swap(tokens: swap), options)
        #expect(trace.cleanProbability > 0.9999 && trace.corruptedProbability < 1e-4)
        let total = trace.cleanProbability - trace.corruptedProbability
        return trace.effects.map { $0.map { $0 / total } }
    }

    private func expect(
        _ shares: [[Double]], _ name: String, at cells: [(layer: Int, token: Int)]
    ) {
        for (layer, row) in shares.enumerated() {
            for (token, share) in row.enumerated() {
                let wanted = cells.contains { $0.layer == layer && $0.token == token } ? 1.0 : 0
                #expect(abs(share - wanted) < 1e-3, "\(name): layer \(layer), token \(token): \(share)")
            }
        }
    }

    /// Names of which both, or only the first, are another subject's.
    private static let subjects = [(subject: 6, relation: 0), (subject: 6, relation: 1), (subject: 9, relation: 1)]
    private static let both = [3, 4], first = 3

    @Test(arguments: Model.allCases) func residuals(_ kind: Model) throws {
        let model = try kind.traced()
        for (subject, relation) in Self.subjects {
            for swap in [Self.both, [Self.first, 4 + subject % 4]] {
                let found = try shares(model, subject, relation, swap: swap, .residual)
                expect(found, "\(kind)", at: [(0, 1), (1, 1), (2, 3), (3, 3)])
            }
        }
    }

    @Test func partsOfTheTransformer() throws {
        let model = try PlantedRecall.transformer()
        for (subject, relation) in Self.subjects {
            let one = [Self.first, 4 + subject % 4]
            for swap in [Self.both, one] {
                expect(try shares(model, subject, relation, swap: swap, .mlp), "mlp", at: [(1, 1)])
                // The copied first name brings the answer back where the last name was left alone.
                let copy = swap == one ? [(layer: 0, token: 1)] : []
                expect(try shares(model, subject, relation, swap: swap, .attention), "attention", at: copy + [(2, 3)])
                expect(
                    try shares(model, subject, relation, swap: swap, .residual, severed: .mlp), "without mlp",
                    at: [(1, 1), (2, 3), (3, 3)])
                expect(
                    try shares(model, subject, relation, swap: swap, .residual, severed: .attention),
                    "without attention", at: [(0, 1), (1, 1), (2, 3), (3, 3)])
            }
        }
    }

    @Test func partsOfTheMamba() throws {
        let model = try PlantedRecall.mamba()
        #expect(CausalTrace.Kind.known(to: model) == [.residual, .mixer, .conv, .gate, .scan])
        for (subject, relation) in Self.subjects {
            let one = [Self.first, 4 + subject % 4]
            for swap in [Self.both, one] {
                let copy = swap == one ? [(layer: 0, token: 1)] : []
                func found(_ kind: CausalTrace.Kind, severed: CausalTrace.Kind? = nil) throws -> [[Double]] {
                    try shares(model, subject, relation, swap: swap, kind, severed: severed)
                }
                expect(try found(.mixer), "mixer", at: copy + [(1, 1), (2, 3)])
                expect(try found(.scan), "ssm", at: copy + [(1, 1), (2, 3)])
                // The last token's answer comes out of the states: its convolution has nothing of the subject.
                expect(try found(.conv), "conv", at: copy + [(1, 1), (2, 1)])
                expect(try found(.gate), "gate", at: [])
                expect(try found(.residual, severed: .scan), "without ssm", at: [(1, 1), (2, 3), (3, 3)])
                expect(try found(.residual, severed: .conv), "without conv", at: [(2, 3), (3, 3)])
                expect(
                    try found(.residual, severed: .gate), "without gate", at: [(0, 1), (1, 1), (2, 3), (3, 3)])
            }
        }
        #expect(throws: TraceError.self) { try shares(model, 6, 0, swap: Self.both, .mlp) }
    }

    /// The last token must see the subject in layer 2, and in no other.
    @Test func knockout() throws {
        let prompt = PromptInput(tokens: PlantedRecall.prompt(6, 1))
        let attention = try AttentionKnockout.changes(
            PlantedRecall.transformer(), prompt, subject: 0..<2, window: 1)
        var grids = [attention]
        for mode in [MambaKnockout.Mode.edge, .shadow] {
            var options = MambaKnockout.Options()
            (options.mode, options.window) = (mode, 1)
            grids.append(try MambaKnockout.changes(PlantedRecall.mamba(), prompt, subject: 0..<2, options))
        }
        for grid in grids {
            for (layer, change) in grid.values[0].enumerated() {
                #expect(layer == 2 ? change < -0.9 : abs(change) < 1e-3, "\(grid.title): \(layer): \(change)")
            }
        }
    }
}
