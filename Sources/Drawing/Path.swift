/// A position in the canvas' current units, y down.
public struct Point: Sendable, Hashable {
    public var x: Double
    public var y: Double

    public init(_ x: Double, _ y: Double) {
        self.x = x
        self.y = y
    }
}

/// An outline to fill, stroke or clip with: a value made of segments.
public struct Path: Sendable {
    enum Segment: Sendable {
        case move(Point)
        case line(Point)
        case curve(Point, Point, Point)
        case arc(center: Point, radius: Double, from: Double, to: Double)
        case ellipse(center: Point, radiusX: Double, radiusY: Double, rotation: Double)
        case close
    }

    var segments: [Segment] = []

    public init() {}

    public mutating func move(_ x: Double, _ y: Double) { segments.append(.move(Point(x, y))) }
    public mutating func line(_ x: Double, _ y: Double) { segments.append(.line(Point(x, y))) }

    /// A cubic Bezier segment to `(x, y)` with control points `(x1, y1)` and `(x2, y2)`.
    public mutating func curve(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ x: Double, _ y: Double) {
        segments.append(.curve(Point(x1, y1), Point(x2, y2), Point(x, y)))
    }

    /// A circular arc, clockwise on the screen; angles in radians from the positive x axis.
    public mutating func arc(_ x: Double, _ y: Double, radius: Double, from: Double, to: Double) {
        segments.append(.arc(center: Point(x, y), radius: radius, from: from, to: to))
    }

    public mutating func ellipse(
        _ x: Double, _ y: Double, _ radiusX: Double, _ radiusY: Double, rotation: Double = 0
    ) {
        segments.append(.ellipse(center: Point(x, y), radiusX: radiusX, radiusY: radiusY, rotation: rotation))
    }

    public mutating func close() { segments.append(.close) }

    public mutating func append(_ other: Path) { segments += other.segments }

    public static func circle(_ x: Double, _ y: Double, _ radius: Double) -> Path {
        .ellipse(x, y, radius, radius)
    }

    public static func ellipse(
        _ x: Double, _ y: Double, _ radiusX: Double, _ radiusY: Double, rotation: Double = 0
    ) -> Path {
        var path = Path()
        path.ellipse(x, y, radiusX, radiusY, rotation: rotation)
        return path
    }

    public static func rectangle(_ x: Double, _ y: Double, _ width: Double, _ height: Double) -> Path {
        .polygon([Point(x, y), Point(x + width, y), Point(x + width, y + height), Point(x, y + height)])
    }

    public static func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double) -> Path {
        var path = Path()
        path.move(x1, y1)
        path.line(x2, y2)
        return path
    }

    public static func polygon(_ points: [Point], closed: Bool = true) -> Path {
        var path = Path()
        for (index, point) in points.enumerated() {
            path.segments.append(index == 0 ? .move(point) : .line(point))
        }
        if closed { path.close() }
        return path
    }

    /// A smooth curve through all `points`: Catmull-Rom segments written as cubic Beziers.
    ///
    ///     c1 = p1 + (p2 - p0) * tension / 6,    c2 = p2 - (p3 - p1) * tension / 6
    ///
    /// - Parameter tension: 1 is the usual spline, 0 gives straight lines.
    public static func smooth(_ points: [Point], closed: Bool = true, tension: Double = 1) -> Path {
        guard points.count > 2 else { return .polygon(points, closed: closed) }
        let count = points.count
        func at(_ index: Int) -> Point {
            closed ? points[(index + count) % count] : points[max(0, min(count - 1, index))]
        }
        var path = Path()
        path.move(points[0].x, points[0].y)
        let k = tension / 6
        for index in 0..<(closed ? count : count - 1) {
            let (p0, p1, p2, p3) = (at(index - 1), at(index), at(index + 1), at(index + 2))
            path.curve(
                p1.x + (p2.x - p0.x) * k, p1.y + (p2.y - p0.y) * k, p2.x - (p3.x - p1.x) * k, p2.y - (p3.y - p1.y) * k,
                p2.x, p2.y)
        }
        if closed { path.close() }
        return path
    }
}
