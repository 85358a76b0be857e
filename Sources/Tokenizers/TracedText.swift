import Foundation

/// Text on its way through normalization: each scalar knows which scalars of the original it came from.
struct TracedText {
    struct Unit {
        var scalar: Unicode.Scalar
        /// The first scalar of the original that it stands for, and the one after the last.
        var start: Int
        var end: Int
    }

    var units: [Unit]

    init(_ text: String) {
        units = text.unicodeScalars.enumerated().map { Unit(scalar: $1, start: $0, end: $0 + 1) }
    }

    init(units: some Sequence<Unit>) {
        self.units = Array(units)
    }

    var string: String {
        var view = String.UnicodeScalarView()
        view.append(contentsOf: units.lazy.map(\.scalar))
        return String(view)
    }

    /// What CLIP does to text before it is split: NFC, one space for each run of white space, lower case by character
    /// (no context: a final sigma is like any other).
    func normalized() -> TracedText {
        composed().withSingleSpaces().lowercased()
    }

    /// Unicode normalization form C, in which each scalar stands for one of the original: the place of its own number in
    /// the cluster, as the tokenizers library counts.
    func composedPlacewise() -> TracedText {
        var result = composed()
        for place in result.units.indices where result.units[place].end - result.units[place].start > 1 {
            let cluster = result.units[place]
            var number = 0
            var before = place
            while before > 0, result.units[before - 1].end > cluster.start, number < cluster.end - cluster.start - 1 {
                before -= 1
                number += 1
            }
            result.units[place] = Unit(
                scalar: cluster.scalar, start: cluster.start + number, end: cluster.start + number + 1)
        }
        return result
    }

    /// Unicode normalization form C. Nothing composes across the boundary of two grapheme clusters, so the clusters are
    /// composed one by one, and where one changes, each of its scalars stands for the whole of it.
    func composed() -> TracedText {
        // Below U+0300 everything is composed already.
        guard units.contains(where: { $0.scalar.value >= 0x300 }) else { return self }
        var composed: [Unit] = []
        composed.reserveCapacity(units.count)
        var start = 0
        for character in string {
            let before = character.unicodeScalars
            let end = start + before.count
            let after = String(character).precomposedStringWithCanonicalMapping.unicodeScalars
            if before.elementsEqual(after) {
                composed += units[start..<end]
            } else {
                composed += after.map { Unit(scalar: $0, start: units[start].start, end: units[end - 1].end) }
            }
            start = end
        }
        return TracedText(units: composed)
    }

    private func withSingleSpaces() -> TracedText {
        var spaced: [Unit] = []
        spaced.reserveCapacity(units.count)
        var inSpace = false
        for unit in units {
            let isSpace = unit.scalar.properties.isWhitespace
            if isSpace && inSpace {
                spaced[spaced.count - 1].end = unit.end
            } else {
                spaced.append(isSpace ? Unit(scalar: " ", start: unit.start, end: unit.end) : unit)
            }
            inSpace = isSpace
        }
        return TracedText(units: spaced)
    }

    private func lowercased() -> TracedText {
        TracedText(
            units: units.flatMap { unit in
                unit.scalar.properties.lowercaseMapping.unicodeScalars.map {
                    Unit(scalar: $0, start: unit.start, end: unit.end)
                }
            })
    }
}
