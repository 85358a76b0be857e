/// A token that is cut out of the text before anything else happens to it, such as `<|endoftext|>`.
struct AddedToken: Sendable, Equatable {
    var content: String
    var id: Int
    /// Whether it is looked for after normalization, so in any case, instead of in the text as it was given.
    var isNormalized: Bool
    /// Whether `decode` may leave it out.
    var isSpecial: Bool
}

/// Text between added tokens, or one of them.
enum TextPart {
    case text(TracedText)
    case token(id: Int, ArraySlice<TracedText.Unit>)

    /// Cuts `text` at every occurrence of a token's scalars: leftmost first, and of those the longest.
    static func cut(_ text: TracedText, at tokens: [(scalars: [Unicode.Scalar], id: Int)]) -> [TextPart] {
        let firsts = Set(tokens.compactMap(\.scalars.first))
        let units = text.units
        var parts: [TextPart] = []
        var (start, at) = (0, 0)
        while at < units.count {
            let match =
                !firsts.contains(units[at].scalar)
                ? nil
                : tokens.lazy
                    .filter { token in
                        !token.scalars.isEmpty && at + token.scalars.count <= units.count
                            && token.scalars.indices.allSatisfy { units[at + $0].scalar == token.scalars[$0] }
                    }
                    .max { $0.scalars.count < $1.scalars.count }
            guard let match else {
                at += 1
                continue
            }
            if start < at { parts.append(.text(TracedText(units: units[start..<at]))) }
            let end = at + match.scalars.count
            parts.append(.token(id: match.id, units[at..<end]))
            (start, at) = (end, end)
        }
        if start < units.count { parts.append(.text(TracedText(units: units[start...]))) }
        return parts
    }
}
