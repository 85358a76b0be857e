public import Foundation
public import TensorCore
internal import Weights

/// A file of expected tensors under `Tests/Fixtures/golden`, and the index beside it.
public struct GoldenFile: Sendable {
    public let tensors: [String: Tensor]
    private let url: URL

    /// - Parameter name: without extension, such as `schedulers`; folders are separated by `/`.
    public init(_ name: String) throws {
        url = Self.folder.appending(path: name)
        tensors = try SafetensorsFile(path: url.path + ".safetensors").tensors()
    }

    /// `Tests/Fixtures/golden`.
    public static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Fixtures/golden")

    /// The tensor of a key.
    public subscript(_ key: String) -> Tensor {
        get throws {
            guard let tensor = tensors[key] else { throw MissingTensor(key: key, path: url.path) }
            return tensor
        }
    }

    /// The JSON file of the same name.
    public func index<Index: Decodable>(_ type: Index.Type) throws -> Index {
        try JSONDecoder().decode(type, from: Data(contentsOf: url.appendingPathExtension("json")))
    }

    struct MissingTensor: Error {
        let key: String
        let path: String
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
        guard a == a && b == b else { return .infinity }
        difference = max(difference, abs(Double(a) - Double(b)))
        magnitude = max(magnitude, abs(Double(b)))
    }
    return difference / magnitude
}
