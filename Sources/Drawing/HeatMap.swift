public import Imaging

/// A matrix as coloured cells with the names of its rows and columns, and a scale beside it.
public struct HeatMap: Sendable {
    public var title: String
    public var rowLabels: [String]
    public var columnLabels: [String]
    /// Rows from the top; values that are not finite are drawn grey.
    public var values: [[Double]]
    /// Words in the cells, as many as values; empty for none.
    public var cellTexts: [[String]]
    /// The values at the ends of the scale; nil takes the smallest and largest, and zero where all are positive.
    public var range: ClosedRange<Double>?
    public var xLabel: String
    public var yLabel: String
    /// The size of a cell in pixels.
    public var cellWidth: Double
    public var cellHeight: Double

    public init(
        _ values: [[Double]], rowLabels: [String] = [], columnLabels: [String] = [], title: String = "",
        cellTexts: [[String]] = [], range: ClosedRange<Double>? = nil, xLabel: String = "", yLabel: String = "",
        cellWidth: Double = 26, cellHeight: Double = 20
    ) {
        self.values = values
        self.rowLabels = rowLabels
        self.columnLabels = columnLabels
        self.title = title
        self.cellTexts = cellTexts
        self.range = range
        self.xLabel = xLabel
        self.yLabel = yLabel
        self.cellWidth = cellWidth
        self.cellHeight = cellHeight
    }

    private static let paper = Color(hex: 0xFBFAF8)
    private static let titleStyle = TextStyle(size: 15, color: Color(hex: 0x2B2D31), bold: true)
    private static let labelStyle = TextStyle(size: 11, color: Color(hex: 0x4A4D55))
    private static let high = [Color(hex: 0xFFFFFF), Color(hex: 0x9DC3DC), Color(hex: 0x33658A), Color(hex: 0x16324A)]
    private static let low = [Color(hex: 0xFFFFFF), Color(hex: 0xF0B79F), Color(hex: 0xB5432A)]

    /// The values at the ends of the scale.
    public var bounds: ClosedRange<Double> {
        if let range { return range }
        let finite = values.joined().filter(\.isFinite)
        let (low, high) = (min(0, finite.min() ?? 0), max(0, finite.max() ?? 1))
        return low...(high > low ? high : low + 1)
    }

    /// White at zero, blue above it, red below; both with the larger end of the scale as their full strength.
    public func color(_ value: Double, _ bounds: ClosedRange<Double>) -> Color {
        guard value.isFinite else { return Color(hex: 0xD9D9D9) }
        let strength = max(abs(bounds.lowerBound), abs(bounds.upperBound))
        let stops = value < 0 ? Self.low : Self.high
        let place = min(1, abs(value) / max(strength, 1e-300)) * Double(stops.count - 1)
        let index = min(Int(place), stops.count - 2)
        return stops[index].mixed(with: stops[index + 1], place - Double(index))
    }

    public func draw() -> Image {
        let ruler = Canvas(width: 1, height: 1)
        let columns = max(values.map(\.count).max() ?? 0, 1)
        let margin = 16.0
        let widestRow = rowLabels.map { ruler.textWidth($0, Self.labelStyle) }.max() ?? 0
        let widestColumn = columnLabels.map { ruler.textWidth($0, Self.labelStyle) }.max() ?? 0
        let isTilted = widestColumn > cellWidth - 4
        let left = margin + (yLabel.isEmpty ? 0 : 18) + widestRow + 8
        let top = margin + (title.isEmpty ? 0 : 26)
        let bottom = (isTilted ? widestColumn * 0.71 + 14 : 18) + (xLabel.isEmpty ? 4 : 22) + margin
        let (gridWidth, gridHeight) = (Double(columns) * cellWidth, Double(max(values.count, 1)) * cellHeight)
        let width = max(left + gridWidth + 76, ruler.textWidth(title, Self.titleStyle) + 2 * margin)
        let height = top + max(gridHeight, 60) + bottom
        let canvas = Canvas(width: Int(width.rounded(.up)), height: Int(height.rounded(.up)), background: Self.paper)
        let bounds = bounds

        canvas.text(title, margin, margin + 13, Self.titleStyle)
        for (row, cells) in values.enumerated() {
            let y = top + Double(row) * cellHeight
            if row < rowLabels.count {
                canvas.text(rowLabels[row], left - 8, y + cellHeight / 2 + 4, Self.labelStyle, anchor: .end)
            }
            for (column, value) in cells.enumerated() {
                let x = left + Double(column) * cellWidth
                let shade = color(value, bounds)
                canvas.fill(.rectangle(x, y, cellWidth, cellHeight), shade)
                guard row < cellTexts.count, column < cellTexts[row].count else { continue }
                let ink = shade.luminance < 0.55 ? Color.white : Color(hex: 0x2B2D31)
                canvas.clipped(to: .rectangle(x, y, cellWidth, cellHeight)) {
                    canvas.text(
                        cellTexts[row][column], x + cellWidth / 2, y + cellHeight / 2 + 4,
                        TextStyle(size: 10.5, color: ink), anchor: .middle)
                }
            }
        }
        canvas.stroke(.rectangle(left, top, gridWidth, gridHeight), Color(hex: 0xB9BCC4), width: 1)
        for (column, label) in columnLabels.prefix(columns).enumerated() {
            let x = left + (Double(column) + 0.5) * cellWidth
            if isTilted {
                canvas.text(label, x + 4, top + gridHeight + 12, Self.labelStyle, anchor: .end, rotation: -0.785)
            } else {
                canvas.text(label, x, top + gridHeight + 14, Self.labelStyle, anchor: .middle)
            }
        }
        canvas.text(xLabel, left + gridWidth / 2, height - margin + 2, Self.labelStyle, anchor: .middle)
        if !yLabel.isEmpty {
            canvas.text(yLabel, margin + 8, top + gridHeight / 2, Self.labelStyle, anchor: .middle, rotation: -1.5708)
        }
        drawScale(canvas, left + gridWidth + 16, top, max(gridHeight, 60), bounds)
        return Image(width: canvas.width, height: canvas.height, pixels: canvas.rgb())
    }

    private func drawScale(_ canvas: Canvas, _ x: Double, _ y: Double, _ height: Double, _ bounds: ClosedRange<Double>)
    {
        let steps = 40
        for step in 0..<steps {
            let share = (Double(step) + 0.5) / Double(steps)
            let value = bounds.upperBound + (bounds.lowerBound - bounds.upperBound) * share
            canvas.fill(
                .rectangle(x, y + height * Double(step) / Double(steps), 10, height / Double(steps) + 0.5),
                color(value, bounds))
        }
        canvas.stroke(.rectangle(x, y, 10, height), Color(hex: 0xB9BCC4), width: 1)
        for (value, at) in [(bounds.upperBound, y + 8), (bounds.lowerBound, y + height)] {
            canvas.text(Self.number(value), x + 14, at, Self.labelStyle)
        }
    }

    /// Three digits at most behind the point.
    private static func number(_ value: Double) -> String {
        let rounded = (value * 1000).rounded() / 1000
        return rounded == rounded.rounded() && abs(rounded) < 1e6 ? "\(Int(rounded))" : "\(rounded)"
    }
}
