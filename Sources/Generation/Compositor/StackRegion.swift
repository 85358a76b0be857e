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
    /// How far the edge is softened, as a share of the picture's shorter side.
    public var feather: Double?
    /// Whether the latents outside stay those of the picture without the stack.
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
        return RegionMask(values, feather: feather ?? 0)
    }
}

extension RegionMask {
    /// A mask of values on a square grid, its edges softened.
    ///
    /// - Parameters:
    ///   - values: `side · side`, row by row.
    ///   - feather: how far, as a share of the side.
    init(_ values: [Float], feather: Double) {
        let side = Int(Double(values.count).squareRoot())
        let radius = Int((feather * Double(side)).rounded())
        let soft = radius > 0 ? Self.blurred(values, side: side, radius: radius) : values
        self.init(Tensor(soft, shape: [side, side]))
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
