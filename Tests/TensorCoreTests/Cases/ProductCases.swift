import TensorCore

extension OpCase {
    private static func convolution(
        _ name: String, _ x: [Int], _ weight: [Int], bias: Bool = true, _ geometry: ConvolutionGeometry
    ) -> OpCase {
        let shapes = bias ? [x, weight, [weight[0]]] : [x, weight]
        let empty = [0] + x.dropFirst()
        return OpCase("convolution " + name, shapes, empty: [[empty] + shapes.dropFirst()]) {
            TensorCore.convolution($0[0], $0[1], $0.count > 2 ? $0[2] : nil, geometry)
        }
    }

    static let products: [OpCase] = [
        OpCase("matmul", [[4, 5], [5, 3]], empty: [[[0, 5], [5, 3]], [[4, 0], [0, 3]], [[4, 5], [5, 0]]]) {
            matmul($0[0], $0[1])
        },
        OpCase("matmul of one row", [[1, 7], [7, 3]]) { matmul($0[0], $0[1]) },
        OpCase("matmul of one column", [[4, 7], [7, 1]]) { matmul($0[0], $0[1]) },
        OpCase("matmul of outer vectors", [[4, 1], [1, 3]]) { matmul($0[0], $0[1]) },
        OpCase("matmul in batches", [[2, 4, 5], [2, 5, 3]], empty: [[[0, 4, 5], [0, 5, 3]]]) {
            matmul($0[0], $0[1])
        },
        OpCase("matmul in a batch of one", [[1, 4, 5], [1, 5, 3]]) { matmul($0[0], $0[1]) },
        OpCase("matmul over heads", [[2, 3, 4, 5], [2, 3, 5, 2]]) { matmul($0[0], $0[1]) },
        OpCase("matmul with a shared matrix", [[2, 3, 4, 5], [5, 3]]) { matmul($0[0], $0[1]) },
        OpCase("matmul with a broadcast batch", [[2, 3, 4, 5], [3, 5, 2]]) { matmul($0[0], $0[1]) },
        OpCase("matmul of a matrix with a batch", [[4, 5], [3, 5, 2]]) { matmul($0[0], $0[1]) },
        OpCase("linear", [[3, 4, 6], [5, 6], [5]], empty: [[[0, 4, 6], [5, 6], [5]], [[2, 0], [5, 0], [5]]]) {
            linear($0[0], $0[1], $0[2])
        },
        OpCase("linear without bias", [[7, 6], [5, 6]], empty: [[[0, 6], [5, 6]]]) { linear($0[0], $0[1]) },
        OpCase("linear of a vector", [[6], [5, 6], [5]]) { linear($0[0], $0[1], $0[2]) },
        OpCase("linear of one row", [[1, 6], [5, 6], [5]]) { linear($0[0], $0[1], $0[2]) },
        OpCase("linear to one channel", [[4, 6], [1, 6], [1]]) { linear($0[0], $0[1], $0[2]) },
        OpCase("linear from one channel", [[4, 1], [5, 1], [5]]) { linear($0[0], $0[1], $0[2]) },
        convolution("3x3", [2, 4, 6, 5], [3, 4, 3, 3], .init(padding: 1)),
        convolution("3x3 without bias or padding", [1, 4, 6, 5], [3, 4, 3, 3], bias: false, .init()),
        convolution("3x3 of RGB", [2, 3, 5, 5], [16, 3, 3, 3], .init(padding: 1)),
        convolution("3x3 of 32 channels", [1, 32, 16, 17], [32, 32, 3, 3], .init(padding: 1)),
        convolution("3x3 to one channel", [2, 4, 5, 5], [1, 4, 3, 3], .init(padding: 1)),
        convolution("stride 2", [2, 4, 7, 6], [5, 4, 3, 3], .init(stride: 2, padding: 1)),
        convolution(
            "stride 2, padded below", [2, 4, 6, 8], [5, 4, 3, 3],
            .init(stride: 2, paddingBefore: [0, 0], paddingAfter: [1, 1])),
        convolution(
            "padded on every side differently", [1, 4, 5, 6], [2, 4, 3, 3],
            .init(paddingBefore: [2, 0], paddingAfter: [1, 3])),
        convolution("1x1", [2, 4, 3, 5], [6, 4, 1, 1], .init()),
        convolution("1x1 without bias", [2, 4, 3, 5], [6, 4, 1, 1], bias: false, .init()),
        convolution("1x1, stride 2", [1, 4, 5, 5], [6, 4, 1, 1], .init(stride: 2)),
        convolution("1x1, padded", [1, 4, 3, 3], [6, 4, 1, 1], .init(padding: 1)),
        convolution("two groups", [2, 4, 5, 5], [6, 2, 3, 3], .init(padding: 1, groups: 2)),
        convolution("depthwise", [2, 6, 5, 5], [6, 1, 3, 3], .init(padding: 1, groups: 6)),
        convolution("1x1 in two groups", [2, 4, 3, 3], [6, 2, 1, 1], .init(groups: 2)),
        convolution("dilated", [1, 4, 7, 7], [3, 4, 3, 3], .init(padding: 2, dilation: 2)),
        convolution("patches", [1, 3, 8, 8], [5, 3, 4, 4], .init(stride: 4)),
        convolution("3x1", [1, 4, 5, 6], [3, 4, 3, 1], .init(paddingBefore: [1, 0], paddingAfter: [1, 0])),
    ]
}
