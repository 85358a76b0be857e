internal import CCairo

/// What a shape is filled or stroked with.
public enum Paint: Sendable {
    /// One colour of a gradient at `offset` 0...1.
    public struct Stop: Sendable {
        public var offset: Double
        public var color: Color

        public init(_ offset: Double, _ color: Color) {
            self.offset = offset
            self.color = color
        }
    }

    case solid(Color)
    case linear(from: Point, to: Point, stops: [Stop])
    /// Circles (ellipses where `aspect`, height over width, is not 1) around `center`, from radius `inner` to `outer`.
    case radial(center: Point, inner: Double, outer: Double, aspect: Double, stops: [Stop])

    /// A gradient from `top` at `y1` to `bottom` at `y2`.
    public static func vertical(_ y1: Double, _ y2: Double, _ top: Color, _ bottom: Color) -> Paint {
        .linear(from: Point(0, y1), to: Point(0, y2), stops: [Stop(0, top), Stop(1, bottom)])
    }

    /// A gradient from `left` at `x1` to `right` at `x2`.
    public static func horizontal(_ x1: Double, _ x2: Double, _ left: Color, _ right: Color) -> Paint {
        .linear(from: Point(x1, 0), to: Point(x2, 0), stops: [Stop(0, left), Stop(1, right)])
    }

    /// A soft spot: `color` at the centre, its own hue fully transparent at `radius`, with a smooth fall-off.
    public static func glow(_ x: Double, _ y: Double, _ radius: Double, _ color: Color, aspect: Double = 1) -> Paint {
        .radial(
            center: Point(x, y), inner: 0, outer: radius, aspect: aspect,
            stops: [
                Stop(0, color), Stop(0.35, color.opacity(color.alpha * 0.72)),
                Stop(0.7, color.opacity(color.alpha * 0.2)), Stop(1, color.opacity(0)),
            ])
    }

    /// Hands a cairo pattern of this paint to `body` and releases it afterwards.
    func withPattern(_ body: (OpaquePointer?) -> Void) {
        let pattern: OpaquePointer?
        let stops: [Stop]
        switch self {
        case .solid(let color):
            pattern = cairo_pattern_create_rgba(color.red, color.green, color.blue, color.alpha)
            stops = []
        case .linear(let from, let to, let colors):
            pattern = cairo_pattern_create_linear(from.x, from.y, to.x, to.y)
            stops = colors
        case .radial(let center, let inner, let outer, let aspect, let colors):
            pattern = cairo_pattern_create_radial(0, 0, inner, 0, 0, outer)
            var matrix = cairo_matrix_t()
            cairo_matrix_init_scale(&matrix, 1, 1 / aspect)
            cairo_matrix_translate(&matrix, -center.x, -center.y)
            cairo_pattern_set_matrix(pattern, &matrix)
            stops = colors
        }
        for stop in stops {
            cairo_pattern_add_color_stop_rgba(
                pattern, stop.offset, stop.color.red, stop.color.green, stop.color.blue, stop.color.alpha)
        }
        body(pattern)
        cairo_pattern_destroy(pattern)
    }
}
