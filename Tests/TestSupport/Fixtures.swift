public import Foundation
public import TensorCore
public import Weights

/// The golden files under `Tests/Fixtures/golden`, found from where this file lies.
public enum Fixtures {
    public static let folder = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Fixtures/golden", directoryHint: .isDirectory)

    /// The path of a golden file or folder, such as `tiny-vae/config.json`.
    public static func path(_ name: String) -> String { folder.appending(path: name).path(percentEncoded: false) }

    /// Copies a folder; what is a link in it becomes a file of its own.
    public static func copy(_ name: String, to destination: URL) throws {
        let manager = FileManager.default
        try manager.copyItem(at: URL(filePath: path(name)), to: destination)
        for case let relative as String in manager.enumerator(atPath: path(name)) ?? .init() {
            let source = URL(filePath: path(name)).appending(path: relative)
            guard try source.resourceValues(forKeys: [.isSymbolicLinkKey]).isSymbolicLink == true else { continue }
            let copied = destination.appending(path: relative)
            try manager.removeItem(at: copied)
            try manager.copyItem(at: source.resolvingSymlinksInPath(), to: copied)
        }
    }

    public static func data(_ name: String) throws -> Data { try Data(contentsOf: folder.appending(path: name)) }

    /// Every tensor of a golden safetensors file, by name.
    public static func tensors(_ name: String) throws -> [String: Tensor] {
        try SafetensorsFile(path: path(name)).tensors()
    }

    /// The tensor of a name, or an error that says which is missing.
    public static func require(_ tensors: [String: Tensor], _ name: String) throws -> Tensor {
        guard let tensor = tensors[name] else {
            throw WeightsError(name, expected: "a tensor of the golden file", found: "none")
        }
        return tensor
    }

    /// Decodes a JSON file, snake case to camel case.
    public static func json<Value: Decodable>(_ name: String, as type: Value.Type) throws -> Value {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(type, from: data(name))
    }

    /// The metadata of a golden safetensors file.
    public static func metadata(_ name: String) throws -> [String: String] {
        try SafetensorsFile(path: path(name)).header.metadata
    }
}

/// The tensors of a golden file whose names begin with `prefix`, without it.
public func tensors(_ all: [String: Tensor], under prefix: String) -> [String: Tensor] {
    var result: [String: Tensor] = [:]
    for (name, tensor) in all where name.hasPrefix(prefix) { result[String(name.dropFirst(prefix.count))] = tensor }
    return result
}
