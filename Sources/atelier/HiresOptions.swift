import ArgumentParser
import Generation

/// The second pass at a larger size.
struct HiresOptions: ParsableArguments {
    @Flag(help: "Draw, enlarge the latents and denoise them again.")
    var hires = false
    @Option(parsing: .unconditional, help: "How many times wider and higher, from 1 to 8.")
    var hiresScale = 2.0
    @Option(parsing: .unconditional, help: "Steps of the second pass (default: as many as the first).")
    var hiresSteps: Int?
    @Option(parsing: .unconditional, help: "How much of the way the second pass does again, above 0 up to 1.")
    var hiresDenoisingStrength = 0.7
    @Option(help: "How latents are enlarged: \(LatentUpscaler.allCases.map(\.rawValue).joined(separator: ", ")).")
    var hiresUpscaler = LatentUpscaler.bilinear.rawValue

    /// Nil without `--hires`.
    func fix() throws -> HiresFix? {
        let upscaler: LatentUpscaler
        do {
            upscaler = try LatentUpscaler.find(hiresUpscaler)
        } catch {
            throw UsageError(description: "--hires-upscaler: expected \(error.expected), found \(error.found)")
        }
        guard hires else { return nil }
        return HiresFix(
            scale: hiresScale, steps: hiresSteps, denoisingStrength: hiresDenoisingStrength, upscaler: upscaler)
    }
}
