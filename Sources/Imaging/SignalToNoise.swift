internal import Foundation

extension Image {
    /// How near another picture of the same size is, in decibels: infinite for equal ones.
    ///
    ///     10 · log10(255² / mean((a - b)²))
    public func peakSignalToNoise(_ other: Image) -> Double {
        precondition(
            width == other.width && height == other.height,
            "peakSignalToNoise: \(width)x\(height) and \(other.width)x\(other.height)")
        let squares = zip(pixels, other.pixels).reduce(0) { sum, pair in
            let difference = Int(pair.0) - Int(pair.1)
            return sum + difference * difference
        }
        return 10 * log10(255 * 255 * Double(pixels.count) / Double(squares))
    }
}
