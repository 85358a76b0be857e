public import Drawing
import Imaging

extension SliderEvaluation.Result {
    /// Pictures along the scales, one row a prompt.
    public func sheet() -> ContactSheet {
        ContactSheet(
            rows: rows.map { row in row.pictures.map { .init($0) } }, title: "\(report.slider): \(report.target)",
            columnTitles: report.scales.map { "\($0)" }, rowTitles: rows.map(\.prompt), pictureSize: 128)
    }

    /// The mean change of every trait over the scales, the target's in front.
    public func plot() -> LinePlot {
        LinePlot(
            report.rows.enumerated().map { index, row in
                LinePlot.Series(row.trait, Array(zip(report.scales, row.changes)), faint: index > 0)
            }, title: "\(report.slider): change of each trait, of its range", xLabel: "scale", yLabel: "change")
    }

    /// The other ways beside the slider, one row a prompt; nil where none was drawn.
    public func waySheet() -> ContactSheet? {
        guard !wayRows.isEmpty else { return nil }
        return ContactSheet(
            rows: wayRows.map { row in row.pictures.map { .init($0) } }, title: "\(report.slider) beside other ways",
            columnTitles: ["plain"] + report.ways.map(\.name), rowTitles: wayRows.map(\.prompt), pictureSize: 128)
    }
}
