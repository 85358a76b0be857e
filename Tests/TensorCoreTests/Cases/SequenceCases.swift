import TensorCore

extension OpCase {
    private static func turn(_ name: String, _ shape: [Int], angles: [Int]) -> OpCase {
        var generator = Generator(seed: 8)
        let angle = generator.normals(angles)
        let empty = [[0] + shape.dropFirst()]
        return OpCase("rotary " + name, [shape], empty: angles[0] == 1 ? [empty] : []) {
            rotary($0[0], cosines: cos(angle), sines: sin(angle))
        }
    }

    private static func scan(_ name: String, batch: Int, tokens: Int, channels: Int, states: Int) -> OpCase {
        var generator = Generator(seed: 9)
        let initial = name.contains("state") ? generator.normals([batch, channels, states]) : nil
        let (x, matrix) = ([batch, tokens, channels], [batch, tokens, states])
        return OpCase(
            "selectiveScan " + name, [x, x, [channels, states], matrix, matrix, [channels]], .normal, .positive,
            .positive, .normal
        ) {
            let inputs = ScanInputs(
                input: $0[0], timeStep: $0[1], decay: -$0[2], inputMatrix: $0[3], outputMatrix: $0[4], skip: $0[5])
            return selectiveScan(inputs, initial: initial).output
        }
    }

    static let sequences: [OpCase] = [
        turn("of whole heads", [2, 3, 2, 8], angles: [1, 3, 4]),
        turn("of parts of heads", [2, 3, 2, 10], angles: [2, 3, 3]),
        turn("of one token", [1, 1, 4, 16], angles: [1, 1, 8]),
        scan("of a few states", batch: 2, tokens: 5, channels: 3, states: 4),
        scan("of blocks of channels", batch: 1, tokens: 4, channels: 70, states: 16),
        scan("after a state", batch: 2, tokens: 3, channels: 5, states: 3),
        OpCase("softCap", [[3, 5]]) { softCap($0[0], 0.7) },
        OpCase("attention with a soft cap", [[2, 4, 2, 8], [2, 5, 2, 8], [2, 5, 2, 8]]) {
            attention(queries: $0[0], keys: $0[1], values: $0[2], .init(scale: 0.5, isCausal: true, softCap: 1.5))
        },
        OpCase("attention of grouped heads", [[2, 4, 6, 8], [2, 4, 2, 8], [2, 4, 2, 8]]) {
            attention(queries: $0[0], keys: $0[1], values: $0[2], .init(scale: 0.5, isCausal: true))
        },
        OpCase("attention of one query of grouped heads", [[2, 1, 6, 8], [2, 4, 2, 8], [2, 4, 2, 8]]) {
            attention(queries: $0[0], keys: $0[1], values: $0[2], .init(scale: 0.5, softCap: 2))
        },
    ]
}
