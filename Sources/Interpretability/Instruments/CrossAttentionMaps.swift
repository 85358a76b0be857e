internal import Synchronization
public import Layers
internal import TensorCore
public import Weights

/// Which pixels each word of a prompt drew: the probabilities of cross-attention, gathered while a picture is made.
///
///     map(word) = mean over steps, layers and heads of pattern[head, pixel, word]
///
/// Its plan goes into the pass of a denoising run. Of a batch only the last row is looked at, which is the conditional
/// one under guidance. Maps of coarse layers are enlarged to the size of the latents.
public final class CrossAttentionMaps: Sendable {
    private struct State {
        var sum: [Float] = []
        var words = 0
        var visits = 0
    }

    public let height: Int
    public let width: Int
    private let sites: [Int]
    private let state = Mutex(State())

    /// - Parameters:
    ///   - sites: the index that the model was built with.
    ///   - height, width: the size of the latents.
    ///   - isIncluded: which layers count, by path.
    /// - Throws: `TraceError` where the model has no cross-attention.
    public init(
        _ sites: SiteIndex, height: Int, width: Int, where isIncluded: (String) -> Bool = { _ in true }
    ) throws {
        self.height = height
        self.width = width
        self.sites = sites.paths.enumerated().filter { $1.hasSuffix(".attn2") && isIncluded($1) }.map(\.offset)
        guard !self.sites.isEmpty else {
            throw TraceError(
                .unknownSite, "model", expected: "layers of cross-attention (attn2)", found: "none",
                advice: "use a model with a text prompt")
        }
    }

    /// Observes the probabilities of every cross-attention.
    public func plan() -> SitePlan {
        var plan = SitePlan()
        for site in sites { plan.add(.observe { [self] in add($0) }, at: site, .pattern) }
        return plan
    }

    /// - Parameter pattern: `[rows, heads, pixels, words]`.
    private func add(_ pattern: Tensor) {
        let row = pattern.detached.selected(0, pattern.size(0) - 1)
        let (pixels, words) = (row.size(1), row.size(2))
        // A layer has the latents' size, halved some number of times.
        var (h, w) = (height, width)
        while h * w > pixels, h > 1 || w > 1 { (h, w) = ((h + 1) / 2, (w + 1) / 2) }
        guard h * w == pixels else { return }
        let map = mean(row, axes: [0]).floats
        state.withLock { state in
            if state.sum.isEmpty {
                (state.sum, state.words) = ([Float](repeating: 0, count: height * width * words), words)
            }
            guard state.words == words else { return }
            for y in 0..<height {
                for x in 0..<width {
                    let source = (min(y * h / height, h - 1) * w + min(x * w / width, w - 1)) * words
                    let target = (y * width + x) * words
                    for word in 0..<words { state.sum[target + word] += map[source + word] }
                }
            }
            state.visits += 1
        }
    }

    /// How many layers and steps have been gathered.
    public var visits: Int { state.withLock { $0.visits } }

    /// The map of a token of the context, `height * width` numbers, row by row.
    public func map(_ word: Int) -> [Double] {
        state.withLock { state in
            guard state.visits > 0, (0..<state.words).contains(word) else { return [] }
            return (0..<height * width).map { Double(state.sum[$0 * state.words + word]) / Double(state.visits) }
        }
    }
}
