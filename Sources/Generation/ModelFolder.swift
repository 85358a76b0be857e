import Foundation
import Layers
import Samplers

/// A model in the diffusers layout: `model_index.json` and one folder a part.
///
/// Files may be symbolic links, as in a download cache: the user named the folder.
public struct ModelFolder: Sendable {
    public let path: String
    private let index: [String: [String?]]

    /// - Throws: `GenerationError` when there is no such folder or its index cannot be read.
    public init(path: String) throws {
        self.path = path
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            throw GenerationError(path, expected: "a model folder", found: "nothing there")
        }
        guard isFolder.boolValue else {
            throw GenerationError(
                path, expected: "a model folder with model_index.json",
                found: "a file; single-file checkpoints are not read yet")
        }
        let indexPath = path + "/model_index.json"
        let data = try Self.read(indexPath)
        guard let fields = try? JSONDecoder().decode([String: IndexField].self, from: data) else {
            throw GenerationError(indexPath, expected: "a JSON object", found: "something else")
        }
        index = fields.compactMapValues(\.part)
        guard !index.isEmpty else {
            throw GenerationError(indexPath, expected: "parts such as `unet`", found: fields.keys.sorted().description)
        }
    }

    /// The class that loads a part, such as `UNet2DConditionModel`.
    func className(of part: String) throws -> String {
        guard let entry = index[part], entry.count == 2, let name = entry[1] else {
            throw GenerationError(
                path + "/model_index.json", expected: "a part `\(part)`", found: index.keys.sorted().description)
        }
        return name
    }

    /// Checks that a part is of the class that is read here.
    func require(_ part: String, _ classes: String...) throws {
        let found = try className(of: part)
        guard classes.contains(found) else {
            throw GenerationError(
                path + "/model_index.json: \(part)", expected: classes.joined(separator: " or "), found: found)
        }
    }

    func configuration<Configuration: ModelConfiguration>(
        _ type: Configuration.Type, of part: String
    ) throws -> Configuration {
        let file = "\(path)/\(part)/config.json"
        return try type.decode(Self.read(file), path: file)
    }

    /// How the model was trained, and how it likes to be sampled.
    func scheduler() throws -> SchedulerConfiguration {
        let file = "\(path)/scheduler/scheduler_config.json"
        do {
            return try SchedulerConfiguration(json: String(decoding: Self.read(file), as: UTF8.self))
        } catch let error as SamplerError {
            throw GenerationError(file, expected: "a scheduler's configuration", found: error.description)
        }
    }

    /// The bytes of a JSON file of sensible size.
    private static func read(_ path: String) throws -> Data {
        let limit = 4 << 20
        guard
            let attributes = try? FileManager.default.attributesOfItem(
                atPath: URL(filePath: path).resolvingSymlinksInPath().path), let size = attributes[.size] as? Int
        else { throw GenerationError(path, expected: "a JSON file", found: "nothing there") }
        guard size <= limit else {
            throw GenerationError(path, expected: "at most \(limit) bytes of JSON", found: "\(size)")
        }
        return try Data(contentsOf: URL(filePath: path))
    }

    /// A value of `model_index.json`: `[library, class]` for a part, anything else for an option.
    private struct IndexField: Decodable {
        let part: [String?]?

        init(from decoder: any Decoder) throws {
            part = try? decoder.singleValueContainer().decode([String?].self)
        }
    }
}

extension ModelFolder {
    /// A part's folder.
    func url(_ part: String) -> URL { URL(filePath: path, directoryHint: .isDirectory).appending(path: part) }
}
