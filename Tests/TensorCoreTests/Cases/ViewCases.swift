import TensorCore

extension OpCase {
    private static func view(
        _ name: String, _ shape: [Int] = [3, 4, 2], empty: [[[Int]]] = [],
        _ body: @escaping @Sendable (Tensor) -> Tensor
    ) -> OpCase {
        OpCase(name, [shape], empty: empty) { body($0[0]) }
    }

    static let views: [OpCase] = [
        view("permuted", empty: [[[0, 2, 3]]]) { $0.permuted([2, 0, 1]) },
        view("permuted from the end") { $0.permuted([-1, 0, 1]) },
        view("transposed") { $0.transposed(0, -1) },
        view("reshaped", empty: [[[3, 0, 2]]]) { $0.reshaped([-1, 2]) },
        view("reshaped after a transposition") { $0.transposed(0, 2).reshaped([4, 6]) },
        view("reshaped to a scalar and back", [1]) { $0.reshaped([]).reshaped([1, 1]) },
        view("flattened", [2, 3, 2, 2]) { $0.flattened(1...2) },
        view("unsqueezed") { $0.unsqueezed(1) },
        view("unsqueezed at the end") { $0.unsqueezed(-1) },
        view("unsqueezed scalar", []) { $0.unsqueezed(0) },
        view("squeezed", [3, 1, 4]) { $0.squeezed(1) },
        view("narrowed", empty: [[[3, 4, 0]]]) { $0.narrowed(1, start: 1, count: 2) },
        view("narrowed to nothing") { $0.narrowed(1, start: 4, count: 0) },
        view("narrowed by steps") { $0.narrowed(1, start: 1, count: 2, step: 2) },
        view("narrowed twice") { $0.narrowed(0, start: 1, count: 2).narrowed(1, start: 0, count: 3) },
        view("overlapping parts") {
            $0.narrowed(1, start: 0, count: 3) * $0.narrowed(1, start: 1, count: 3)
        },
        view("selected") { $0.selected(1, -2) },
        view("split", [3, 6]) {
            let parts = $0.split(1, sizes: [2, 1, 3])
            return concatenated([parts[2], parts[0] * 2, parts[1]], axis: -1)
        },
        view("chunked", [3, 6]) {
            let parts = $0.chunked(-1, count: 2)
            return parts[0] * parts[1]
        },
        view("expanded", [3, 1, 2]) { $0.expanded(to: [2, 3, 4, 2]) },
        view("expanded scalar", []) { $0.expanded(to: [2, 3]) },
        view("expanded then reshaped", [3, 1]) { $0.expanded(to: [3, 4]).reshaped([12]) },
        view("contiguous") { $0.transposed(0, 1).contiguous() },
        view("channelsLast", [2, 3, 4, 2]) { $0.channelsLast() },
        view("channelsLast then rows", [2, 3, 4, 2]) {
            $0.channelsLast().permuted([0, 2, 3, 1]).reshaped([-1, 3])
        },
    ]
}
