import Adapters
import DiffusionModels
import Layers
import TensorCore

/// Where the words of regional adapters are, gathered while the picture is drawn.
///
/// Each evaluation tells which pixels looked at which token; the mean over the evaluations so far places the adapters of
/// the next one. The first evaluation has no map yet, so its regional adapters of words do not act.
struct WordPlaces: Sendable {
    private struct Entry: Sendable {
        let number: Int
        let region: WordRegion
        /// Of its tokens in the context.
        let places: [Int]
        /// `height · width`: the sum of the maps so far.
        var sum: [Double] = []
    }

    private var entries: [Entry]
    private var size = (height: 0, width: 0)

    /// Nil for a pass without adapters of words that act; a strength of 0 costs nothing and changes nothing.
    ///
    /// - Throws: `GenerationError` for a word that the prompt has not, and for a model without cross-attention.
    init?(_ pass: Pass, _ request: GenerationRequest, _ model: StableDiffusion) throws {
        guard let stack = pass.adaptation as? AdapterStack else { return nil }
        entries = try stack.entries.enumerated().compactMap { number, entry in
            guard let region = entry.word, entry.weight != 0 else { return nil }
            let places = model.text.places(of: region.word, in: request.prompt)
            guard !places.isEmpty else {
                throw GenerationError(
                    "\(entry.adapter.name): region word", expected: "words of the prompt \"\(request.prompt)\"",
                    found: "\"\(region.word)\"")
            }
            return Entry(number: number, region: region, places: places)
        }
        guard !entries.isEmpty else { return nil }
        guard CrossAttentionMaps(model.sites, height: 1, width: 1) != nil else {
            throw GenerationError(
                "region word", expected: "a model that reads the prompt by cross-attention", found: "none")
        }
    }

    /// Adds what one evaluation looked at. Maps of another size, of a second pass, begin anew.
    mutating func gather(_ maps: CrossAttentionMaps) {
        if size != (maps.height, maps.width) {
            size = (maps.height, maps.width)
            for index in entries.indices { entries[index].sum = [] }
        }
        for index in entries.indices {
            for place in entries[index].places {
                let map = maps.map(place)
                entries[index].sum =
                    entries[index].sum.isEmpty ? map : zip(entries[index].sum, map).map { $0 + $1 }
            }
        }
    }

    /// The stack with the regions as far as they are known.
    func placed(_ stack: AdapterStack) -> AdapterStack {
        stack.placed(
            Dictionary(
                uniqueKeysWithValues: entries.compactMap { entry in mask(of: entry).map { (entry.number, $0) } }))
    }

    /// 1 where the map, stretched to 0...1, is at least the threshold, on the grid of all regions, then softened.
    private func mask(of entry: Entry) -> RegionMask? {
        guard let low = entry.sum.min(), let high = entry.sum.max(), high > low else { return nil }
        let side = StackRegion.side
        let values = (0..<side * side).map { index -> Float in
            let row = (Double(index / side) + 0.5) / Double(side) * Double(size.height) - 0.5
            let column = (Double(index % side) + 0.5) / Double(side) * Double(size.width) - 0.5
            let value = bilinear(entry.sum, height: size.height, width: size.width, row: row, column: column)
            return (value - low) / (high - low) >= entry.region.threshold ? 1 : 0
        }
        return RegionMask(values, feather: entry.region.feather, width: size.width, height: size.height)
    }
}
