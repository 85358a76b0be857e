public import Foundation
public import TensorCore
internal import Weights

/// The golden files under `Tests/Fixtures`, found from this source file's own place.
public enum Fixtures {
    public static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Fixtures")

    /// The path of a file such as `golden/ops.safetensors`.
    public static func path(_ relativePath: String) -> String {
        folder.appending(path: relativePath).path(percentEncoded: false)
    }

    /// Every tensor of a safetensors file by its name.
    public static func tensors(_ relativePath: String) throws -> [String: Tensor] {
        try SafetensorsFile(path: path(relativePath)).tensors()
    }

    /// Decodes a JSON file, snake case to camel case.
    public static func json<Value: Decodable>(_ relativePath: String, as type: Value.Type) throws -> Value {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(type, from: Data(contentsOf: URL(filePath: path(relativePath))))
    }
}
