internal import Foundation
public import TensorCore

/// Numbers that a graph carries with it: float32, as base64 of little-endian bytes in JSON, so no bit is lost.
public struct TensorLiteral: Codable, Sendable, Hashable {
    public let shape: [Int]
    public let values: [Float]

    public init(_ values: [Float], shape: [Int]? = nil) {
        self.values = values
        self.shape = shape ?? [values.count]
        precondition(Self.count(self.shape) == values.count, "\(values.count) values for shape \(self.shape)")
    }

    public init(_ tensor: Tensor) { self.init(tensor.detached.floats, shape: tensor.shape) }

    public var tensor: Tensor { Tensor(values, shape: shape) }

    private enum CodingKeys: String, CodingKey { case shape, data }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        shape = try container.decode([Int].self, forKey: .shape)
        let text = try container.decode(String.self, forKey: .data)
        guard let data = Data(base64Encoded: text), let count = Self.count(shape), data.count == 4 * count else {
            throw DecodingError.dataCorruptedError(
                forKey: .data, in: container,
                debugDescription:
                    "expected the base64 of float32 numbers for shape \(shape), found \(text.count) characters")
        }
        values = (0..<count).map { index in
            let bytes = (0..<4).reduce(UInt32(0)) {
                $0 | UInt32(data[data.startIndex + 4 * index + $1]) << UInt32(8 * $1)
            }
            return Float(bitPattern: bytes)
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(shape, forKey: .shape)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(4 * values.count)
        for value in values {
            for shift in 0..<4 { bytes.append(UInt8(truncatingIfNeeded: value.bitPattern >> (8 * shift))) }
        }
        try container.encode(Data(bytes).base64EncodedString(), forKey: .data)
    }

    /// The number of elements of a shape; nil when it is negative or too large to count.
    static func count(_ shape: [Int]) -> Int? {
        var product = 1
        for size in shape {
            let (next, overflows) = product.multipliedReportingOverflow(by: size)
            guard size >= 0, !overflows else { return nil }
            product = next
        }
        return product
    }
}
