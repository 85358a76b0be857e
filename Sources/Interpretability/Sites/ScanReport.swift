import Layers

/// The sites of a model with the shapes that their values have for a prompt; nothing is computed for it.
public struct ScanReport: Encodable, Sendable {
    public struct Row: Encodable, Sendable, Hashable {
        /// The path, and the port where it is not the output.
        public let site: String
        /// The papers' name, where there is one.
        public let name: String?
        /// What the axes are called in selections.
        public let axes: [String]
        public let shape: [Int]
        /// Bytes of the value for one prompt.
        public let bytes: Int
        /// Whether all prompts share one value.
        public let isShared: Bool
    }

    public let rows: [Row]

    /// - Parameter prompt: whose shapes are told.
    /// - Throws: `TraceError` for a prompt that the model cannot read.
    public init<Model: TraceableModel>(_ model: Model, _ prompt: PromptInput) throws {
        let tokens = try model.tokenCounts([prompt])[0]
        let scan = try model.scan([prompt])
        let names = model.aliases.names(of: scan)
        rows = scan.entries.map { entry in
            let shape = entry.shape(tokens: tokens, step: 0)
            return Row(
                site: entry.name, name: names[SiteAliases.Target(path: entry.path, port: entry.port)],
                axes: entry.axisNames, shape: shape, bytes: 4 * (TensorLiteral.count(shape) ?? 0),
                isShared: entry.isShared)
        }
    }

    public var table: String {
        let cells = rows.map { row in
            [
                row.site, row.name ?? "", row.shape.map(String.init).joined(separator: " x "),
                row.axes.joined(separator: ", "),
            ]
        }
        let all = [["site", "name", "shape", "axes"]] + cells
        let widths = (0..<4).map { column in all.map { $0[column].count }.max() ?? 0 }
        return all.map { row in
            let padded = zip(row, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }
            return padded.joined(separator: "  ").trimmingSuffix()
        }.joined(separator: "\n")
    }
}

extension String {
    fileprivate func trimmingSuffix() -> String {
        var text = self[...]
        while text.last == " " { text.removeLast() }
        return String(text)
    }
}

extension SiteAliases {
    /// The papers' names by what they stand for, as far as a scan has it.
    func names(of scan: SiteScan) -> [Target: String] {
        let known = Set(scan.entries.map { Target(path: $0.path, port: $0.port) })
        var names = [Target: String](whole.map { ($1, $0) }, uniquingKeysWith: min)
        for number in 0... {
            let before = names.count
            for name in layer.keys {
                let full = "layers.\(number).\(name)"
                guard let target = target(full), known.contains(target) else { continue }
                names[target] = min(names[target] ?? full, full)
            }
            if names.count == before { break }
        }
        return names
    }
}

extension ScanReport {
    /// The sites with a text in their path or name.
    public func containing(_ part: String) -> ScanReport {
        ScanReport(rows: rows.filter { $0.site.contains(part) || $0.name?.contains(part) ?? false })
    }

    private init(rows: [Row]) { self.rows = rows }
}
