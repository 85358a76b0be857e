import ArgumentParser
import Interpretability

/// `atelier trace attribution`: patching to first order, in one backward pass.
struct TraceAttribution: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "attribution", abstract: "Activation patching to first order: all places in one backward pass.")

    @OptionGroup var model: TextModelOptions
    @OptionGroup var contrast: ContrastOptions
    @OptionGroup var result: TraceOutput

    func run() async throws {
        try result.check()
        let (traced, pair) = try contrast.pair(model)
        let layers = contrast.layers?.numbers
        try result.give(
            contrast.site == "heads"
                ? AttributionPatching.heads(traced, pair, layers: layers)
                : AttributionPatching.tokens(traced, pair, site: contrast.site, layers: layers))
    }
}
