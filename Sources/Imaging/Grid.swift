/// Puts pictures on one sheet, row by row, each centred in a cell of the largest width and height among them.
///
/// - Parameters:
///   - columns: cells in a row; the sheet is no wider than it has pictures.
///   - padding: pixels around and between the cells.
/// - Precondition: at least one picture, one column, and no negative padding.
public func grid(
    of images: [Image], columns: Int, padding: Int = 2,
    background: (red: UInt8, green: UInt8, blue: UInt8) = (255, 255, 255)
) -> Image {
    precondition(!images.isEmpty && columns > 0 && padding >= 0, "grid: expected images, columns > 0 and padding >= 0")
    let columns = min(columns, images.count)
    let rows = (images.count + columns - 1) / columns
    let cellWidth = images.reduce(0) { max($0, $1.width) }
    let cellHeight = images.reduce(0) { max($0, $1.height) }
    var sheet = Image(
        width: columns * (cellWidth + padding) + padding, height: rows * (cellHeight + padding) + padding,
        filledWith: background)
    for (index, image) in images.enumerated() {
        sheet.paste(
            image,
            x: padding + index % columns * (cellWidth + padding) + (cellWidth - image.width) / 2,
            y: padding + index / columns * (cellHeight + padding) + (cellHeight - image.height) / 2)
    }
    return sheet
}

extension Image {
    /// Replaces the pixels from `(x, y)` on by those of `image`.
    /// - Precondition: `image` lies inside.
    public mutating func paste(_ image: Image, x: Int, y: Int) {
        precondition(
            x >= 0 && y >= 0 && x + image.width <= width && y + image.height <= height,
            "paste: \(image.width)x\(image.height) at (\(x), \(y)) is not inside \(width)x\(height)")
        for row in 0..<image.height {
            let source = row * image.width * 3
            let target = ((y + row) * width + x) * 3
            pixels.replaceSubrange(
                target..<target + image.width * 3, with: image.pixels[source..<source + image.width * 3])
        }
    }
}
