import Adapters
import Foundation
import Imaging
import Layers
import TensorCore

/// When an adapter of a stack acts: from a start on, within a window, along a curve.
public struct StackSchedule: Codable, Sendable, Hashable {
    /// The share of the training timesteps at which it starts: it acts once `t <= start * T`. Concept Sliders'
    /// `start_noise` 800 is 0.8.
    public var start: Double?
    /// What `from`, `to` and `curve` are measured in: timestep, fraction (of the steps done) or sigma.
    public var axis: String?
    public var from: Double?
    public var to: Double?
    /// Corners `[position, factor]`, straight lines between them.
    public var curve: [[Double]]?

    public init(
        start: Double? = nil, axis: String? = nil, from: Double? = nil, to: Double? = nil, curve: [[Double]]? = nil
    ) {
        self.start = start
        self.axis = axis
        self.from = from
        self.to = to
        self.curve = curve
    }

    /// - Parameter timesteps: that the model was trained with.
    /// - Throws: `GenerationError` for what makes no sense together.
    func schedule(timesteps: Int, of name: String) throws -> Schedule {
        let axisName = axis ?? "timestep"
        guard let kind = Schedule.Axis(rawValue: axisName) else {
            throw GenerationError(
                "\(name): axis", expected: "one of \(Schedule.Axis.allCases.map(\.rawValue).joined(separator: ", "))",
                found: axisName)
        }
        if let start {
            guard (0...1).contains(start) else {
                throw GenerationError("\(name): start", expected: "0 to 1", found: "\(start)")
            }
            guard from == nil, to == nil, curve == nil else {
                throw GenerationError("\(name): start", expected: "no window and no curve beside it", found: "one")
            }
            return .starting(atNoise: start * Double(timesteps))
        }
        let points = try (curve ?? []).map { point in
            guard point.count == 2, point.allSatisfy(\.isFinite) else {
                throw GenerationError("\(name): curve", expected: "corners [position, factor]", found: "\(point)")
            }
            return Schedule.Point(point[0], point[1])
        }
        guard from != nil || to != nil else { return Schedule(kind, points: points) }
        let (low, high) = (from ?? 0, to ?? .greatestFiniteMagnitude)
        guard low <= high else {
            throw GenerationError("\(name): from", expected: "at most `to` (\(high))", found: "\(low)")
        }
        return Schedule(kind, window: low...high, points: points)
    }
}

/// Where in the picture an adapter of a stack acts.
public struct StackRegion: Codable, Sendable, Hashable {
    /// `[left, top, right, bottom]` as shares of the picture's sides.
    public var box: [Double]?
    /// A picture: white is inside, black outside.
    public var mask: PictureRecipe.InputFile?
    /// How far the edge is softened, as a share of the picture's shorter side.
    public var feather: Double?
    /// Whether the latents outside stay those of the picture without the stack.
    public var lock: Bool?

    public init(
        box: [Double]? = nil, mask: PictureRecipe.InputFile? = nil, feather: Double? = nil, lock: Bool? = nil
    ) {
        self.box = box
        self.mask = mask
        self.feather = feather
        self.lock = lock
    }

    /// The grid that boxes are drawn on; layers average it down to their own maps.
    private static let side = 128

    /// Checks the numbers before any compute.
    func validate(_ name: String) throws {
        guard (box == nil) != (mask == nil) else {
            throw GenerationError(
                "\(name): region", expected: "a box or a mask", found: box == nil ? "neither" : "both")
        }
        if let box {
            let isInside = box.count == 4 && box.allSatisfy { (0...1).contains($0) }
            guard isInside, box[0] < box[2], box[1] < box[3] else {
                throw GenerationError(
                    "\(name): region box", expected: "[left, top, right, bottom] within 0 to 1", found: "\(box)")
            }
        }
        guard (0...0.5).contains(feather ?? 0) else {
            throw GenerationError("\(name): feather", expected: "0 to 0.5", found: "\(feather ?? 0)")
        }
    }

    func regionMask(_ name: String) throws -> RegionMask {
        try validate(name)
        let side = Self.side
        var values: [Float]
        if let box {
            values = (0..<side * side).map { index in
                let (x, y) = (Double(index % side) + 0.5, Double(index / side) + 0.5)
                let isInside =
                    x > box[0] * Double(side) && x < box[2] * Double(side) && y > box[1] * Double(side)
                    && y < box[3] * Double(side)
                return isInside ? 1 : 0
            }
        } else {
            let picture = try readImage(at: mask?.path ?? "").image.resized(width: side, height: side)
            values = (0..<side * side).map { index in
                Float((0..<3).reduce(0) { $0 + Int(picture.pixels[3 * index + $1]) }) / (3 * 255)
            }
        }
        let radius = Int(((feather ?? 0) * Double(side)).rounded())
        if radius > 0 { values = Self.blurred(values, side: side, radius: radius) }
        return RegionMask(Tensor(values, shape: [side, side]))
    }

    /// Two box blurs along each side: nearly a tent.
    private static func blurred(_ values: [Float], side: Int, radius: Int) -> [Float] {
        func pass(_ source: [Float], step: Int, line: Int) -> [Float] {
            var result = source
            for row in 0..<side {
                for column in 0..<side {
                    var (sum, count): (Float, Float) = (0, 0)
                    for offset in max(0, column - radius)...min(side - 1, column + radius) {
                        sum += source[row * line + offset * step]
                        count += 1
                    }
                    result[row * line + column * step] = sum / count
                }
            }
            return result
        }
        var result = values
        for _ in 0..<2 {
            result = pass(result, step: 1, line: side)
            result = pass(result, step: side, line: 1)
        }
        return result
    }
}

/// A factor for the layers whose path contains a text.
public struct StackGain: Codable, Sendable, Hashable {
    /// `mid_block`, `attn1`, `up_blocks.1.`, ...
    public var part: String
    public var gain: Double

    public init(part: String, gain: Double) {
        self.part = part
        self.gain = gain
    }
}

/// The rows of guidance in which an adapter acts.
public enum StackBranch: String, Codable, Sendable, CaseIterable {
    case all, conditional, unconditional

    var rows: RowWeights {
        switch self {
        case .all: .all
        // Rows of styles are conditional ones with another adapter.
        case .conditional: RowWeights(roles: [.unconditional: 0])
        case .unconditional: .only([.unconditional])
        }
    }
}
