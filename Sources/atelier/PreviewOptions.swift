import ArgumentParser
import Generation
import Imaging

/// Pictures of the way there, each written over the one before.
struct PreviewOptions: ParsableArguments {
    @Option(
        help: "Show the picture in the making: none, \(PreviewMethod.allCases.map(\.rawValue).joined(separator: ", "))."
    )
    var preview = "none"
    @Option(parsing: .unconditional, help: "Steps from one preview to the next.")
    var previewInterval = 1
    @Option(help: "The file that previews are written to.")
    var previewPath = "preview.png"

    /// The preview to write, or nil for none.
    ///
    /// - Throws: `UsageError` or `OutputError` before any work.
    func writer(beside outputs: OutputPattern, count: Int) throws -> PreviewWriter? {
        guard preview != "none" else { return nil }
        guard let method = PreviewMethod(rawValue: preview) else {
            let names = (["none"] + PreviewMethod.allCases.map(\.rawValue)).joined(separator: ", ")
            throw UsageError(description: "--preview: expected one of \(names), found \"\(preview)\"")
        }
        guard previewInterval > 0 else {
            throw UsageError(description: "--preview-interval: expected 1 or more, found \(previewInterval)")
        }
        guard ImageFormat(path: previewPath) != nil else {
            throw UsageError(
                description: "--preview-path \(previewPath): expected a name that ends in .png, .jpg or .jpeg")
        }
        try outputs.checkBeside(previewPath, option: "--preview-path", count: count)
        return PreviewWriter(method: method, interval: previewInterval, path: previewPath)
    }
}

/// Writes a preview every few steps; a reader of the file never sees half of one.
struct PreviewWriter: Sendable {
    let method: PreviewMethod
    let interval: Int
    let path: String

    func callAsFunction(_ denoising: Denoising) throws {
        guard denoising.step % interval == 0, !denoising.isComplete else { return }
        try writeImage(denoising.preview(method), to: path)
    }
}
