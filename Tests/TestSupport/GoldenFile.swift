public import TensorCore

internal import Foundation

/// A golden safetensors file, and the JSON index of the same name beside it.
public struct GoldenFile: Sendable {
    public let tensors: [String: Tensor]
    private let name: String

    /// - Parameter name: under `Fixtures.folder`, without extension, such as `schedulers`.
    public init(_ name: String) throws {
        self.name = name
        tensors = try Fixtures.tensors(name + ".safetensors")
    }

    /// The tensor of a key, or an error that names it.
    public subscript(_ key: String) -> Tensor {
        get throws { try Fixtures.require(tensors, key) }
    }

    /// The index, its keys as they are written.
    public func index<Index: Decodable>(_ type: Index.Type) throws -> Index {
        try JSONDecoder().decode(type, from: Fixtures.data(name + ".json"))
    }
}

/// The largest difference of two tensors, relative to the largest expected magnitude but at least absolute.
///
///     max |a - b| / max(1, max |b|)
///
/// Infinite when the shapes differ or a value is not a number.
public func largestError(_ actual: Tensor, _ expected: Tensor) -> Double {
    guard actual.shape == expected.shape else { return .infinity }
    return largestError(actual.floats, expected.floats)
}

public func largestError(_ actual: [Float], _ expected: [Float]) -> Double {
    guard actual.count == expected.count else { return .infinity }
    var (difference, magnitude) = (0.0, 1.0)
    for (a, b) in zip(actual, expected) {
        guard !a.isNaN && !b.isNaN else { return .infinity }
        difference = max(difference, abs(Double(a) - Double(b)))
        magnitude = max(magnitude, abs(Double(b)))
    }
    return difference / magnitude
}
