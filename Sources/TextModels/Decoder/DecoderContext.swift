internal import TensorCore

/// What all layers of one call share: how many tokens came before, which keys a query sees, where tokens stand.
struct DecoderContext: Sendable {
    /// Tokens before this call, padding included.
    let past: Int
    /// Tokens of this call.
    let count: Int
    /// Tokens at the left of each row that are padding.
    let padding: [Int]
    private let masks: [Int?: Tensor]
    let rotations: [Rotation]

    /// Cosines and sines of the tokens' angles: `[rows or 1, tokens, pairs]`.
    struct Rotation: Sendable {
        let cosines: Tensor
        let sines: Tensor
    }

    /// - Parameters:
    ///   - windows: the windows of the layers; nil is a layer that sees every token.
    ///   - rotary: the angles that layers turn queries and keys by.
    init(_ tokens: TokenBatch, after state: DecodingState?, windows: [Int?] = [], rotary: [RotaryFrequencies] = []) {
        let (past, count) = (state?.length ?? 0, tokens.length)
        let padding = past > 0 ? state?.padding ?? [] : tokens.padding
        precondition(padding.count == tokens.rows, "\(tokens.rows) rows of tokens after \(padding.count)")
        var masks: [Int?: Tensor] = [:]
        for window in windows where masks[window] == nil {
            let keys = Self.keys(past: past, count: count, window: window)
            let isPadded = padding.contains { $0 > past + count - keys }
            guard isPadded || (count > 1 && past + count > window ?? .max) else { continue }
            masks[window] = Self.mask(past: past, count: count, keys: keys, padding: padding, window: window)
        }
        let positions = Self.positions(past: past, count: count, padding: padding)
        (self.past, self.count, self.padding, self.masks) = (past, count, padding, masks)
        rotations = rotary.map { $0.rotation(positions) }
    }

    /// How many keys, counted from the last, any query of this call can see.
    func keys(window: Int?) -> Int { Self.keys(past: past, count: count, window: window) }

    /// Added to the scores of those keys, beside causality: `[rows or 1, 1, tokens, keys]`; nil where it would be zero.
    func mask(window: Int?) -> Tensor? { masks[window] ?? nil }

    /// Causality, padding and window together.
    func wholeMask(window: Int?) -> Tensor {
        Self.mask(past: past, count: count, keys: keys(window: window), padding: padding, window: window)
    }

    /// The place of each token within its text; 0 for padding.
    var positions: [[Int]] { Self.positions(past: past, count: count, padding: padding) }

    /// 1 for tokens and 0 for padding, `[rows, tokens, 1]`; nil without padding.
    var presence: Tensor? {
        guard padding.contains(where: { $0 > past }) else { return nil }
        let flags = padding.flatMap { padding in (past..<past + count).map { Float($0 < padding ? 0 : 1) } }
        return Tensor(flags, shape: [padding.count, count, 1])
    }

    private static func keys(past: Int, count: Int, window: Int?) -> Int {
        count == 1 ? min(past + 1, window ?? .max) : past + count
    }

    private static func positions(past: Int, count: Int, padding: [Int]) -> [[Int]] {
        let rows = Set(padding).count == 1 ? Array(padding.prefix(1)) : padding
        return rows.map { padding in (past..<past + count).map { max($0 - padding, 0) } }
    }

    /// Minus infinity where a query does not see a key. Padding sees itself, so that no row is empty.
    private static func mask(past: Int, count: Int, keys: Int, padding: [Int], window: Int?) -> Tensor {
        let rows = Set(padding).count == 1 ? Array(padding.prefix(1)) : padding
        let firstKey = past + count - keys
        return Tensor.filled(shape: [rows.count, 1, count, keys], dtype: .float32) { bytes in
            let elements = bytes.bindMemory(to: Float.self)
            elements.update(repeating: -.infinity)
            for (row, padding) in rows.enumerated() {
                for query in past..<past + count {
                    let first = query < padding ? query : max(padding, query - (window ?? query + 1) + 1)
                    let start = ((row * count) + query - past) * keys
                    let seen = max(first, firstKey) - firstKey..<query + 1 - firstKey
                    UnsafeMutableBufferPointer(rebasing: elements[start + seen.lowerBound..<start + seen.upperBound])
                        .update(repeating: 0)
                }
            }
        }
    }
}
