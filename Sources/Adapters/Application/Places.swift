import Layers
import TensorCore

/// The places of the picture that a layer's output has.
struct Places {
    let height: Int
    let width: Int
    /// Whether the output is `[batch, tokens, channels]` rather than a map.
    let isSequence: Bool
    /// Whether the output is one vector a row that is to be spread over the map.
    let isSpread: Bool

    /// A mask for each of several groups of channels, times a strength.
    ///
    /// - Parameter counts: channels of each group.
    /// - Returns: `[1, tokens, channels]` for a sequence, `[1, channels, height, width]` for a map.
    func weights(_ masks: [RegionMask?], _ strengths: [Double], counts: [Int]) -> Tensor {
        let columns = zip(masks, zip(strengths, counts)).map { mask, group in
            let column =
                mask.map { $0.resized(height: height, width: width).reshaped([height * width, 1]) }
                ?? Tensor.ones([height * width, 1])
            return (column * group.0).expanded(to: [height * width, group.1])
        }
        let tokens = columns.count == 1 ? columns[0].contiguous() : concatenated(columns, axis: 1)
        if isSequence { return tokens.unsqueezed(0) }
        return tokens.reshaped([1, height, width, tokens.size(1)]).permuted([0, 3, 1, 2])
    }

    /// A vector a row as a map of equal places, where the layer's output is to be spread; others as they are.
    func onMap(_ x: Tensor) -> Tensor { isSpread && x.rank == 2 ? x.unsqueezed(-1).unsqueezed(-1) : x }
}

extension AdapterStack {
    /// The places of a layer's output, or nil where it has none: texts, embeddings, and every layer while no run says
    /// how large the latents are.
    func places(of layer: BaseLayer, _ x: Tensor, _ adapters: SiteAdapters) -> Places? {
        guard !adapters.readsText else { return nil }
        switch layer.operation {
        case .convolution(let geometry):
            let size = [0, 1].map {
                geometry.outputSize(input: x.size(2 + $0), kernel: layer.weight.size(2 + $0), dimension: $0)
            }
            return Places(height: size[0], width: size[1], isSequence: false, isSpread: false)
        case .spreadLinear(let height, let width):
            return Places(height: height, width: width, isSequence: false, isSpread: true)
        case .linear:
            guard x.rank == 3, let height = moment?.height(ofTokens: x.size(1)) else { return nil }
            return Places(height: height, width: x.size(1) / height, isSequence: true, isSpread: false)
        }
    }
}
