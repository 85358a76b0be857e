internal import CKernels

/// Layers of a gated decoder as the kernel reads them, made once, for a token has no time to look for its weights.
///
/// Nothing changes after the start, and what the descriptions point to is kept: this is why it is `@unchecked Sendable`.
final class CPUDecoderLayers: @unchecked Sendable {
    private let layers: [GatedDecoderLayer]
    /// The weights as they are read, for each layer in the order of `GatedDecoderLayer.maps`.
    private let rows: [[Tensor]]
    private let described: [tk_decoder_layer]
    /// Without what belongs to a token.
    private let shape: tk_decoder_shape

    init?(_ layers: [GatedDecoderLayer], headDimension: Int, epsilon: Float, scale: Float) {
        guard let first = layers.first, layers.allSatisfy(\.isReadable) else { return nil }
        let rows = ComputeThread.shared.run { layers.compactMap { CPUBackend.shared.readableRows($0.maps) } }
        guard rows.count == layers.count else { return nil }
        self.layers = layers
        self.rows = rows
        described = zip(layers, rows).map { $0.described($1) }
        shape = tk_decoder_shape(
            layers: layers.count, width: first.queries.weight.size(1), inner: first.gate.weight.size(0),
            heads: first.queries.weight.size(0) / headDimension, key_heads: first.keys.weight.size(0) / headDimension,
            head_dimension: headDimension, tokens: 0, pairs: 0, cosines: nil, sines: nil, epsilon: epsilon,
            scale: scale)
    }

    func callAsFunction(
        _ x: Tensor, caches: GatedDecoder.Caches, cosines: Tensor, sines: Tensor
    ) -> (output: Tensor, caches: GatedDecoder.Caches)? {
        let tokens = caches.first?.keys.length ?? 0
        let keyShape = [1, tokens, shape.key_heads, shape.head_dimension]
        func isCache(_ x: GrowingTensor) -> Bool { x.tensor.isReadable && x.tensor.shape == keyShape }
        guard x.shape == [1, 1, shape.width], x.isReadable, tokens > 0, caches.count == layers.count,
            caches.allSatisfy({ isCache($0.keys) && isCache($0.values) })
        else { return nil }
        let grown = caches.map { (keys: $0.keys.growing(by: 1), values: $0.values.growing(by: 1)) }
        let (input, output) = (x.contiguous(), Tensor.empty(x.shape))
        let (cosines, sines) = (cosines.contiguous(), sines.contiguous())
        var (shape, described) = (shape, described)
        shape.tokens = tokens + 1
        shape.pairs = cosines.size(-1)
        shape.cosines = UnsafePointer(cosines.pointer())
        shape.sines = UnsafePointer(sines.pointer())
        for (index, cache) in grown.enumerated() {
            described[index].cached_keys = cache.keys.tensor.pointer()
            described[index].cached_values = cache.values.tensor.pointer()
        }
        ComputeThread.shared.run {
            CPUBackend.shared.withScratch(tk_decoder_scratch(&shape)) { scratch in
                tk_decoder_layers_f32(output.pointer(), input.pointer(), described, &shape, scratch)
            }
        }
        withExtendedLifetime((input, cosines, sines, grown)) {}
        return (output, grown)
    }
}

extension Tensor {
    /// Numbers of this machine's memory, without a history.
    fileprivate var isReadable: Bool { dtype == .float32 && storage.isOnHost && !isTracked }
}

extension GatedDecoderLayer {
    fileprivate var isReadable: Bool {
        let vectors = [norm1, norm2] + maps.compactMap(\.bias)
        return vectors.allSatisfy { $0.isReadable && $0.layout.isContiguous }
            && maps.map(\.weight).allSatisfy { $0.isFrozenRows && !$0.isTracked && $0.dtype.hasRowKernel }
    }

    /// - Parameter rows: of `maps`.
    fileprivate func described(_ rows: [Tensor]) -> tk_decoder_layer {
        let parts = zip(maps, rows).map { map, rows in
            tk_rows(
                w: rows.rawPointer, bias: map.bias.map { UnsafePointer($0.pointer()) }, n: map.weight.size(0),
                type: map.weight.dtype.rowType)
        }
        return tk_decoder_layer(
            norm1: norm1.pointer(), norm2: norm2.pointer(),
            rows: (parts[0], parts[1], parts[2], parts[3], parts[4], parts[5], parts[6]), cached_keys: nil,
            cached_values: nil)
    }
}
