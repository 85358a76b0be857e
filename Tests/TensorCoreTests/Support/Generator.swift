import Foundation
import TensorCore

/// A small deterministic source of numbers (SplitMix64).
struct Generator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 &+ 1 }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    mutating func uniform(_ range: ClosedRange<Float>) -> Float { Float.random(in: range, using: &self) }

    mutating func normal() -> Float {
        let radius = (-2 * log(Double.random(in: 1e-12...1, using: &self))).squareRoot()
        return Float(radius * cos(2 * Double.pi * Double.random(in: 0..<1, using: &self)))
    }

    mutating func normals(_ shape: [Int]) -> Tensor {
        Tensor((0..<shape.reduce(1, *)).map { _ in normal() }, shape: shape)
    }
}

/// What the elements of an operand look like.
enum Values: Sendable {
    case normal
    /// 0.3 to 2.3.
    case positive
    /// 0.3 to 2 of either sign: for functions with a kink or a pole at 0.
    case awayFromZero
    /// Different odd multiples of 0.055 in random order: nothing near a tie, nor near 0.77 and -0.99.
    case distinct

    func tensor(_ shape: [Int], _ generator: inout Generator) -> Tensor {
        let count = shape.reduce(1, *)
        switch self {
        case .normal: return generator.normals(shape)
        case .positive: return Tensor((0..<count).map { _ in generator.uniform(0.3...2.3) }, shape: shape)
        case .awayFromZero:
            let elements = (0..<count).map { _ in generator.uniform(0.3...2) * (generator.next() & 1 == 0 ? 1 : -1) }
            return Tensor(elements, shape: shape)
        case .distinct:
            let elements = (0..<count).map { (Float($0 - count / 2) + 0.5) * 0.11 }.shuffled(using: &generator)
            return Tensor(elements, shape: shape)
        }
    }
}
