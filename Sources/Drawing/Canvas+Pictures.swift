internal import CCairo

extension Canvas {
    /// Draws an RGB8 picture with its top left corner at `(x, y)`, scaled to `displayWidth` drawing units.
    ///
    /// - Parameter pixels: `height * width * 3` bytes, row by row.
    public func picture(
        _ pixels: [UInt8], width: Int, height: Int, _ x: Double, _ y: Double, displayWidth: Double, smooth: Bool = true
    ) {
        precondition(
            pixels.count == width * height * 3,
            "Canvas.picture: \(width) x \(height) needs \(width * height * 3) bytes, found \(pixels.count)")
        let source = cairo_image_surface_create(CAIRO_FORMAT_RGB24, Int32(width), Int32(height))
        defer { cairo_surface_destroy(source) }
        guard let data = cairo_image_surface_get_data(source) else { return }
        let stride = Int(cairo_image_surface_get_stride(source))
        for row in 0..<height {
            let out = UnsafeMutableRawPointer(data + row * stride)
            for column in 0..<width {
                let at = (row * width + column) * 3
                let pixel = UInt32(pixels[at]) << 16 | UInt32(pixels[at + 1]) << 8 | UInt32(pixels[at + 2])
                out.storeBytes(of: pixel, toByteOffset: column * 4, as: UInt32.self)
            }
        }
        cairo_surface_mark_dirty(source)
        let factor = displayWidth / Double(width)
        translated(x, y) {
            scaled(factor, factor) {
                cairo_set_source_surface(context, source, 0, 0)
                let pattern = cairo_get_source(context)
                cairo_pattern_set_filter(pattern, smooth ? CAIRO_FILTER_GOOD : CAIRO_FILTER_NEAREST)
                cairo_pattern_set_extend(pattern, CAIRO_EXTEND_PAD)
                cairo_rectangle(context, 0, 0, Double(width), Double(height))
                cairo_fill(context)
            }
        }
    }
}
