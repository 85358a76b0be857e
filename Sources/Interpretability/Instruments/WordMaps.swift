public import DiffusionModels
internal import Drawing
public import Imaging

/// The words of a diffusion prompt, and the pixels that each drew; with a slider beside it, what the slider changes.
public struct WordMaps: TraceReport {
    public struct Word: Codable, Sendable, Hashable {
        public let text: String
        /// `height * width` probabilities, row by row.
        public let map: [Double]
        /// The same with the slider.
        public let changedMap: [Double]?
        /// How far the two are apart: the sum of absolute differences over the sum of the map.
        public let change: Double?

        /// The mean probability over pixels.
        public var share: Double { map.reduce(0, +) / Double(max(map.count, 1)) }
    }

    public let height: Int
    public let width: Int
    public let words: [Word]
    private let plainPicture: Image
    private let changedPicture: Image?

    /// A run of the model: what its attention gathered, and its picture.
    public struct Run: Sendable {
        public let maps: CrossAttentionMaps
        public let picture: Image

        public init(maps: CrossAttentionMaps, picture: Image) {
            self.maps = maps
            self.picture = picture
        }
    }

    /// - Parameters:
    ///   - words: words with the places of their tokens in the context, whose maps are summed.
    ///   - changed: the same run with something changed.
    public init(_ words: [(text: String, places: Range<Int>)], of run: Run, changed: Run? = nil) {
        func map(_ run: Run, _ places: Range<Int>) -> [Double] {
            let maps = places.map { run.maps.map($0) }
            return (maps.first ?? []).indices.map { pixel in maps.reduce(0) { $0 + $1[pixel] } }
        }
        (height, width) = (run.maps.height, run.maps.width)
        self.words = words.map { word in
            let base = map(run, word.places)
            let other = changed.map { map($0, word.places) }
            let change = other.map { other in
                zip(base, other).reduce(0) { $0 + abs($1.0 - $1.1) } / max(base.reduce(0, +), 1e-12)
            }
            return Word(text: word.text, map: base, changedMap: other, change: change)
        }
        (plainPicture, changedPicture) = (run.picture, changed?.picture)
    }

    /// The words of a prompt, with the places of their tokens in the context, where a start token stands before them.
    ///
    /// Tokens whose characters follow without a gap, or that share one, belong to one word: rare characters have several.
    ///
    /// - Parameter ranges: the Unicode scalars of each token.
    public static func words(of text: String, ranges: [Range<Int>]) -> [(text: String, places: Range<Int>)] {
        let scalars = Array(text.unicodeScalars)
        var words: [(characters: Range<Int>, places: Range<Int>)] = []
        for (index, range) in ranges.enumerated() {
            if let last = words.last, range.lowerBound <= last.characters.upperBound {
                let end = max(range.upperBound, last.characters.upperBound)
                words[words.count - 1] = (last.characters.lowerBound..<end, last.places.lowerBound..<index + 2)
            } else {
                words.append((range, index + 1..<index + 2))
            }
        }
        return words.map { (String(String.UnicodeScalarView(scalars[$0.characters])), $0.places) }
    }

    private enum CodingKeys: String, CodingKey { case height, width, words }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(height, forKey: .height)
        try container.encode(width, forKey: .width)
        try container.encode(words, forKey: .words)
    }

    public var table: String {
        let rows = words.map { word in
            let peak = word.map.indices.max { word.map[$0] < word.map[$1] } ?? 0
            return [
                word.text, TextTable.number(word.share), TextTable.number(word.map.max() ?? 0),
                "\(peak % max(width, 1)), \(peak / max(width, 1))", word.change.map { TextTable.number($0) } ?? "",
            ]
        }
        return TextTable.text([["word", "mean", "peak", "at", "change"]] + rows, title: "cross-attention by word")
    }

    /// The picture, then for each word the picture lit where the word is looked at; a second row for the slider.
    public func picture() -> Image {
        func cells(_ picture: Image, _ caption: String, map: (Word) -> [Double]?) -> [ContactSheet.Cell] {
            [ContactSheet.Cell(picture, caption: caption)]
                + words.map { word in
                    let change = word.changedMap == nil ? "" : ", change " + TextTable.number(word.change ?? 0)
                    return ContactSheet.Cell(
                        lit(picture, by: map(word) ?? []), caption: word.text + (caption == "changed" ? change : ""))
                }
        }
        let first = cells(plainPicture, "picture") { $0.map }
        guard let changedPicture else {
            return ContactSheet(
                first, columns: min(first.count, 6), title: "Which pixels each word drew", pictureSize: 128
            ).draw()
        }
        return ContactSheet(
            rows: [first, cells(changedPicture, "changed") { $0.changedMap }], title: "Which pixels each word drew",
            pictureSize: 128
        ).draw()
    }

    /// A picture as bright as a map is high, between its lowest and highest value.
    private func lit(_ picture: Image, by map: [Double]) -> Image {
        guard map.count == height * width, let low = map.min(), let high = map.max() else { return picture }
        var pixels = picture.pixels
        for y in 0..<picture.height {
            for x in 0..<picture.width {
                let row = (Double(y) + 0.5) * Double(height) / Double(picture.height) - 0.5
                let column = (Double(x) + 0.5) * Double(width) / Double(picture.width) - 0.5
                let light =
                    (bilinear(map, height: height, width: width, row: row, column: column) - low)
                    / max(high - low, 1e-12)
                for channel in 0..<3 {
                    let place = (y * picture.width + x) * 3 + channel
                    pixels[place] = UInt8(Double(pixels[place]) * (0.15 + 0.85 * min(max(light, 0), 1)))
                }
            }
        }
        return Image(width: picture.width, height: picture.height, pixels: pixels)
    }
}
