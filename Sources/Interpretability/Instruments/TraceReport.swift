public import Drawing
public import Imaging

/// What an instrument found: numbers that can be encoded, a table to read, a picture, a page.
public protocol TraceReport: Encodable, Sendable {
    var table: String { get }
    func picture() -> Image
    /// A page that needs nothing but itself.
    func page() throws -> HTMLPage
}

/// Numbers by row and column, with their names.
public struct ScoreGrid: Codable, Sendable, Hashable, TraceReport {
    public var title: String
    public var rows: [String]
    public var columns: [String]
    public var values: [[Double]]
    public var rowAxis: String
    public var columnAxis: String

    public init(
        title: String, rows: [String], columns: [String], values: [[Double]], rowAxis: String = "",
        columnAxis: String = ""
    ) {
        self.title = title
        self.rows = rows
        self.columns = columns
        self.values = values
        self.rowAxis = rowAxis
        self.columnAxis = columnAxis
    }

    /// The row and column of the largest value.
    public var largest: (row: Int, column: Int)? {
        let all = values.enumerated().flatMap { row, cells in cells.enumerated().map { (row, $0.offset, $0.element) } }
        return all.filter { $0.2.isFinite }.max { $0.2 < $1.2 }.map { ($0.0, $0.1) }
    }

    public var table: String {
        TextTable.text(
            [[""] + columns] + zip(rows, values).map { [$0] + $1.map { TextTable.number($0) } }, title: title)
    }

    public var heatMap: HeatMap {
        HeatMap(
            values, rowLabels: rows, columnLabels: columns, title: title, xLabel: columnAxis, yLabel: rowAxis)
    }

    public func picture() -> Image { heatMap.draw() }
}

/// Columns of words, evened out with spaces.
enum TextTable {
    static func text(_ rows: [[String]], title: String) -> String {
        let columns = rows.map(\.count).max() ?? 0
        let widths = (0..<columns).map { column in rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0 }
        let lines = rows.map { row in
            row.enumerated().map { column, word in
                let space = String(repeating: " ", count: widths[column] - word.count)
                return column == 0 ? word + space : space + word
            }.joined(separator: "  ")
        }
        return ([title] + lines).filter { !$0.isEmpty }.joined(separator: "\n")
    }

    /// Three digits behind the point.
    static func number(_ value: Double) -> String {
        guard value.isFinite else { return "-" }
        guard abs(value) < 1e12 else { return "\(value)" }
        let thousandths = Int((abs(value) * 1000).rounded())
        let digits = String(thousandths % 1000)
        let sign = value < 0 && thousandths > 0 ? "-" : ""
        return "\(sign)\(thousandths / 1000)." + String(repeating: "0", count: 3 - digits.count) + digits
    }
}

/// Pictures side by side or one below the other.
enum PictureStack {
    static func column(_ images: [Image], gap: Int = 8) -> Image {
        guard let first = images.first, images.count > 1 else { return images.first ?? Image(width: 1, height: 1) }
        let width = images.map(\.width).max() ?? first.width
        let height = images.map(\.height).reduce(0, +) + gap * (images.count - 1)
        let canvas = Canvas(width: width, height: height, background: Color(hex: 0xFBFAF8))
        var y = 0
        for image in images {
            canvas.picture(
                image.pixels, width: image.width, height: image.height, 0, Double(y), displayWidth: Double(image.width))
            y += image.height + gap
        }
        return Image(width: width, height: height, pixels: canvas.rgb())
    }
}

/// Several reports as one: tables and pictures one below the other.
public struct ReportList: TraceReport {
    private let reports: [any TraceReport]

    public init(_ reports: [any TraceReport]) { self.reports = reports }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.unkeyedContainer()
        for report in reports { try report.encode(to: container.superEncoder()) }
    }

    public var table: String { reports.map(\.table).joined(separator: "\n\n") }
    public func picture() -> Image { PictureStack.column(reports.map { $0.picture() }) }

    public func page() throws -> HTMLPage {
        let pages = try reports.map { try $0.page() }
        guard pages.count != 1 else { return pages[0] }
        var page = HTMLPage(title: "Traces")
        for part in pages { page.append(part) }
        return page
    }
}
