public import Drawing
import Imaging

extension BaseEvaluation.Result {
    /// Held-out captions with their pictures; what the probe found wrong is marked.
    public func captionSheet(count: Int = 40, columns: Int = 8) -> ContactSheet {
        ContactSheet(
            heldOut.prefix(count).map(\.cell), columns: columns, title: "Held-out captions", pictureSize: 128)
    }

    /// Captions of combinations that the model never saw.
    public func unseenSheet(count: Int = 40, columns: Int = 8) -> ContactSheet {
        ContactSheet(
            unseen.prefix(count).map(\.cell), columns: columns, title: "Combinations left out of training",
            pictureSize: 128)
    }

    /// Some rows of each ordered attribute.
    public func orderSheet(rowsPerAttribute: Int = 3) -> ContactSheet {
        var counts: [String: Int] = [:]
        let chosen = rows.filter { row in
            counts[row.attribute, default: 0] += 1
            return counts[row.attribute, default: 0] <= rowsPerAttribute
        }
        return ContactSheet(
            rows: chosen.map { $0.pictures.map(\.cell) }, rowTitles: chosen.map(\.attribute), pictureSize: 128)
    }
}

extension BaseEvaluation.Shown {
    fileprivate var cell: ContactSheet.Cell { .init(picture, caption: (isRight ? "" : "✗ ") + caption) }
}
