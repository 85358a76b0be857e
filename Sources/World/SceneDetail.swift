internal import Drawing

/// A part of a picture that carries attributes of its own.
public struct SceneDetail: Sendable, Hashable {
    public enum Part: String, Sendable, Codable, CaseIterable {
        /// With the brows.
        case eyes
        case mouth
        /// Everything below the highest ridge of a landscape: ridges, trees, house and ground.
        case land
        /// Where clouds are, or could be, of a landscape whose weather leaves it to their number how the sky looks.
        case clouds
    }

    public let part: Part
    /// From 0, the left edge, to 1, the right edge.
    public let x: ClosedRange<Double>
    /// From 0, the upper edge, to 1, the lower edge.
    public let y: ClosedRange<Double>

    /// The share of each cell of a grid that the part covers: `rows · columns` values, row by row.
    public func coverage(rows: Int, columns: Int) -> [Double] {
        let across = Self.coverage(of: x, cells: columns)
        return Self.coverage(of: y, cells: rows).flatMap { down in across.map { down * $0 } }
    }

    private static func coverage(of range: ClosedRange<Double>, cells: Int) -> [Double] {
        (0..<cells).map { cell in
            let low = max(range.lowerBound * Double(cells), Double(cell))
            let high = min(range.upperBound * Double(cells), Double(cell + 1))
            return max(0, high - low)
        }
    }
}

extension Scene {
    /// Where the parts of the picture are: eyes and mouth of a portrait, land and clouds of a landscape.
    public var details: [SceneDetail] {
        switch self {
        case .portrait(let portrait): PortraitArtist(portrait, on: Canvas(width: 1, height: 1)).details
        case .landscape(let landscape): [landscape.land] + landscape.clouds
        }
    }
}

extension Landscape {
    /// From where the highest ridge can reach, which depends on the terrain, to the lower edge.
    fileprivate var land: SceneDetail {
        let top =
            switch terrain {
            case .mountains: 0.28
            case .sea: 0.4
            case .desert: 0.44
            case .hills: 0.5
            }
        return SceneDetail(part: .land, x: 0...1, y: top...1)
    }

    fileprivate var clouds: [SceneDetail] {
        switch weather {
        case .clear, .cloud: [SceneDetail(part: .clouds, x: 0...1, y: 0...0.45)]
        case .rain, .snow, .fog: []
        }
    }
}
