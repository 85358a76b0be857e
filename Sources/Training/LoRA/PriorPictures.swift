import Foundation
import Generation
import Imaging
import TensorCore

/// The pictures that the model draws of a class before it learns one of its kind (DreamBooth, arXiv 2208.12242).
///
/// They are files, so that a training that goes on learns from the same bytes.
struct PriorPictures {
    let prior: LoRARecipe.Prior
    let folder: URL
    let seed: UInt64

    /// Draws those that are not there yet.
    ///
    /// - Returns: nil when it was stopped.
    func pictures(by model: StableDiffusion, _ context: TrainingContext) throws -> CaptionedPictures? {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let paths = (0..<prior.count).map { folder.appending(path: String(format: "%05d.png", $0)).path }
        let missing = paths.indices.filter { !FileManager.default.fileExists(atPath: paths[$0]) }
        var start = 0
        while start < missing.count {
            if context.shouldStop() { return nil }
            let part = Array(missing[start..<min(start + ComputeThread.shared.threadCount, missing.count)])
            _ = try ComputeThread.shared.concurrently(part.count) { index in
                let request = GenerationRequest(
                    prompt: prior.prompt, steps: 20, guidanceScale: 5, seed: seed &+ UInt64(part[index]),
                    width: model.defaultSize, height: model.defaultSize)
                var denoising = try Denoising(request, model: model)
                denoising.advanceToEnd()
                try writeImage(denoising.picture(), to: paths[part[index]])
            }
            start += part.count
            context.report(.message("prior pictures: \(start) of \(missing.count)"))
        }
        return CaptionedPictures(paths.map { .init(path: $0, caption: prior.prompt) })
    }
}
