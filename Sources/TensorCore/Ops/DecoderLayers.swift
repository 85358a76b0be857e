/// The weights of one layer of a gated decoder, as Llama's.
public struct GatedDecoderLayer: Sendable {
    /// `[width]`: of the norms before attention and before the feed-forward part.
    public var norm1: Tensor
    public var norm2: Tensor
    public var queries: AffineMap
    public var keys: AffineMap
    public var values: AffineMap
    public var output: AffineMap
    public var gate: AffineMap
    public var up: AffineMap
    public var down: AffineMap

    public init(
        norm1: Tensor, queries: AffineMap, keys: AffineMap, values: AffineMap, output: AffineMap, norm2: Tensor,
        gate: AffineMap, up: AffineMap, down: AffineMap
    ) {
        self.norm1 = norm1
        self.queries = queries
        self.keys = keys
        self.values = values
        self.output = output
        self.norm2 = norm2
        self.gate = gate
        self.up = up
        self.down = down
    }

    /// In the order of the kernel.
    var maps: [AffineMap] { [queries, keys, values, output, gate, up, down] }
}

/// The layers of a gated decoder, ready for one token at a time: all of them in one kernel, with the bits of the single
/// operations.
///
///     h = x + output · attention(rotary(queries · rmsNorm(x)), ...)
///     y = h + down · swiglu(gate · rmsNorm(h), up · rmsNorm(h))
public struct GatedDecoder: Sendable {
    /// For each layer the turned keys and the values of earlier tokens, `[1, tokens, keyHeads, headDimension]`.
    public typealias Caches = [(keys: GrowingTensor, values: GrowingTensor)]

    private let layers: CPUDecoderLayers

    /// - Parameters:
    ///   - epsilon: of the norms.
    ///   - scale: the factor of the attention scores.
    /// - Returns: nil where no kernel can: weights are not frozen or of a type that is not read as it is, norms are not
    ///   float32, or memory is a device's.
    public init?(_ layers: [GatedDecoderLayer], headDimension: Int, epsilon: Float, scale: Float) {
        guard let layers = CPUDecoderLayers(layers, headDimension: headDimension, epsilon: epsilon, scale: scale) else {
            return nil
        }
        self.layers = layers
    }

    /// - Parameters:
    ///   - x: `[1, 1, width]`.
    ///   - cosines, sines: `[1, 1, pairs]`, of the angles of the token's position.
    /// - Returns: `[1, 1, width]` and the caches with this token; nil where the input or the caches are not what the kernel
    ///   reads: another number of rows or tokens, gradients wanted, a device's memory.
    public func callAsFunction(
        _ x: Tensor, caches: Caches, cosines: Tensor, sines: Tensor
    ) -> (output: Tensor, caches: Caches)? {
        layers(x, caches: caches, cosines: cosines, sines: sines)
    }
}
