/// How people spell names: case, spaces, `-` and `_` do not matter, and `pp` is `++`.
func folded(_ name: String) -> String {
    name.lowercased().replacing("++", with: "pp").filter { !" _-".contains($0) }
}

/// The nearest of the known names, if it takes at most two edits or a third of its letters.
func suggestion(for name: String, among known: [String]) -> String? {
    let wanted = folded(name)
    return known.map { ($0, editDistance(Array(wanted), Array(folded($0)))) }
        .filter { name, distance in distance <= max(2, name.count / 3) && distance < name.count }
        .min { $0.1 < $1.1 }?.0
}

/// The number of insertions, deletions and substitutions between two words.
private func editDistance(_ a: [Character], _ b: [Character]) -> Int {
    var row = Array(0...b.count)
    for (i, x) in a.enumerated() {
        var diagonal = row[0]
        row[0] = i + 1
        for (j, y) in b.enumerated() {
            let substitution = diagonal + (x == y ? 0 : 1)
            diagonal = row[j + 1]
            row[j + 1] = min(substitution, diagonal + 1, row[j] + 1)
        }
    }
    return row[b.count]
}
