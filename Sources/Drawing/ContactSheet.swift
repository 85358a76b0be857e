public import Imaging

/// A labelled grid of pictures: a title, row and column headings, and a caption under each picture.
public struct ContactSheet: Sendable {
    /// One place of the grid.
    public struct Cell: Sendable {
        public var image: Image
        public var caption: String

        public init(_ image: Image, caption: String = "") {
            self.image = image
            self.caption = caption
        }
    }

    public var title: String
    public var columnTitles: [String]
    public var rowTitles: [String]
    /// Rows may differ in length; nil leaves a place empty.
    public var rows: [[Cell?]]
    /// The side at which every picture is shown, in pixels.
    public var pictureSize: Int
    /// Captions are cut after so many lines.
    public var captionLines: Int

    public init(
        rows: [[Cell?]], title: String = "", columnTitles: [String] = [], rowTitles: [String] = [],
        pictureSize: Int = 160, captionLines: Int = 4
    ) {
        self.rows = rows
        self.title = title
        self.columnTitles = columnTitles
        self.rowTitles = rowTitles
        self.pictureSize = pictureSize
        self.captionLines = captionLines
    }

    /// Cells in reading order, broken into rows of `columns`.
    public init(_ cells: [Cell], columns: Int, title: String = "", pictureSize: Int = 160, captionLines: Int = 4) {
        let columns = max(1, columns)
        let rows = stride(from: 0, to: cells.count, by: columns).map { start in
            cells[start..<min(start + columns, cells.count)].map { Optional($0) }
        }
        self.init(rows: rows, title: title, pictureSize: pictureSize, captionLines: captionLines)
    }

    private static let paper = Color(hex: 0xF6F5F2)
    private static let titleStyle = TextStyle(size: 20, color: Color(hex: 0x2B2D31), bold: true)
    private static let headingStyle = TextStyle(size: 13, color: Color(hex: 0x4A4D55), bold: true)
    private static let captionStyle = TextStyle(size: 11.5, color: Color(hex: 0x5B5F68))
    private static let margin = 24.0
    private static let gap = 16.0
    private static let lineHeight = 15.0

    /// Draws the sheet; its size follows from the grid.
    public func draw() -> Image {
        let ruler = Canvas(width: 1, height: 1)
        let side = Double(max(8, pictureSize))
        let columns = max(1, rows.map(\.count).max() ?? 0)
        let headings = columnTitles.map {
            ruler.wrapped($0, width: side, Self.headingStyle, maximumLines: 2)
        }
        let sideTitles = rowTitles.map { ruler.wrapped($0, width: 110, Self.headingStyle, maximumLines: 6) }
        let captions = rows.map { row in
            row.map { cell in
                ruler.wrapped(cell?.caption ?? "", width: side, Self.captionStyle, maximumLines: captionLines)
            }
        }
        let left = Self.margin + (rowTitles.isEmpty ? 0 : 126)
        let headingLines = headings.map(\.count).max() ?? 0
        let titleLines =
            title.isEmpty
            ? []
            : ruler.wrapped(
                title, width: left - Self.margin + Double(columns) * (side + Self.gap) - Self.gap, Self.titleStyle)
        let top =
            Self.margin + Double(titleLines.count) * 26 + (titleLines.isEmpty ? 0 : 8)
            + (headingLines == 0 ? 0 : Double(headingLines) * 17 + 6)
        let rowHeights = captions.map { row in
            let lines = row.map(\.count).max() ?? 0
            return side + (lines == 0 ? 0 : Double(lines) * Self.lineHeight + 9) + Self.gap
        }
        let width = left + Double(columns) * (side + Self.gap) - Self.gap + Self.margin
        let height = top + rowHeights.reduce(0, +) - (rowHeights.isEmpty ? 0 : Self.gap) + Self.margin
        let canvas = Canvas(
            width: Int(width.rounded(.up)), height: Int(height.rounded(.up)), background: Self.paper)

        for (index, line) in titleLines.enumerated() {
            canvas.text(line, Self.margin, Self.margin + 18 + Double(index) * 26, Self.titleStyle)
        }
        for (column, lines) in headings.prefix(columns).enumerated() {
            let center = left + Double(column) * (side + Self.gap) + side / 2
            for (index, line) in lines.enumerated() {
                let y = top - 8 - Double(lines.count - 1 - index) * 17
                canvas.text(line, center, y, Self.headingStyle, anchor: .middle)
            }
        }
        var y = top
        for (row, cells) in rows.enumerated() {
            if row < sideTitles.count {
                let lines = sideTitles[row]
                let first = y + side / 2 + 5 - Double(lines.count - 1) * 8.5
                for (index, line) in lines.enumerated() {
                    canvas.text(line, left - 16, first + Double(index) * 17, Self.headingStyle, anchor: .end)
                }
            }
            for (column, cell) in cells.enumerated() {
                guard let cell else { continue }
                let x = left + Double(column) * (side + Self.gap)
                draw(cell.image, on: canvas, x, y, side)
                for (index, line) in captions[row][column].enumerated() {
                    canvas.text(
                        line, x + 1, y + side + 18 + Double(index) * Self.lineHeight, Self.captionStyle)
                }
            }
            y += rowHeights[row]
        }
        return Image(width: canvas.width, height: canvas.height, pixels: canvas.rgb())
    }

    /// Fits a picture into its square, enlarging small ones without blur when the factor is whole.
    private func draw(_ image: Image, on canvas: Canvas, _ x: Double, _ y: Double, _ side: Double) {
        let scale = side / Double(max(image.width, image.height))
        let (w, h) = (Double(image.width) * scale, Double(image.height) * scale)
        let (px, py) = (x + (side - w) / 2, y + (side - h) / 2)
        canvas.fill(.rectangle(px - 1, py, w + 2, h + 2), Color(hex: 0x000000, alpha: 0.14))
        canvas.picture(
            image.pixels, width: image.width, height: image.height, px, py, displayWidth: w,
            smooth: scale != scale.rounded())
    }
}
