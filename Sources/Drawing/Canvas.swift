internal import CCairo

/// A picture being drawn: paths filled and stroked with paints, in y-down coordinates, on an opaque background.
///
/// A thin cover over a cairo image surface. It is a reference type used by one thread while it draws; the result,
/// `rgb()`, is a value. The same calls give the same bytes.
public final class Canvas {
    public let width: Int
    public let height: Int
    let surface: OpaquePointer?
    let context: OpaquePointer?

    /// A canvas of `width` x `height` pixels filled with `background`.
    ///
    /// - Parameter scale: pixels per drawing unit, so that one drawing serves several sizes.
    public init(width: Int, height: Int, scale: Double = 1, background: Color = .white) {
        precondition(width > 0 && height > 0, "Canvas: size must be positive, found \(width) x \(height)")
        self.width = width
        self.height = height
        surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, Int32(width), Int32(height))
        context = cairo_create(surface)
        cairo_set_source_rgb(context, background.red, background.green, background.blue)
        cairo_paint(context)
        cairo_scale(context, scale, scale)
        cairo_set_line_cap(context, CAIRO_LINE_CAP_ROUND)
        cairo_set_line_join(context, CAIRO_LINE_JOIN_ROUND)
        // A quarter of the default's sampling work for edges that look the same.
        cairo_set_antialias(context, CAIRO_ANTIALIAS_FAST)
        cairo_set_tolerance(context, 0.15)
    }

    deinit {
        cairo_destroy(context)
        cairo_surface_destroy(surface)
    }

    // MARK: shapes

    public func fill(_ path: Path, _ paint: Paint) {
        lay(path)
        paint.withPattern { pattern in
            cairo_set_source(context, pattern)
            cairo_fill(context)
        }
    }

    public func fill(_ path: Path, _ color: Color) { fill(path, .solid(color)) }

    /// Strokes with round caps and joins; `width` and `dash` lengths are in drawing units.
    public func stroke(_ path: Path, _ paint: Paint, width: Double, dash: [Double] = []) {
        lay(path)
        cairo_set_line_width(context, width)
        cairo_set_dash(context, dash, Int32(dash.count), 0)
        paint.withPattern { pattern in
            cairo_set_source(context, pattern)
            cairo_stroke(context)
        }
    }

    public func stroke(_ path: Path, _ color: Color, width: Double, dash: [Double] = []) {
        stroke(path, .solid(color), width: width, dash: dash)
    }

    /// Covers everything inside the current clip.
    public func paint(_ paint: Paint) {
        paint.withPattern { pattern in
            cairo_set_source(context, pattern)
            cairo_paint(context)
        }
    }

    /// A soft round spot, see `Paint.glow`.
    public func glow(_ x: Double, _ y: Double, _ radius: Double, _ color: Color, aspect: Double = 1) {
        fill(.ellipse(x, y, radius, radius * aspect), .glow(x, y, radius, color, aspect: aspect))
    }

    // MARK: state

    /// Runs `body` with the graphics state saved and restored around it.
    public func saved(_ body: () -> Void) {
        cairo_save(context)
        body()
        cairo_restore(context)
    }

    /// Runs `body` with drawing confined to `path`.
    public func clipped(to path: Path, _ body: () -> Void) {
        saved {
            lay(path)
            cairo_clip(context)
            body()
        }
    }

    /// Draws `body` on a layer of its own and lays it down with one `alpha`, so that overlaps do not show.
    public func group(alpha: Double, blend: Blend = .normal, _ body: () -> Void) {
        if alpha >= 1, case .normal = blend { return saved(body) }
        cairo_push_group(context)
        body()
        cairo_pop_group_to_source(context)
        saved {
            cairo_set_operator(context, blend.cairoOperator)
            cairo_paint_with_alpha(context, alpha)
        }
    }

    /// Runs `body` with another way to combine colours.
    public func blending(_ blend: Blend, _ body: () -> Void) {
        saved {
            cairo_set_operator(context, blend.cairoOperator)
            body()
        }
    }

    public func translated(_ x: Double, _ y: Double, _ body: () -> Void) {
        saved {
            cairo_translate(context, x, y)
            body()
        }
    }

    public func scaled(_ x: Double, _ y: Double, _ body: () -> Void) {
        saved {
            cairo_scale(context, x, y)
            body()
        }
    }

    public func rotated(_ radians: Double, _ body: () -> Void) {
        saved {
            cairo_rotate(context, radians)
            body()
        }
    }

    // MARK: result

    /// The drawing as RGB bytes.
    ///
    /// - Returns: `height * width * 3` bytes, row by row from the top left.
    public func rgb() -> [UInt8] {
        cairo_surface_flush(surface)
        let stride = Int(cairo_image_surface_get_stride(surface))
        guard let data = cairo_image_surface_get_data(surface) else { return [] }
        return [UInt8](unsafeUninitializedCapacity: width * height * 3) { buffer, count in
            var out = 0
            for y in 0..<height {
                let row = UnsafeRawPointer(data + y * stride)
                for x in 0..<width {
                    let pixel = row.load(fromByteOffset: x * 4, as: UInt32.self)
                    buffer[out] = UInt8(truncatingIfNeeded: pixel >> 16)
                    buffer[out + 1] = UInt8(truncatingIfNeeded: pixel >> 8)
                    buffer[out + 2] = UInt8(truncatingIfNeeded: pixel)
                    out += 3
                }
            }
            count = out
        }
    }

    private func lay(_ path: Path) {
        cairo_new_path(context)
        for segment in path.segments {
            switch segment {
            case .move(let p): cairo_move_to(context, p.x, p.y)
            case .line(let p): cairo_line_to(context, p.x, p.y)
            case .curve(let a, let b, let p): cairo_curve_to(context, a.x, a.y, b.x, b.y, p.x, p.y)
            case .arc(let center, let radius, let from, let to):
                cairo_arc(context, center.x, center.y, radius, from, to)
            case .ellipse(let center, let radiusX, let radiusY, let rotation):
                guard radiusX > 0, radiusY > 0 else { continue }
                cairo_new_sub_path(context)
                cairo_save(context)
                cairo_translate(context, center.x, center.y)
                cairo_rotate(context, rotation)
                cairo_scale(context, radiusX, radiusY)
                cairo_arc(context, 0, 0, 1, 0, 2 * .pi)
                cairo_restore(context)
                cairo_close_path(context)
            case .close: cairo_close_path(context)
            }
        }
    }
}

/// How a drawn colour combines with what is below.
public enum Blend: Sendable {
    case normal, multiply, screen, softLight, overlay

    var cairoOperator: cairo_operator_t {
        switch self {
        case .normal: CAIRO_OPERATOR_OVER
        case .multiply: CAIRO_OPERATOR_MULTIPLY
        case .screen: CAIRO_OPERATOR_SCREEN
        case .softLight: CAIRO_OPERATOR_SOFT_LIGHT
        case .overlay: CAIRO_OPERATOR_OVERLAY
        }
    }
}
