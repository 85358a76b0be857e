internal import Drawing

/// A table whose cells may be coloured by a number and tell more under the pointer.
public struct HTMLTable: Sendable {
    public struct Cell: Sendable {
        public var text: String
        /// What colours the cell; nil for plain text.
        public var value: Double?
        /// What is told under the pointer.
        public var note: String?

        public init(_ text: String, value: Double? = nil, note: String? = nil) {
            self.text = text
            self.value = value
            self.note = note
        }
    }

    public var columns: [String]
    /// Rows from the top, each with its name.
    public var rows: [(name: String, cells: [Cell])]
    /// The values at the ends of the colours; nil takes the smallest and largest.
    public var range: ClosedRange<Double>?
    /// What stands above the rows' names.
    public var corner: String

    public init(
        columns: [String], rows: [(name: String, cells: [Cell])], range: ClosedRange<Double>? = nil,
        corner: String = ""
    ) {
        self.columns = columns
        self.rows = rows
        self.range = range
        self.corner = corner
    }

    var html: String {
        let values = rows.map { $0.cells.map { $0.value ?? .nan } }
        let scale = HeatMap(values, range: range)
        let bounds = scale.bounds
        let head = ([corner] + columns).map { "<th>\($0.escapedForHTML)</th>" }.joined()
        let body = rows.map { row in
            let cells = row.cells.map { cell($0, scale, bounds) }.joined()
            return "<tr><th>\(row.name.escapedForHTML)</th>\(cells)</tr>"
        }.joined(separator: "\n")
        let legend = values.joined().contains { $0.isFinite } ? Self.legend(scale, bounds) : ""
        return
            "<div class=\"scroll\"><table><thead><tr>\(head)</tr></thead>\n<tbody>\(body)</tbody></table></div>\(legend)"
    }

    private func cell(_ cell: Cell, _ scale: HeatMap, _ bounds: ClosedRange<Double>) -> String {
        let note = cell.note.map { " title=\"\($0.escapedForHTML)\"" } ?? ""
        guard let value = cell.value else { return "<td class=\"text\"\(note)>\(cell.text.escapedForHTML)</td>" }
        let color = scale.color(value, bounds)
        let ink = color.luminance < 0.55 ? "#fff" : "#2b2d31"
        return "<td\(note) style=\"background:\(color.hex);color:\(ink)\">\(cell.text.escapedForHTML)</td>"
    }

    /// The colours from the smallest value to the largest.
    static func legend(_ scale: HeatMap, _ bounds: ClosedRange<Double>) -> String {
        let stops = (0...8).map { step in
            scale.color(bounds.lowerBound + (bounds.upperBound - bounds.lowerBound) * Double(step) / 8, bounds).hex
        }
        return "<p class=\"legend\">\(TextTable.number(bounds.lowerBound)) <span class=\"scale\" "
            + "style=\"background:linear-gradient(to right,\(stops.joined(separator: ",")))\"></span> "
            + "\(TextTable.number(bounds.upperBound))</p>"
    }
}

/// Many numbers as a drawing of coloured squares, each of which tells its value under the pointer.
public struct HTMLMatrix: Sendable {
    public var caption: String
    public var values: [[Double]]
    public var rowNames: [String]
    public var columnNames: [String]
    public var range: ClosedRange<Double>?

    public init(
        caption: String, values: [[Double]], rowNames: [String], columnNames: [String],
        range: ClosedRange<Double>? = nil
    ) {
        self.caption = caption
        self.values = values
        self.rowNames = rowNames
        self.columnNames = columnNames
        self.range = range
    }

    /// How many values there are.
    var squares: Int { values.reduce(0) { $0 + $1.count } }

    var html: String {
        let scale = HeatMap(values, range: range)
        let bounds = scale.bounds
        let columns = values.map(\.count).max() ?? 0
        let strength = max(abs(bounds.lowerBound), abs(bounds.upperBound))
        var squares: [String] = []
        for (y, row) in values.enumerated() {
            // Squares that are white to the eye are the background.
            for (x, value) in row.enumerated() where !value.isFinite || abs(value) > strength / 200 {
                let names = [y < rowNames.count ? rowNames[y] : "", x < columnNames.count ? columnNames[x] : ""]
                squares.append(
                    "<rect x=\"\(x)\" y=\"\(y)\" width=\"1\" height=\"1\" fill=\"\(scale.color(value, bounds).hex)\">"
                        + "<title>\(names.joined(separator: " → ").escapedForHTML): \(TextTable.number(value))</title></rect>"
                )
            }
        }
        let side = max(140, min(columns * 14, 420))
        return "<figure><svg viewBox=\"0 0 \(max(columns, 1)) \(max(values.count, 1))\" width=\"\(side)\" "
            + "shape-rendering=\"crispEdges\" role=\"img\">\(squares.joined())</svg>"
            + "<figcaption>\(caption.escapedForHTML)</figcaption></figure>"
    }
}
