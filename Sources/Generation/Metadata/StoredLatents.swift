import Foundation
public import TensorCore

/// The final latents of a picture in 16 bits each, so that a picture made again elsewhere can be measured against them.
///
///     latents ≈ scale · values,   scale = max |latents| / 32767
public struct StoredLatents: Codable, Sendable, Hashable {
    public let shape: [Int]
    public let scale: Float
    /// Base64 of the values, little-endian, row-major.
    public let values: String

    public init(_ latents: Tensor) {
        let floats = latents.floats
        let scale = (floats.map(abs).max() ?? 0) / Float(Int16.max)
        shape = latents.shape
        self.scale = scale
        let values = floats.map { Int16(clamping: scale > 0 ? Int(($0 / scale).rounded()) : 0).littleEndian }
        self.values = values.withUnsafeBytes { Data($0) }.base64EncodedString()
    }

    /// The largest difference from other latents, up to half of `scale`; nil where the two cannot be compared.
    func largestDifference(from latents: Tensor) -> Float? {
        guard shape == latents.shape, (0...1).contains(scale), let data = Data(base64Encoded: values),
            data.count == 2 * latents.count
        else { return nil }
        let floats = latents.floats
        let differences = floats.indices.map { index -> Float in
            let bits = UInt16(data[2 * index]) | UInt16(data[2 * index + 1]) << 8
            return abs(floats[index] - scale * Float(Int16(bitPattern: bits)))
        }
        return differences.contains(where: \.isNaN) ? nil : differences.max() ?? 0
    }
}
