public import TensorCore

/// Attention knockout for a model without attention: what the last token reads of a set of tokens is taken out of the
/// recurrence, in a window of layers.
public enum MambaKnockout {
    public enum Mode: String, Sendable, CaseIterable, Codable {
        /// What enters the mixer (a) is put to a baseline at the tokens of the set, and held at its clean value at all
        /// others but the last: the published method. Other tokens see the change, too.
        case ablation
        /// The states that the last token reads are those of a recurrence that the set did not write into:
        /// `alpha[last, set] = 0`. What the convolution and the time steps carry is left.
        case edge
        /// What the recurrence gives the last token (s) is that of a copy of the layer in which a is at a baseline at
        /// the set: nothing flows from the set to the last token within a mixer, and no other token is touched.
        case shadow
    }

    /// What is ablated, and to what.
    public struct Options: Sendable {
        public var mode = Mode.shadow
        public var window = 5
        /// Middle layers of the windows; all when nil.
        public var layers: [Int]?
        /// Texts whose mean activation is the baseline; zero without any.
        public var baseline: [PromptInput] = []
        /// The model's likeliest next token when nil.
        public var answer: Int?
        /// How many knockouts run side by side.
        public var rows = 16

        public init() {}
    }

    /// The relative change of the probability of the answer, by set of tokens and middle layer of the window.
    public static func changes(
        _ model: TracedTextModel, _ prompt: PromptInput, subject: Range<Int>, _ options: Options = Options()
    ) throws -> ScoreGrid {
        guard model.aliases.layer["mixer.s"] != nil else {
            throw TraceError(
                .unsupported, "model", expected: "a Mamba", found: "another family", advice: "use AttentionKnockout")
        }
        let ids = try model.tokens(prompt)
        guard !subject.isEmpty, subject.lowerBound >= 0, subject.upperBound < ids.count else {
            throw TraceError(
                .input, "subject", expected: "tokens before the last, within 0..<\(ids.count - 1)", found: "\(subject)")
        }
        let centres = try model.checked(layers: options.layers)
        let others = (0..<ids.count - 1).filter { !subject.contains($0) }
        let sets = [("subject", Array(subject)), ("non-subject", others)].filter { !$0.1.isEmpty }
        let cells = sets.flatMap { set in centres.map { (set.1, $0) } }
        let base = try model.trace { t in t.save("p", t.prompt(ids)["logits", token: -1].softmax()) }.value("p").floats
        let token = options.answer ?? base.indices.max { base[$0] < base[$1] } ?? 0
        guard base.indices.contains(token) else {
            throw TraceError(.input, "answer", expected: "a token below \(base.count)", found: "\(token)")
        }
        let baselines = try baselines(model, options)
        var changes: [Double] = []
        for start in stride(from: 0, to: cells.count, by: max(options.rows, 1)) {
            let part = start..<min(start + max(options.rows, 1), cells.count)
            let result = try model.trace { t in
                let clean = t.prompt(ids)
                for index in part {
                    let (keys, centre) = cells[index]
                    let layers =
                        max(0, centre - options.window / 2)..<min(model.layers, centre + (options.window + 1) / 2)
                    let prompt = t.prompt(ids)
                    knockOut(t, prompt, clean, keys, layers, options.mode, baselines, count: ids.count)
                    t.save("\(index)", prompt["logits", token: -1].softmax().at(token, axis: 0))
                }
            }
            let p = Double(base[token])
            changes += try part.map { (Double(try result.value("\($0)").item) - p) / p }
        }
        return ScoreGrid(
            title:
                "Knockout (\(options.mode.rawValue)), \(options.window) layers at once: change of P(\(model.label(token)))",
            rows: sets.map(\.0), columns: centres.map { "\($0)" },
            values: sets.indices.map { Array(changes[$0 * centres.count..<($0 + 1) * centres.count]) },
            columnAxis: "layer")
    }

    /// Takes the tokens `keys` out of what the last token of `prompt` reads, in some layers.
    ///
    /// - Parameters:
    ///   - clean: the same prompt without interventions.
    ///   - baselines: what takes the place of a, by layer: `[channels]`; zero where there is none.
    public static func knockOut(
        _ t: TraceBuilder, _ prompt: TracedPrompt, _ clean: TracedPrompt, _ keys: [Int], _ layers: Range<Int>,
        _ mode: Mode,
        _ baselines: [Int: Tensor] = [:], count: Int
    ) {
        func baseline(_ layer: Int) -> TracedValue { baselines[layer].map { t.constant($0) } ?? t.constant(0) }
        if mode == .ablation {
            for layer in layers {
                let site = "layers.\(layer).mixer.a"
                for place in 0..<count - 1 {
                    prompt[site, token: place] = keys.contains(place) ? baseline(layer) : clean[site, token: place]
                }
            }
            return
        }
        // A row that each layer gives the residuals of the prompt, so that it is a copy of that layer.
        let copy = t.prompt(t.graph.prompts[prompt.index])
        for layer in layers {
            let path = "layers.\(layer)"
            copy["\(path).resid_pre"] = prompt["\(path).resid_pre"]
            let (written, read) = mode == .edge ? ("mixer.B", "mixer.state") : ("mixer.a", "mixer.s")
            let value = mode == .edge ? t.constant(0) : baseline(layer)
            for key in keys { copy["\(path).\(written)", token: key] = value }
            prompt["\(path).\(read)", token: -1] = copy["\(path).\(read)", token: -1]
        }
    }

    /// The mean of a over all tokens of some texts, by layer.
    private static func baselines(_ model: TracedTextModel, _ options: Options) throws -> [Int: Tensor] {
        guard !options.baseline.isEmpty else { return [:] }
        var result: [Int: Tensor] = [:]
        let found = try model.trace { t in
            let prompts = options.baseline.map { t.prompt($0) }
            for layer in 0..<model.layers {
                t.save("\(layer)", t.concatenated(prompts.map { $0["layers.\(layer).mixer.a"] }, axis: 0).mean([0]))
            }
        }
        for layer in 0..<model.layers { result[layer] = try found.value("\(layer)") }
        return result
    }
}
