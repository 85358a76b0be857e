import DiffusionModels
import Foundation
import Weights

extension AutoencoderTiny {
    /// Reads a decoder from a diffusers folder, or from a file under diffusers' names or the original's.
    ///
    /// - Throws: `GenerationError` when there is none at `path`; the errors of the file's format.
    static func load(_ path: String, sites: SiteIndex) throws -> (AutoencoderTiny, LoadReport) {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            throw GenerationError(path, expected: "a tiny autoencoder, a folder or a file", found: "nothing there")
        }
        var name = path
        if isFolder.boolValue {
            let files = try WeightFiles(in: path, baseName: "diffusion_pytorch_model")
            guard files.paths.count == 1 else {
                throw GenerationError(path, expected: "one file of weights", found: "\(files.paths.count)")
            }
            name = files.paths[0]
        }
        let file = try TensorFile(path: name)
        do {
            return try ScopedWeights.load(
                WidenedSource(file.source), root: "taesd", sites: sites, ignoring: ["encoder.*"]
            ) {
                try AutoencoderTiny(shapes: file.shapes, weights: $0)
            }
        } catch let error as WeightsError where !error.description.contains(name) {
            throw GenerationError("\(name): \(error.subject)", expected: error.expected, found: error.found)
        }
    }
}
