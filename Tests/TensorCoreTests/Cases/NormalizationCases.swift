import TensorCore

extension OpCase {
    private static func group(
        _ name: String, _ shape: [Int], groups: Int, weight: Bool = true, bias: Bool = true, silu: Bool = false
    ) -> OpCase {
        let channels = [shape[1]]
        let empty: [[Int]] = [[0] + shape.dropFirst()] + (weight ? [channels] : []) + (bias ? [channels] : [])
        return OpCase(
            "groupNorm " + name, [shape] + (weight ? [channels] : []) + (bias ? [channels] : []), empty: [empty]
        ) {
            groupNorm(
                $0[0], groups: groups, weight: weight ? $0[1] : nil, bias: bias ? $0[weight ? 2 : 1] : nil,
                epsilon: 1e-3, silu: silu)
        }
    }

    static let normalizations: [OpCase] = [
        group("of maps", [2, 6, 3, 4], groups: 3),
        group("then SiLU", [2, 6, 3, 4], groups: 3, silu: true),
        group("then SiLU without weights", [2, 6, 3, 4], groups: 2, weight: false, bias: false, silu: true),
        group("without bias", [2, 6, 3, 4], groups: 2, bias: false),
        group("with a bias only", [2, 6, 3, 4], groups: 2, weight: false, silu: true),
        group("of one group", [2, 6, 3, 4], groups: 1),
        group("of single channels", [2, 6, 3, 4], groups: 6, silu: true),
        group("of tokens", [2, 6, 5], groups: 3),
        group("of vectors", [3, 8], groups: 2),
        group("of wide maps", [2, 64, 5, 7], groups: 32, silu: true),
        OpCase("layerNorm", [[3, 4, 6], [6], [6]], empty: [[[0, 4, 6], [6], [6]]]) {
            layerNorm($0[0], weight: $0[1], bias: $0[2], epsilon: 1e-3)
        },
        OpCase("layerNorm without weights", [[3, 6]]) { layerNorm($0[0], epsilon: 1e-3) },
        OpCase("layerNorm without bias", [[3, 6], [6]]) { layerNorm($0[0], weight: $0[1], epsilon: 1e-3) },
        OpCase("layerNorm with a bias only", [[3, 6], [6]]) { layerNorm($0[0], bias: $0[1], epsilon: 1e-3) },
        OpCase("layerNorm of long rows", [[5, 200], [200], [200]]) {
            layerNorm($0[0], weight: $0[1], bias: $0[2])
        },
        OpCase("layerNorm of a vector", [[6], [6], [6]]) {
            layerNorm($0[0], weight: $0[1], bias: $0[2], epsilon: 1e-3)
        },
        OpCase("rmsNorm", [[3, 4, 6], [6]], empty: [[[0, 4, 6], [6]]]) {
            rmsNorm($0[0], weight: $0[1], epsilon: 1e-3)
        },
        OpCase("rmsNorm without weight", [[3, 6]]) { rmsNorm($0[0]) },
    ]
}
