import TensorCore

extension OpCase {
    static let indexing: [OpCase] = [
        OpCase("embedding", [[5, 3]]) {
            embedding(Tensor([4, 0, 4, 2, 1, 4] as [Int64], shape: [2, 3]), $0[0])
        },
        OpCase("embedding of no tokens", [[5, 3]]) { embedding(Tensor.zeros([0], dtype: .int64), $0[0]) },
        OpCase("embedding of matrices", [[4, 2, 3]]) { embedding(Tensor([1, 1, 3] as [Int64]), $0[0]) },
        OpCase("embedding by a scalar", [[5, 3]]) { embedding(Tensor([2] as [Int64], shape: []), $0[0]) },
        OpCase("gather along the middle", [[2, 4, 3]]) {
            let indices = Tensor((0..<30).map { Int64(($0 * 7) % 4) }, shape: [2, 5, 3])
            return gather($0[0], indices: indices, axis: 1)
        },
        OpCase("gather along the last axis", [[3, 5]]) {
            gather($0[0], indices: Tensor([4, 4, 0, 1, 2, 3] as [Int64], shape: [3, 2]), axis: -1)
        },
        OpCase("gather along the first axis", [[3, 2]]) {
            gather($0[0], indices: Tensor([2, 0, 2, 1, 0, 0, 1, 2] as [Int64], shape: [4, 2]), axis: 0)
        },
        OpCase("scatterAdd along the middle", [[2, 5, 3]]) {
            let indices = Tensor((0..<30).map { Int64(($0 * 7) % 4) }, shape: [2, 5, 3])
            return scatterAdd($0[0], indices: indices, axis: 1, size: 6)
        },
        OpCase("scatterAdd along the first axis", [[4, 2]]) {
            scatterAdd($0[0], indices: Tensor([2, 0, 2, 1, 0, 0, 1, 2] as [Int64], shape: [4, 2]), axis: 0, size: 3)
        },
        OpCase("concatenated", [[2, 3, 2], [2, 1, 2], [2, 2, 2]], empty: [[[2, 0, 2], [2, 1, 2], [2, 0, 2]]]) {
            concatenated($0, axis: 1)
        },
        OpCase("concatenated channels", [[2, 3, 2, 4], [2, 5, 2, 4]]) { concatenated($0, axis: 1) },
        OpCase("concatenated at the end", [[2, 3], [2, 1]]) { concatenated($0, axis: -1) },
        OpCase("concatenated with itself", [[2, 3]]) { concatenated([$0[0], $0[0], 2 * $0[0]], axis: 0) },
        OpCase("stacked", [[2, 3], [2, 3]], empty: [[[0, 3], [0, 3]]]) { stacked($0, axis: 1) },
        OpCase("stacked at the end", [[2, 3], [2, 3]]) { stacked($0, axis: -1) },
        OpCase("padded", [[2, 3, 4]], empty: [[[2, 0, 4]]]) {
            padded($0[0], before: [0, 1, 2], after: [1, 0, 3], value: -1.5)
        },
        OpCase("padded maps", [[1, 3, 4, 2]]) { padded($0[0], before: [0, 0, 1, 1], after: [0, 0, 2, 0]) },
        OpCase("nearest", [[2, 3, 2, 4]], empty: [[[0, 3, 2, 4]]]) { resample($0[0], .nearest(factor: 2)) },
        OpCase("nearest by three", [[1, 5, 3, 2]]) { resample($0[0], .nearest(factor: 3)) },
        OpCase("bilinear up", [[2, 3, 3, 4]], empty: [[[0, 3, 3, 4]]]) {
            resample($0[0], .bilinear(height: 7, width: 9))
        },
        OpCase("bilinear down", [[1, 2, 9, 8]]) { resample($0[0], .bilinear(height: 4, width: 3)) },
        OpCase("bilinear from one pixel", [[1, 2, 1, 1]]) { resample($0[0], .bilinear(height: 3, width: 2)) },
        OpCase("averagePool", [[2, 3, 4, 6]], empty: [[[0, 3, 4, 6]]]) { resample($0[0], .averagePool(size: 2)) },
        OpCase("averagePool with a rest", [[1, 2, 7, 5]]) { resample($0[0], .averagePool(size: 3)) },
    ]
}
