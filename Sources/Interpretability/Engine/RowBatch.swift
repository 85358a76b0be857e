internal import TensorCore

/// The value of a site for all rows of a batch, taken apart into rows without padding and put together again.
struct RowBatch {
    private let value: Tensor
    private let entry: SiteScan.Entry
    private let context: StepContext

    init(_ value: Tensor, _ entry: SiteScan.Entry, _ context: StepContext) {
        self.value = value
        self.entry = entry
        self.context = context
    }

    /// The value of a row, without the axis of rows and without padding.
    func row(_ place: Int) -> Tensor {
        let whole = whole(place)
        return whole.selected(box(place, whole.shape))
    }

    /// The batch with other rows in the places of some.
    func replacing(_ rows: [Int: Tensor]) -> Tensor {
        guard !rows.isEmpty else { return value }
        var parts: [Tensor] = []
        var next = 0
        for (place, row) in rows.sorted(by: { $0.key < $1.key }) {
            if place > next { parts.append(value.narrowed(0, start: next, count: place - next)) }
            let whole = whole(place)
            parts.append(whole.replacing(box(place, whole.shape), with: row).unsqueezed(0))
            next = place + 1
        }
        if next < value.size(0) { parts.append(value.narrowed(0, start: next, count: value.size(0) - next)) }
        return concatenated(parts, axis: 0)
    }

    /// A value that all rows share has one row.
    private func whole(_ place: Int) -> Tensor { value.selected(0, min(place, value.size(0) - 1)) }

    /// What of a row is no padding. The last of an axis of tokens is the last token of the call, so the first is
    /// `past + count - size`.
    private func box(_ place: Int, _ shape: [Int]) -> Box {
        let padding = context.padding[place]
        guard padding > 0 else { return Box(sides: []) }
        return Box(
            sides: entry.sizes.enumerated().compactMap { axis, size in
                let skipped = padding - (context.past + context.count - shape[axis])
                guard size == .tokens, skipped > 0 else { return nil }
                return Box.Side(axis: axis, start: skipped, count: shape[axis] - skipped, drops: false)
            })
    }
}
