extension Image {
    /// The rectangle whose top left pixel is `(x, y)`.
    /// - Precondition: it is not empty and lies inside the picture.
    public func cropped(x: Int, y: Int, width cropWidth: Int, height cropHeight: Int) -> Image {
        precondition(
            x >= 0 && y >= 0 && cropWidth > 0 && cropHeight > 0 && x + cropWidth <= width && y + cropHeight <= height,
            "cropped: \(cropWidth)x\(cropHeight) at (\(x), \(y)) is not inside \(width)x\(height)")
        var cropped: [UInt8] = []
        cropped.reserveCapacity(cropWidth * cropHeight * 3)
        for row in y..<y + cropHeight {
            let start = (row * width + x) * 3
            cropped += pixels[start..<start + cropWidth * 3]
        }
        return Image(width: cropWidth, height: cropHeight, pixels: cropped)
    }

    /// The middle `width` x `height`; of an odd remainder the smaller half is cut at the left and the top.
    public func centerCropped(width cropWidth: Int, height cropHeight: Int) -> Image {
        cropped(
            x: (width - cropWidth) / 2, y: (height - cropHeight) / 2, width: cropWidth, height: cropHeight)
    }
}
