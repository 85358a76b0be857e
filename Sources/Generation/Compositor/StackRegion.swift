import Adapters
import Imaging
import Layers
import TensorCore

/// Where in the picture an adapter of a stack acts.
public struct StackRegion: Codable, Sendable, Hashable {
    /// `[left, top, right, bottom]` as shares of the picture's sides.
    public var box: [Double]?
    /// A picture: white is inside, black outside.
    public var mask: PictureRecipe.InputFile?
    /// A word of the prompt: the region is what it draws.
    public var word: String?
    /// How much of the highest probability a place of the word has; a half when nil.
    public var threshold: Double?
    /// How far the edge is softened, as a share of the picture's shorter side: the radius of two box blurs, so that some of
    /// it is felt twice as far to either side.
    public var feather: Double?
    /// Whether the picture stays as it is without the stack wherever the softened mask is 0.
    public var lock: Bool?

    public init(
        box: [Double]? = nil, mask: PictureRecipe.InputFile? = nil, word: String? = nil, threshold: Double? = nil,
        feather: Double? = nil, lock: Bool? = nil
    ) {
        self.box = box
        self.mask = mask
        self.word = word
        self.threshold = threshold
        self.feather = feather
        self.lock = lock
    }

    /// The grid that boxes are drawn on; layers average it down to their own maps.
    static let side = 128

    /// Checks the numbers before any compute.
    func validate(_ name: String) throws {
        let kinds = [box.map { _ in "a box" }, mask.map { _ in "a mask" }, word.map { _ in "a word" }].compactMap { $0 }
        guard kinds.count == 1 else {
            throw GenerationError(
                "\(name): region", expected: "a box, a mask or a word",
                found: kinds.isEmpty ? "none" : kinds.joined(separator: " and "))
        }
        if let threshold, word == nil || !(threshold > 0 && threshold <= 1) {
            throw GenerationError(
                "\(name): threshold", expected: "a number over 0, at most 1, beside a word", found: "\(threshold)")
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

    /// The region of a word, which has no place yet.
    var wordRegion: WordRegion? {
        word.map { WordRegion($0, threshold: threshold ?? 0.5, feather: feather ?? 0) }
    }

    /// Nil for the region of a word.
    func regionMask(_ name: String) throws -> RegionMask? {
        try validate(name)
        if word != nil { return nil }
        let side = Self.side
        let values: [Float]
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
        guard values.contains(where: { $0 > 0 }) else {
            throw GenerationError(
                "\(name): region \(box == nil ? "mask" : "box")",
                expected: "something of the picture inside, drawn on \(side) places along each side",
                found: box.map { "\($0), in which none of them lies" } ?? "a picture without white: \(mask?.path ?? "")"
            )
        }
        return RegionMask(values, feather: feather ?? 0)
    }
}

extension RegionMask {
    /// A mask of values on a square grid, its edges softened.
    ///
    /// - Parameters:
    ///   - values: `side · side`, row by row.
    ///   - feather: how far, as a share of the picture's shorter side.
    ///   - width, height: of the picture that the grid is stretched over, in any unit.
    init(_ values: [Float], feather: Double, width: Int = 1, height: Int = 1) {
        let side = Int(Double(values.count).squareRoot())
        func radius(_ length: Int) -> Int {
            Int((feather * Double(side) * Double(min(width, height)) / Double(length)).rounded())
        }
        let soft = Self.blurred(values, side: side, across: radius(width), down: radius(height))
        self.init(Tensor(soft, shape: [side, side]))
        if feather > 0 { unsoftened = Unsoftened(values: values, feather: feather) }
    }

    /// The mask with its edge softened equally far in both directions of a picture.
    func softened(width: Int, height: Int) -> RegionMask {
        guard let unsoftened, width != height else { return self }
        return RegionMask(unsoftened.values, feather: unsoftened.feather, width: width, height: height)
    }

    /// Two box blurs along each side: nearly a tent, which reaches twice the radius to either side of an edge.
    private static func blurred(_ values: [Float], side: Int, across: Int, down: Int) -> [Float] {
        func pass(_ source: [Float], radius: Int, step: Int, line: Int) -> [Float] {
            guard radius > 0 else { return source }
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
            result = pass(result, radius: across, step: 1, line: side)
            result = pass(result, radius: down, step: side, line: 1)
        }
        return result
    }
}

extension AdapterStack {
    /// The stack with the edges of its regions softened for a picture of this size.
    func softened(width: Int, height: Int) -> AdapterStack {
        guard width != height else { return self }
        var soft: [Int: RegionMask] = [:]
        for (number, entry) in entries.enumerated() where entry.region?.unsoftened != nil {
            soft[number] = entry.region?.softened(width: width, height: height)
        }
        return soft.isEmpty ? self : placed(soft)
    }
}
