/// A place in a recipe, as errors write it: `unet.channels[2]`.
struct KeyPlace: Hashable, Sendable, CustomStringConvertible {
    enum Step: Hashable, Sendable {
        case key(String)
        case index(Int)
    }

    var steps: [Step] = []

    func appending(_ step: Step) -> KeyPlace { KeyPlace(steps: steps + [step]) }

    var description: String {
        var text = ""
        for step in steps {
            switch step {
            case .key(let key): text += (text.isEmpty ? "" : ".") + key
            case .index(let index): text += "[\(index)]"
            }
        }
        return text
    }
}

/// Names that are nearly what someone wrote.
enum Spelling {
    /// The candidate with the fewest edits from `word`; none where all differ by more than a third of their letters.
    static func nearest(to word: String, among candidates: some Sequence<String>) -> String? {
        let scored = candidates.sorted().map { (name: $0, edits: edits(from: fold(word), to: fold($0))) }
        let best = scored.min { $0.edits < $1.edits }
        return best.flatMap { $0.edits <= max(1, max(word.count, $0.name.count) / 3) ? $0.name : nil }
    }

    /// Case and the choice between `_` and `-` count for nothing.
    private static func fold(_ word: String) -> [Character] {
        Array(word.lowercased().filter { $0 != "_" && $0 != "-" })
    }

    /// Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`.
    static func edits(from a: [Character], to b: [Character]) -> Int {
        var rows = [Array(0...b.count)]
        for i in a.indices {
            var row = [i + 1]
            for j in b.indices {
                var cost = min(rows[i][j] + (a[i] == b[j] ? 0 : 1), rows[i][j + 1] + 1, row[j] + 1)
                if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { cost = min(cost, rows[i - 1][j - 1] + 1) }
                row.append(cost)
            }
            rows.append(row)
        }
        return rows[a.count][b.count]
    }
}
