internal import TensorCore

/// Which tokens the last one must see, and in which layers: exact edges of attention are cut in a window of layers.
///
///     scores[head, last, key] = -infinity    for all heads, keys of a set, layers l - w/2 ..< l + (w+1)/2
///     change = (p' - p) / p                  of the probability of the answer
public enum AttentionKnockout {
    /// The sets of keys that are cut.
    public enum Source: String, Sendable, CaseIterable, Codable {
        case subject
        /// Everything else before the last token.
        case others = "non-subject"
        case last
    }

    /// By set of keys and the layer in the middle of the window.
    ///
    /// - Parameters:
    ///   - window: how many layers are cut at once.
    ///   - answer: the model's likeliest next token when nil.
    public static func changes(
        _ model: TracedTextModel, _ prompt: PromptInput, subject: Range<Int>, window: Int = 5, layers: [Int]? = nil,
        answer: Int? = nil, rows: Int = 32
    ) throws -> ScoreGrid {
        try model.requireAttention()
        let ids = try model.tokens(prompt)
        guard !subject.isEmpty, subject.lowerBound >= 0, subject.upperBound < ids.count else {
            throw TraceError(
                .input, "subject", expected: "tokens before the last, within 0..<\(ids.count - 1)", found: "\(subject)")
        }
        let centres = try model.checked(layers: layers)
        let sources = Source.allCases.filter { source in
            // A query that sees no key at all has no pattern.
            let keys = keys(source, subject, ids.count).reduce(0) { $0 + $1.count }
            return keys > 0 && keys < ids.count
        }
        let cells = sources.flatMap { source in centres.map { (source, $0) } }
        let base = try model.trace { t in t.save("p", t.prompt(ids)["logits", token: -1].softmax()) }.value("p").floats
        let token = answer ?? base.indices.max { base[$0] < base[$1] } ?? 0
        guard base.indices.contains(token) else {
            throw TraceError(.input, "answer", expected: "a token below \(base.count)", found: "\(token)")
        }
        var changes: [Double] = []
        for start in stride(from: 0, to: cells.count, by: max(rows, 1)) {
            let part = start..<min(start + max(rows, 1), cells.count)
            let result = try model.trace { t in
                for index in part {
                    let (source, centre) = cells[index]
                    let prompt = t.prompt(ids)
                    for layer in max(0, centre - window / 2)..<min(model.layers, centre + (window + 1) / 2) {
                        for keys in keys(source, subject, ids.count) {
                            prompt.knockOut(layer: layer, from: ids.count - 1, to: keys)
                        }
                    }
                    t.save("\(index)", prompt["logits", token: -1].softmax().at(token, axis: 0))
                }
            }
            let p = Double(base[token])
            changes += try part.map { (Double(try result.value("\($0)").item) - p) / p }
        }
        return ScoreGrid(
            title: "Cutting what the last token sees, \(window) layers at once: change of P(\(model.label(token)))",
            rows: sources.map(\.rawValue), columns: centres.map { "\($0)" },
            values: sources.indices.map { Array(changes[$0 * centres.count..<($0 + 1) * centres.count]) },
            columnAxis: "layer")
    }

    private static func keys(_ source: Source, _ subject: Range<Int>, _ count: Int) -> [Range<Int>] {
        switch source {
        case .subject: [subject]
        case .others: [0..<subject.lowerBound, subject.upperBound..<count - 1].filter { !$0.isEmpty }
        case .last: [count - 1..<count]
        }
    }
}
