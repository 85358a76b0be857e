/// How a camera held the picture, by the EXIF number: where the stored first row and first column belong.
enum Orientation: Int {
    case up = 1, upMirrored, down, downMirrored, leftMirrored, right, rightMirrored, left

    /// From 5 on, stored rows are shown as columns.
    var swapsAxes: Bool { rawValue >= 5 }
}

extension Image {
    /// The picture as it should be shown.
    func oriented(_ orientation: Orientation) -> Image {
        guard orientation != .up else { return self }
        let (shownWidth, shownHeight) = orientation.swapsAxes ? (height, width) : (width, height)
        let (right, bottom) = (width - 1, height - 1)
        let shown = [UInt8](unsafeUninitializedCapacity: pixels.count) { shown, count in
            pixels.withUnsafeBufferPointer { stored in
                for y in 0..<shownHeight {
                    for x in 0..<shownWidth {
                        let (column, row) =
                            switch orientation {
                            case .up: (x, y)
                            case .upMirrored: (right - x, y)
                            case .down: (right - x, bottom - y)
                            case .downMirrored: (x, bottom - y)
                            case .leftMirrored: (y, x)
                            case .right: (y, bottom - x)
                            case .rightMirrored: (right - y, bottom - x)
                            case .left: (right - y, x)
                            }
                        for c in 0..<3 {
                            shown[(y * shownWidth + x) * 3 + c] = stored[(row * width + column) * 3 + c]
                        }
                    }
                }
            }
            count = pixels.count
        }
        return Image(width: shownWidth, height: shownHeight, pixels: shown)
    }
}
