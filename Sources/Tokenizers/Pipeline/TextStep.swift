/// One step of a tokenizer before symbols are paired.
enum TextStep: Sendable, Equatable {
    // Normalization: the whole text.

    /// Unicode normalization form C.
    case composed
    case prepend(String)
    /// Every occurrence of one text by another.
    case replace(String, by: String)

    // Splitting: each piece becomes several.

    case split(SplitPattern)
    /// Numbers apart from everything else, and digits from each other.
    case digits(areSingle: Bool)
    /// White space as `▁`, one before the text; cut before each where pieces are split.
    case metaspace(isPrepended: Bool, splits: Bool)
    /// A space before a piece that begins with none.
    case leadingSpace

    func apply(_ pieces: [TracedText], isStart: Bool) -> [TracedText] {
        switch self {
        case .composed: return pieces.map { $0.composedPlacewise() }
        case .prepend(let text): return pieces.map { $0.units.isEmpty ? $0 : $0.prepending(text) }
        case .replace(let old, let new): return pieces.map { $0.replacing(old, by: new) }
        case .split(let pattern): return pieces.flatMap { pattern.split($0) }
        case .digits(let areSingle): return pieces.flatMap { $0.splitDigits(areSingle: areSingle) }
        case .leadingSpace:
            return pieces.map { piece in piece.units.first?.scalar == " " ? piece : piece.prepending(" ") }
        case .metaspace(let isPrepended, let splits):
            let marked = pieces.map { piece -> TracedText in
                let marked = piece.replacing(" ", by: "▁")
                let lacksMark = marked.units.first.map { $0.scalar != "▁" } ?? false
                return isPrepended && isStart && lacksMark ? marked.prepending("▁") : marked
            }
            return splits ? marked.flatMap { $0.splitBefore("▁") } : marked
        }
    }
}

extension TracedText {
    /// Text in front, which stands for the first character, as that itself does.
    func prepending(_ text: String) -> TracedText {
        guard let first = units.first else { return self }
        let added = text.unicodeScalars.map { Unit(scalar: $0, start: first.start, end: first.end) }
        return TracedText(units: added + units)
    }

    /// Each occurrence of `old`, leftmost first, as `new`, which stands for the same part of the original.
    func replacing(_ old: String, by new: String) -> TracedText {
        let (old, new) = (Array(old.unicodeScalars), Array(new.unicodeScalars))
        guard let first = old.first, units.contains(where: { $0.scalar == first }) else { return self }
        var result: [Unit] = []
        result.reserveCapacity(units.count)
        var at = 0
        while at < units.count {
            let matches =
                at + old.count <= units.count && old.indices.allSatisfy { units[at + $0].scalar == old[$0] }
            if matches {
                let (start, end) = (units[at].start, units[at + old.count - 1].end)
                result += new.map { Unit(scalar: $0, start: start, end: end) }
                at += old.count
            } else {
                result.append(units[at])
                at += 1
            }
        }
        return TracedText(units: result)
    }

    /// Cuts before every unit at which `isCut` holds for it and the one before.
    private func cut(_ isCut: (Unit, Unit) -> Bool) -> [TracedText] {
        var pieces: [TracedText] = []
        var start = 0
        for place in units.indices.dropFirst() where isCut(units[place - 1], units[place]) {
            pieces.append(TracedText(units: units[start..<place]))
            start = place
        }
        if start < units.count { pieces.append(TracedText(units: units[start...])) }
        return pieces
    }

    func splitBefore(_ mark: Unicode.Scalar) -> [TracedText] { cut { $1.scalar == mark } }

    func splitDigits(areSingle: Bool) -> [TracedText] {
        cut { before, after in
            let (a, b) = (ScalarClass(before.scalar) == .number, ScalarClass(after.scalar) == .number)
            return a != b || (areSingle && a)
        }
    }
}
