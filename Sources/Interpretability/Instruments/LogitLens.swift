internal import Drawing
public import Imaging
internal import TensorCore

/// What the model would say if it stopped after each layer: the final norm and the head on the residual stream.
///
///     logits(layer, token) = head(norm(resid_post(layer, token)))
public struct LogitLens: TraceReport {
    public struct Candidate: Codable, Sendable, Hashable {
        public let token: Int
        public let text: String
        public let probability: Double
    }

    public let tokens: [String]
    public let layers: [Int]
    /// By layer and token, likeliest first.
    public let candidates: [[[Candidate]]]

    /// - Parameter top: how many candidates are kept at each place.
    public init(_ model: TracedTextModel, _ prompt: PromptInput, layers: [Int]? = nil, top: Int = 3) throws {
        let ids = try model.tokens(prompt)
        let wanted = try model.checked(layers: layers)
        let result = try model.trace { t in
            let prompt = t.prompt(ids)
            for layer in wanted {
                t.save("\(layer)", prompt["layers.\(layer).resid_post"].unembedded().softmax())
            }
        }
        tokens = model.labels(ids)
        self.layers = wanted
        candidates = try wanted.map { layer in
            let rows = try result.value("\(layer)")
            return (0..<ids.count).map { place in
                let probabilities = rows.selected(0, place).floats
                let best = probabilities.indices.sorted { probabilities[$0] > probabilities[$1] }.prefix(top)
                return best.map { Candidate(token: $0, text: model.label($0), probability: Double(probabilities[$0])) }
            }
        }
    }

    public var table: String {
        let rows = zip(layers, candidates).reversed().map { layer, places in
            ["\(layer)"] + places.map { $0.first.map { "\($0.text) \(TextTable.number($0.probability))" } ?? "" }
        }
        return TextTable.text([["layer"] + tokens] + rows, title: "logit lens: the likeliest next token")
    }

    /// Tokens side by side in the picture, and the most that it shows: the last ones.
    private static let (bandWidth, mostTokens) = (16, 96)

    /// Long prompts are broken into bands.
    public func picture() -> Image {
        let places = Array(tokens.indices.suffix(Self.mostTokens))
        let bands = stride(from: 0, to: places.count, by: Self.bandWidth).map {
            Array(places[$0..<min($0 + Self.bandWidth, places.count)])
        }
        let shown = places.count < tokens.count ? " (the last \(places.count) of \(tokens.count) tokens)" : ""
        return PictureStack.column(
            bands.enumerated().map { number, band in
                HeatMap(
                    candidates.reversed().map { layer in band.map { layer[$0].first?.probability ?? 0 } },
                    rowLabels: layers.reversed().map { "\($0)" }, columnLabels: band.map { tokens[$0] },
                    title: number == 0 ? "Logit lens: the likeliest next token after each layer" + shown : "",
                    cellTexts: candidates.reversed().map { layer in band.map { layer[$0].first?.text ?? "" } },
                    range: 0...1, yLabel: "layer", cellWidth: 70, cellHeight: 19
                ).draw()
            })
    }
}
