internal import Synchronization
public import Layers
internal import TensorCore
public import Weights

/// Which pixels each word of a prompt drew: the probabilities of cross-attention, gathered while a picture is made.
///
///     map(word) = mean over steps, layers and heads of pattern[head, pixel, word]
///
/// Its plan goes into the pass of a denoising run. Of a batch one row is looked at, the last one unless another is
/// named: the conditional one under guidance. Maps of coarse layers are enlarged to the size of the latents.
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

    /// Nil where the model has no cross-attention.
    ///
    /// - Parameters:
    ///   - sites: the index that the model was built with.
    ///   - height, width: the size of the latents.
    ///   - isIncluded: which layers count, by path.
    public init?(
        _ sites: SiteIndex, height: Int, width: Int, where isIncluded: (String) -> Bool = { _ in true }
    ) {
        self.height = height
        self.width = width
        self.sites = sites.paths.enumerated().filter { $1.hasSuffix(".attn2") && isIncluded($1) }.map(\.offset)
        guard !self.sites.isEmpty else { return nil }
    }

    /// Observes the probabilities of every cross-attention.
    ///
    /// - Parameters:
    ///   - row: of the batch; nil for the last one.
    ///   - other: what a plan does already.
    public func plan(row: Int? = nil, beside other: SitePlan? = nil) -> SitePlan {
        var plan = other ?? SitePlan()
        for site in sites {
            plan.add(.observe { [self] in add($0, row: row ?? $0.size(0) - 1) }, at: site, .pattern)
        }
        return plan
    }

    /// - Parameter pattern: `[rows, heads, pixels, words]`.
    private func add(_ pattern: Tensor, row: Int) {
        let row = pattern.detached.selected(0, row)
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

/// The value between the four nearest places of a map; beyond its edges that of the edge.
///
/// - Parameters:
///   - map: `height * width` numbers, row by row.
///   - row, column: 0 is the middle of the first place.
public func bilinear(_ map: [Double], height: Int, width: Int, row: Double, column: Double) -> Double {
    let (y, x) = (min(max(row, 0), Double(height - 1)), min(max(column, 0), Double(width - 1)))
    let (top, left) = (Int(y), Int(x))
    let (bottom, right) = (min(top + 1, height - 1), min(left + 1, width - 1))
    let (down, across) = (y - Double(top), x - Double(left))
    let upper = map[top * width + left] * (1 - across) + map[top * width + right] * across
    let lower = map[bottom * width + left] * (1 - across) + map[bottom * width + right] * across
    return upper * (1 - down) + lower * down
}
