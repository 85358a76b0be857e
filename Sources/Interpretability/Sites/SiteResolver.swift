internal import Layers

/// Finds sites by their names, and says what was probably meant where there is none.
struct SiteResolver {
    let scan: SiteScan
    let aliases: SiteAliases
    private let byPath: [SiteAliases.Target: SiteScan.Entry]

    init(_ scan: SiteScan, _ aliases: SiteAliases) {
        self.scan = scan
        self.aliases = aliases
        byPath = Dictionary(
            scan.entries.map { (SiteAliases.Target(path: $0.path, port: $0.port), $0) },
            uniquingKeysWith: { first, _ in first })
    }

    /// - Parameter place: the node, for messages.
    func entry(_ name: String, _ place: String) throws -> SiteScan.Entry {
        let target: SiteAliases.Target?
        if let colon = name.lastIndex(of: ":") {
            target = Port(rawValue: String(name[name.index(after: colon)...]))
                .map { SiteAliases.Target(path: String(name[..<colon]), port: $0) }
        } else {
            target = aliases.target(name) ?? SiteAliases.Target(path: name, port: .output)
        }
        if let target, let found = byPath[target] { return found }
        throw TraceError(
            .unknownSite, place, expected: "a site of the model", found: "\"\(name)\"",
            advice: suggestion(name).map { "did you mean \"\($0)\"?" })
    }

    /// The names by which sites can be called: the papers' where the model has them, then paths and ports.
    var names: [String] {
        var result = aliases.whole.filter { byPath[$0.value] != nil }.map(\.key)
        var layer = 0
        while true {
            let found = aliases.layer.keys.filter { name in
                aliases.target("layers.\(layer).\(name)").map { byPath[$0] != nil } ?? false
            }
            if found.isEmpty { break }
            result += found.map { "layers.\(layer).\($0)" }
            layer += 1
        }
        return result.sorted() + scan.entries.map(\.name)
    }

    /// The known name that takes the fewest changes of letters, if not too many.
    private func suggestion(_ name: String) -> String? {
        let wanted = Array(name.unicodeScalars)
        let best = names.map { (name: $0, distance: Self.distance(wanted, Array($0.unicodeScalars))) }
            .min { ($0.distance, $0.name.count, $0.name) < ($1.distance, $1.name.count, $1.name) }
        return best.flatMap { $0.distance <= max(3, wanted.count / 2) ? $0.name : nil }
    }

    /// Levenshtein's distance.
    private static func distance(_ a: [Unicode.Scalar], _ b: [Unicode.Scalar]) -> Int {
        var row = Array(0...b.count)
        for (i, x) in a.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for (j, y) in b.enumerated() {
                let next = min(row[j] + 1, row[j + 1] + 1, diagonal + (x == y ? 0 : 1))
                diagonal = row[j + 1]
                row[j + 1] = next
            }
        }
        return row[b.count]
    }
}
