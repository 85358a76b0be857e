import Foundation
import Generation

/// Where the embedded model and other shipped files are.
enum Assets {
    /// Finds the assets folder: `--assets`, `ATELIER_ASSETS`, `share/atelier` beside the executable's folder, then the
    /// package that the executable was built in.
    static func folder(_ option: String?) throws -> URL {
        let manager = FileManager.default
        if let named = option ?? ProcessInfo.processInfo.environment["ATELIER_ASSETS"] {
            guard manager.fileExists(atPath: named) else {
                throw GenerationError(named, expected: "the assets folder", found: "nothing there")
            }
            return URL(filePath: named, directoryHint: .isDirectory)
        }
        let executable = URL(filePath: CommandLine.executablePath).resolvingSymlinksInPath()
        let shared = executable.deletingLastPathComponent().appending(path: "../share/atelier").standardized
        if manager.fileExists(atPath: shared.path) { return shared }
        var folder = executable.deletingLastPathComponent()
        while folder.path != "/" {
            let candidate = folder.appending(path: "Assets")
            if manager.fileExists(atPath: candidate.path),
                manager.fileExists(atPath: folder.appending(path: "Package.swift").path)
            {
                return candidate
            }
            folder.deleteLastPathComponent()
        }
        throw GenerationError(
            "Assets", expected: "a folder beside the package or ../share/atelier of the executable",
            found: "none; name it with --assets or ATELIER_ASSETS")
    }

    /// The folder of the shipped sliders, beside the assets.
    static func sliders(_ option: String?) throws -> String {
        let assets = try folder(option)
        let inside = assets.appending(path: "Sliders").path
        if FileManager.default.fileExists(atPath: inside) { return inside }
        return assets.deletingLastPathComponent().appending(path: "Sliders").path
    }

    /// The folder of CLIP's tokenizer, which models in one file lack.
    static func vocabulary(_ option: String?) throws -> URL { try folder(option).appending(path: "tokenizers/clip") }

    /// A model by path or name: a folder in the diffusers layout, or a checkpoint in one file.
    static func store(_ name: String, assets: String?) throws -> any ModelStore {
        let location = try model(name, assets: assets)
        var isFolder: ObjCBool = false
        if FileManager.default.fileExists(atPath: location.path, isDirectory: &isFolder), !isFolder.boolValue {
            return try SingleFileModel(path: location.path, vocabulary: vocabulary(assets))
        }
        return try ModelFolder(path: location.path)
    }

    /// The folder of a model: a path, or the name of an embedded one.
    static func model(_ name: String, assets: String?) throws -> URL {
        guard !name.isEmpty else { throw UsageError(description: "--model: expected a path or a name, found nothing") }
        if FileManager.default.fileExists(atPath: name) || name.contains("/") {
            return URL(filePath: name, directoryHint: .isDirectory)
        }
        let embedded = try folder(assets).appending(path: "models")
        let folder = embedded.appending(path: name)
        guard FileManager.default.fileExists(atPath: folder.path) else {
            let known = (try? FileManager.default.contentsOfDirectory(atPath: embedded.path).sorted()) ?? []
            throw GenerationError(
                name, expected: "a model folder, or an embedded model (\(known.joined(separator: ", ")))",
                found: "neither")
        }
        return folder
    }
}

extension CommandLine {
    /// The path of the running executable.
    static var executablePath: String {
        (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
            ?? ProcessInfo.processInfo.arguments.first ?? ""
    }
}
