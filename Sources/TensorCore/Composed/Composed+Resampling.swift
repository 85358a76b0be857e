extension Composed {
    package static func resample(_ backend: any Backend, _ x: Tensor, _ resampling: Resampling) -> Tensor {
        let (batch, channels, height, width) = (x.size(0), x.size(1), x.size(2), x.size(3))
        switch resampling {
        case .nearest(let factor):
            return x.reshaped([batch, channels, height, 1, width, 1])
                .expanded(to: [batch, channels, height, factor, width, factor])
                .reshaped([batch, channels, height * factor, width * factor])
        case .averagePool(let size):
            let (rows, columns) = (height / size, width / size)
            let blocks = x.narrowed(2, start: 0, count: rows * size).narrowed(3, start: 0, count: columns * size)
                .reshaped([batch, channels, rows, size, columns, size])
            let mean = backend.reduce(.sum, blocks, axes: [3, 5]) / Double(size * size)
            return mean.reshaped([batch, channels, rows, columns])
        case .bilinear(let newHeight, let newWidth):
            let rows = bilinearWeights(backend, from: height, to: newHeight)
            let columns = bilinearWeights(backend, from: width, to: newWidth)
            let wide = backend.matmul(x, columns.transposed(0, 1))
            return backend.matmul(wide.transposed(2, 3), rows.transposed(0, 1)).transposed(2, 3)
        }
    }

    package static func resampleBackward(
        _ backend: any Backend, _ gradient: Tensor, inputShape: [Int], _ resampling: Resampling
    ) -> Tensor {
        let (batch, channels, height, width) = (inputShape[0], inputShape[1], inputShape[2], inputShape[3])
        switch resampling {
        case .nearest(let factor):
            let blocks = gradient.reshaped([batch, channels, height, factor, width, factor])
            return backend.reduce(.sum, blocks, axes: [3, 5]).reshaped(inputShape)
        case .averagePool(let size):
            let (rows, columns) = (height / size, width / size)
            let share = gradient.reshaped([batch, channels, rows, 1, columns, 1]) / Double(size * size)
            let spread = share.expanded(to: [batch, channels, rows, size, columns, size])
                .reshaped([batch, channels, rows * size, columns * size])
            return backend.assemble(
                [(spread, [0, 0, 0, 0])], shape: inputShape, order: [0, 1, 2, 3], background: 0)
        case .bilinear(let newHeight, let newWidth):
            let rows = bilinearWeights(backend, from: height, to: newHeight)
            let columns = bilinearWeights(backend, from: width, to: newWidth)
            let narrow = backend.matmul(gradient, columns)
            return backend.matmul(narrow.transposed(2, 3), rows).transposed(2, 3)
        }
    }

    /// The weight of each old place for each new one, `[to, from]`: a hat of width 1 around the old position of the
    /// new place's centre, which is kept between the first and the last place.
    private static func bilinearWeights(_ backend: any Backend, from old: Int, to new: Int) -> Tensor {
        let scale = Double(old) / Double(new)
        let centres = (counting(backend, new) + 0.5) * scale - 0.5
        let inside = backend.binary(
            .minimum, backend.binary(.maximum, centres, scalar: 0), scalar: Double(old - 1))
        let distance = backend.unary(.absolute, inside.reshaped([new, 1]) - counting(backend, old))
        return backend.unary(.relu, 1 - distance)
    }

    /// `[0, 1, ..., count - 1]` as float32.
    static func counting(_ backend: any Backend, _ count: Int) -> Tensor {
        backend.cumulative(
            .sum, backend.full(1, shape: [count], dtype: .float32), axis: 0, reversed: false) - 1
    }
}
