internal import CCairo

/// How a run of text looks: a family of the system's fonts, its size in drawing units, weight and colour.
public struct TextStyle: Sendable {
    public enum Anchor: Sendable { case start, middle, end }

    public var size: Double
    public var color: Color
    public var bold: Bool
    public var family: String

    public init(size: Double, color: Color = Color(hex: 0x333333), bold: Bool = false, family: String = "sans-serif") {
        self.size = size
        self.color = color
        self.bold = bold
        self.family = family
    }
}

extension Canvas {
    /// Writes one line with its baseline at `y`.
    public func text(
        _ string: String, _ x: Double, _ y: Double, _ style: TextStyle, anchor: TextStyle.Anchor = .start,
        rotation: Double = 0
    ) {
        translated(x, y) {
            rotated(rotation) {
                select(style)
                let advance = extents(of: string).x_advance
                let shift =
                    switch anchor {
                    case .start: 0.0
                    case .middle: -advance / 2
                    case .end: -advance
                    }
                cairo_move_to(context, shift, 0)
                cairo_set_source_rgba(
                    context, style.color.red, style.color.green, style.color.blue, style.color.alpha)
                cairo_show_text(context, string)
                cairo_new_path(context)
            }
        }
    }

    /// The width of one line in drawing units.
    public func textWidth(_ string: String, _ style: TextStyle) -> Double {
        var width = 0.0
        saved {
            select(style)
            width = extents(of: string).x_advance
        }
        return width
    }

    /// Breaks `string` at spaces into lines no wider than `width`; the last of `maximumLines` ends in "..." when cut.
    public func wrapped(_ string: String, width: Double, _ style: TextStyle, maximumLines: Int = .max) -> [String] {
        var lines: [String] = []
        var current = ""
        for word in string.split(separator: " ").map(String.init) {
            let candidate = current.isEmpty ? word : current + " " + word
            if current.isEmpty || textWidth(candidate, style) <= width {
                current = candidate
            } else {
                lines.append(current)
                current = word
            }
        }
        if !current.isEmpty { lines.append(current) }
        guard lines.count > maximumLines, maximumLines > 0 else { return lines }
        lines = Array(lines.prefix(maximumLines))
        var last = lines[maximumLines - 1]
        while !last.isEmpty, textWidth(last + "...", style) > width { last.removeLast() }
        lines[maximumLines - 1] = last + "..."
        return lines
    }

    private func select(_ style: TextStyle) {
        cairo_select_font_face(
            context, style.family, CAIRO_FONT_SLANT_NORMAL,
            style.bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL)
        cairo_set_font_size(context, style.size)
    }

    private func extents(of string: String) -> cairo_text_extents_t {
        var extents = cairo_text_extents_t()
        cairo_text_extents(context, string, &extents)
        return extents
    }
}
