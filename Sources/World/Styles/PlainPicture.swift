internal import Imaging

/// A plain picture as three planes, which every other style starts from.
struct PlainPicture {
    let size: Int
    let red: Plane
    let green: Plane
    let blue: Plane

    init(_ source: PictureSource, size: Int) {
        let image = source.plain(size: size)
        let pixels = image.pixels
        func plane(_ channel: Int) -> Plane {
            Plane(size: size, values: (0..<size * size).map { Float(pixels[$0 * 3 + channel]) / 255 })
        }
        (self.size, red, green, blue) = (size, plane(0), plane(1), plane(2))
    }

    private init(_ red: Plane, _ green: Plane, _ blue: Plane) {
        (size, self.red, self.green, self.blue) = (red.size, red, green, blue)
    }

    func at(_ x: Float, _ y: Float) -> RGB { RGB(red.at(x, y), green.at(x, y), blue.at(x, y)) }

    func blurred(_ radius: Float) -> PlainPicture {
        PlainPicture(red.blurred(radius), green.blurred(radius), blue.blurred(radius))
    }

    /// Luminance stretched so that nights and fogs use the whole range of tones too.
    var tone: Plane {
        let plane = Plane(
            size: size,
            values: (0..<size * size).map { RGB(red.values[$0], green.values[$0], blue.values[$0]).luminance })
        let (low, high) = (plane.quantile(0.02), plane.quantile(0.98))
        let middle = (low + high) / 2
        let reach = max(0.2, (high - low) / 2)
        return Plane(size: size, values: plane.values.map { max(0, min(1, ($0 - middle) / reach * 0.5 + 0.5)) })
    }

    /// The strongest edge of the three channels.
    var edges: Plane {
        let (r, g, b) = (red.edges.values, green.edges.values, blue.edges.values)
        return Plane(size: size, values: r.indices.map { max(r[$0], g[$0], b[$0]) })
    }
}
