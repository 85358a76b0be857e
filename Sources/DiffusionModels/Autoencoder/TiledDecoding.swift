public import Layers
public import TensorCore

/// How latents are cut into overlapping squares that are decoded one after the other, so that memory no longer grows
/// with the picture.
///
/// Follows diffusers `AutoencoderKL.tiled_decode`.
public struct DecodingTiles: Sendable, Equatable {
    /// The side of a tile in latents.
    public let side: Int
    /// From one tile's start to the next one's.
    public let step: Int
    /// Pixels along which neighbours are blended into each other.
    public let blend: Int
    /// Pixels of a tile that are kept, in each direction.
    public let kept: Int

    /// - Parameters:
    ///   - side: in latents, at least 1.
    ///   - overlap: the share of a tile that its neighbour repeats, from 0 to below 1.
    ///   - factor: pixels a latent, in each direction.
    public init(side: Int, overlap: Double = 0.25, factor: Int) {
        precondition(side > 0 && overlap >= 0 && overlap < 1, "DecodingTiles: side \(side), overlap \(overlap)")
        self.side = side
        step = max(1, Int(Double(side) * (1 - overlap)))
        blend = Int(Double(side * factor) * overlap)
        kept = step * factor
    }

    /// Decodes latents tile by tile; latents that fit one tile are decoded at once.
    ///
    /// - Parameters:
    ///   - latents: `[batch, channels, height, width]`.
    ///   - decode: of one tile, at most `side` latents high and wide.
    public func decode(_ latents: Tensor, with decode: (Tensor) -> Tensor) -> Tensor {
        let (height, width) = (latents.size(2), latents.size(3))
        guard height > side || width > side else { return decode(latents) }
        var above: [Tensor] = []
        var rows: [Tensor] = []
        for top in stride(from: 0, to: height, by: step) {
            var row: [Tensor] = []
            for left in stride(from: 0, to: width, by: step) {
                let tile =
                    latents
                    .narrowed(2, start: top, count: min(side, height - top))
                    .narrowed(3, start: left, count: min(side, width - left))
                var picture = decode(tile.contiguous())
                if !above.isEmpty { picture = blended(above[row.count], into: picture, axis: 2) }
                if let last = row.last { picture = blended(last, into: picture, axis: 3) }
                row.append(picture)
            }
            rows.append(concatenated(row.map { kept(of: $0) }, axis: 3))
            above = row
        }
        return concatenated(rows, axis: 2)
    }

    /// What a tile adds to the picture: without what its neighbours below and to the right cover.
    private func kept(of tile: Tensor) -> Tensor {
        tile.narrowed(2, start: 0, count: min(kept, tile.size(2)))
            .narrowed(3, start: 0, count: min(kept, tile.size(3)))
    }

    /// The tile with its first rows or columns mixed with its neighbour's that show the same:
    ///
    ///     out[i] = before[kept + i] · (1 - i / blend) + tile[i] · i / blend
    private func blended(_ before: Tensor, into tile: Tensor, axis: Int) -> Tensor {
        let count = min(blend, before.size(axis) - kept, tile.size(axis))
        guard count > 0 else { return tile }
        let shape = (0..<4).map { $0 == axis ? count : 1 }
        let share = Tensor((0..<count).map { Float($0) / Float(count) }, shape: shape)
        let old = before.narrowed(axis, start: kept, count: count)
        let new = tile.narrowed(axis, start: 0, count: count)
        let mixed = old * (1 - share) + new * share
        guard tile.size(axis) > count else { return mixed }
        return concatenated(
            [mixed, tile.narrowed(axis, start: count, count: tile.size(axis) - count)], axis: axis)
    }
}

extension AutoencoderKL {
    /// The tiles that diffusers takes: of the size that the model was trained on, overlapping by a quarter.
    public var tiles: DecodingTiles {
        DecodingTiles(
            side: max(1, configuration.sampleSize / configuration.downsamplingFactor),
            factor: configuration.downsamplingFactor)
    }

    /// `decode` over overlapping tiles: nearly the same picture, in memory that does not grow with it.
    public func decodeTiled(_ latents: Tensor, by tiles: DecodingTiles? = nil, _ pass: Pass) -> Tensor {
        (tiles ?? self.tiles).decode(latents) { decode($0, pass) }
    }
}
