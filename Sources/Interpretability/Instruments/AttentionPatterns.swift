public import Imaging
internal import Drawing
internal import TensorCore

/// Where each head looks: the probabilities of attention, by query and key.
public struct AttentionPatterns: TraceReport {
    public struct Head: Codable, Sendable, Hashable {
        public let layer: Int
        public let head: Int
        /// By query, then key.
        public let pattern: [[Double]]
    }

    public let tokens: [String]
    public let heads: [Head]

    /// - Parameters:
    ///   - layers: all when nil.
    ///   - heads: all when nil.
    public init(_ model: TracedTextModel, _ prompt: PromptInput, layers: [Int]? = nil, heads: [Int]? = nil) throws {
        try model.requireAttention()
        let ids = try model.tokens(prompt)
        let wanted = try model.checked(layers: layers)
        let result = try model.trace { t in
            let prompt = t.prompt(ids)
            for layer in wanted { t.save("\(layer)", prompt["layers.\(layer).attn.pattern"]) }
        }
        tokens = model.labels(ids)
        self.heads = try wanted.flatMap { layer in
            let pattern = try result.value("\(layer)")
            let chosen = heads ?? Array(0..<pattern.size(0))
            return try chosen.map { head in
                guard (0..<pattern.size(0)).contains(head) else {
                    throw TraceError(.input, "heads", expected: "heads below \(pattern.size(0))", found: "\(head)")
                }
                let rows = pattern.selected(0, head)
                return Head(
                    layer: layer, head: head,
                    pattern: (0..<ids.count).map { rows.selected(0, $0).floats.map(Double.init) })
            }
        }
    }

    /// For each head, the key that the last token looks at most, and how much of its attention stays on the first.
    public var table: String {
        let rows = heads.map { head in
            let last = head.pattern.last ?? []
            let best = last.indices.max { last[$0] < last[$1] } ?? 0
            return [
                "\(head.layer).\(head.head)", tokens[best], TextTable.number(last[best]),
                TextTable.number(last.first ?? 0),
            ]
        }
        return TextTable.text(
            [["head", "looks at", "share", "first token"]] + rows, title: "attention of the last token")
    }

    /// Four, or as many as make a sheet of many heads about as wide as it is high.
    static func columns(_ count: Int) -> Int {
        min(max(count, 1), max(4, Int(Double(count).squareRoot().rounded(.up))))
    }

    /// A few heads over a short prompt have its tokens at their sides; the others stand in a denser sheet.
    public func picture() -> Image {
        let isLabelled = heads.count <= 36 && tokens.count <= 48
        let side = isLabelled ? 16 : max(6, min(18, 220 / Double(max(tokens.count, 1))))
        let maps = heads.map { head in
            HeatMap(
                head.pattern, rowLabels: isLabelled ? tokens : [], columnLabels: isLabelled ? tokens : [],
                range: 0...1, cellWidth: side, cellHeight: side
            ).draw()
        }
        let cells = zip(heads, maps).map { head, map in
            ContactSheet.Cell(map, caption: "layer \(head.layer), head \(head.head)")
        }
        let natural = maps.map { max($0.width, $0.height) }.max() ?? 260
        return ContactSheet(
            cells, columns: isLabelled ? min(heads.count, 3) : Self.columns(heads.count),
            title: "Attention: queries down, keys across", pictureSize: isLabelled ? natural : 260
        ).draw()
    }
}
