import TensorCore

extension OpCase {
    private static func attention(
        _ name: String, batch: Int = 2, heads: Int = 2, queries: Int, keys: Int, dimension: Int,
        isCausal: Bool = false, scale: Float = 0.5, mask: [Int]? = nil
    ) -> OpCase {
        var generator = Generator(seed: 5)
        let mask = mask.map { generator.normals($0) }
        return OpCase(
            "attention " + name,
            [[batch, queries, heads, dimension], [batch, keys, heads, dimension], [batch, keys, heads, dimension]],
            empty: mask == nil
                ? [
                    [[0, queries, heads, dimension], [0, keys, heads, dimension], [0, keys, heads, dimension]],
                    [
                        [batch, 0, heads, dimension], [batch, keys, heads, dimension], [batch, keys, heads, dimension],
                    ],
                ] : []
        ) {
            TensorCore.attention(
                queries: $0[0], keys: $0[1], values: $0[2], .init(scale: scale, isCausal: isCausal, mask: mask))
        }
    }

    static let attentions: [OpCase] = [
        attention("of tokens to themselves", queries: 5, keys: 5, dimension: 8),
        attention("across", queries: 4, keys: 7, dimension: 6),
        attention("causal", queries: 6, keys: 6, dimension: 8, isCausal: true),
        attention("causal after a prefix", queries: 3, keys: 6, dimension: 8, isCausal: true),
        attention("masked", queries: 4, keys: 7, dimension: 8, mask: [2, 1, 4, 7]),
        attention("masked by key", queries: 4, keys: 7, dimension: 8, mask: [7]),
        attention("causal and masked by head", queries: 5, keys: 5, dimension: 5, isCausal: true, mask: [2, 5, 5]),
        attention("over tiles", batch: 1, heads: 1, queries: 70, keys: 300, dimension: 16),
        attention("causal over tiles", batch: 1, heads: 1, queries: 140, keys: 140, dimension: 8, isCausal: true),
        attention("of one query", queries: 1, keys: 9, dimension: 40, scale: 0.2),
        attention("to one key", queries: 5, keys: 1, dimension: 8),
        OpCase("attention with a differentiated mask", [[2, 4, 2, 8], [2, 5, 2, 8], [2, 5, 2, 8], [2, 1, 4, 5]]) {
            TensorCore.attention(queries: $0[0], keys: $0[1], values: $0[2], .init(scale: 0.5, mask: $0[3]))
        },
        OpCase("geglu", [[3, 4, 10]], empty: [[[0, 4, 10]], [[2, 0]]]) { geglu($0[0]) },
        OpCase("geglu of a vector", [[6]]) { geglu($0[0]) },
        OpCase("swiglu", [[3, 4, 10], [3, 4, 10]], empty: [[[0, 4], [0, 4]]]) { swiglu(gate: $0[0], up: $0[1]) },
    ]
}
