public import Foundation

/// A configuration that cannot be read, that contradicts itself, or that asks for what is not built here.
///
///     unet/config.json: time_embedding_type: expected "positional", found "fourier"
public struct ConfigurationError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The file, as its reader named it; empty for a configuration made in code.
    public var path: String
    public let key: String
    public let expected: String
    public let found: String

    public init(path: String = "", key: String, expected: String, found: String) {
        self.path = path
        self.key = key
        self.expected = expected
        self.found = found
    }

    public var description: String {
        [path, key, "expected \(expected), found \(found)"].filter { !$0.isEmpty }.joined(separator: ": ")
    }
}

/// The shape of a model as its `config.json` states it, in the checkpoint's own key names.
public protocol ModelConfiguration: Codable, Sendable, Equatable {
    /// Keys whose effect is not built here, with the values at which they have none.
    static var inertValues: [String: [JSONValue]] { get }

    /// Throws `ConfigurationError` when values contradict each other or are not supported.
    func validate() throws
}

extension ModelConfiguration {
    public static var inertValues: [String: [JSONValue]] { [:] }

    /// Reads a `config.json`.
    ///
    /// - Parameters:
    ///   - json: the bytes of the file.
    ///   - path: the name of the file, for messages.
    /// - Throws: `ConfigurationError` for text that is not JSON, for values of the wrong type and for models that are
    ///   not supported.
    public static func decode(_ json: Data, path: String) throws -> Self {
        do {
            let decoder = JSONDecoder()
            let values = try decoder.decode([String: JSONValue].self, from: json)
            for (key, allowed) in inertValues.sorted(by: { $0.key < $1.key }) {
                guard let value = values[key], !allowed.contains(value) else { continue }
                let list = allowed.map(\.description).joined(separator: " or ")
                throw ConfigurationError(key: key, expected: list, found: value.description)
            }
            let configuration = try decoder.decode(Self.self, from: json)
            try configuration.validate()
            return configuration
        } catch var error as ConfigurationError {
            error.path = path
            throw error
        } catch let error as DecodingError {
            throw ConfigurationError(path: path, error, in: json)
        }
    }

    /// The text of a `config.json`: sorted keys, one a line.
    public func json() throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(self)
    }
}

extension KeyedDecodingContainer {
    /// The value of a key, or `standard` where the key is missing or null.
    public func decode<Value: Decodable>(_ key: Key, or standard: Value) throws -> Value {
        try decodeIfPresent(Value.self, forKey: key) ?? standard
    }

    /// The activation that a key names, or `standard` where the key is missing or null.
    ///
    /// - Throws: `ConfigurationError` with the names that are supported.
    public func decodeActivation(_ key: Key, or standard: Activation) throws -> Activation {
        guard let name = try decodeIfPresent(String.self, forKey: key) else { return standard }
        guard let activation = Activation(rawValue: name) else {
            let names = Activation.allCases.map(\.rawValue).joined(separator: ", ")
            throw ConfigurationError(key: key.stringValue, expected: "one of \(names)", found: "\"\(name)\"")
        }
        return activation
    }

    /// The side of a square that a key gives as one number or as `[height, width]`.
    public func decodeSize(_ key: Key, or standard: Int) throws -> Int {
        guard let size = try decodeIfPresent(PerBlock<Int>.self, forKey: key) else { return standard }
        switch size {
        case .all(let side): return side
        case .each(let sides):
            guard sides.count == 2, sides[0] == sides[1] else {
                throw ConfigurationError(key: key.stringValue, expected: "one number or a square", found: "\(sides)")
            }
            return sides[0]
        }
    }
}
