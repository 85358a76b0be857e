extension SliderReport {
    /// A table with its head.
    struct Table {
        var title: String
        var head: [String]
        var rows: [[String]]
    }

    /// All tables of the report, in their order.
    var tables: [Table] {
        let text = Self.text
        let worst = worstInterference
        var tables = [
            Table(
                title: "", head: ["measure", "asked", "measured"],
                rows: [
                    [
                        "\(target) never falls, \(prompts) prompts x \(seeds) seeds", "95 %",
                        "\((monotoneShare * 1000).rounded() / 10) %",
                    ],
                    ["effect of scale 1 on \(target), of its range", "0.25", text(effect(at: 1))],
                    ["interference, mean", "at most 0.15", text(meanInterference)],
                    ["interference, worst (\(worst.trait))", "at most 0.3", text(worst.share)],
                ]),
            Table(
                title: "Change of each trait, of its range, by scale", head: ["trait"] + scales.map(text),
                rows: rows.map { [$0.trait] + $0.changes.map(text) }
                    + [["perceptual distance"] + perceptual.map(text), ["drift of features"] + drift.map(text)]),
        ]
        if !ways.isEmpty {
            tables.append(
                Table(
                    title: "Ways to the same, \(ways[0].pictures) pictures",
                    head: ["way", "effect", "interference, mean", "worst", "perceptual distance", "drift"],
                    rows: ways.map { way in
                        let worst = way.change.worstInterference
                        return [
                            way.name, text(way.change.effect), text(way.change.meanInterference),
                            "\(text(worst.share)) (\(worst.trait))", text(way.change.perceptual),
                            text(way.change.drift),
                        ]
                    }))
        }
        for (title, parts) in [
            ("Scale 1 in a window of the timesteps only", windows), ("Scale 1 in a block only", blocks),
        ]
        where !parts.isEmpty {
            tables.append(
                Table(
                    title: title, head: ["part", "effect", "perceptual distance", "drift"],
                    rows: parts.map { [$0.name, text($0.effect), text($0.perceptual), text($0.drift)] }))
        }
        if !layers.isEmpty {
            tables.append(
                Table(
                    title: "Where the weights change most", head: ["layers", "share of the squares"],
                    rows: layers.map { [$0.layers, text($0.share)] }))
        }
        return tables
    }

    /// Traits that too few pictures show to count as interference.
    private var remark: String? {
        let unseen = change(at: 1)?.unseen ?? []
        return unseen.isEmpty
            ? nil : "Left out of interference, for hardly any picture shows them: \(unseen.joined(separator: ", "))."
    }

    /// The tables for a terminal or a page.
    public var markdown: String {
        let parts = tables.map { table -> String in
            func line(_ cells: [String]) -> String { "| " + cells.joined(separator: " | ") + " |" }
            let rule = "|" + table.head.map { _ in "---|" }.joined()
            let lines = [line(table.head), rule] + table.rows.map(line)
            return (table.title.isEmpty ? "" : table.title + ":\n\n") + lines.joined(separator: "\n")
        }
        return (parts + (remark.map { [$0] } ?? [])).joined(separator: "\n\n") + "\n"
    }

    /// A page with the tables and the pictures that lie beside it.
    ///
    /// - Parameter pictures: their file names, with what they show.
    public func html(pictures: [(file: String, title: String)]) -> String {
        func escaped(_ text: String) -> String {
            text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
                .replacing("\"", with: "&quot;")
        }
        func row(_ cells: [String], _ tag: String) -> String {
            "<tr>" + cells.map { "<\(tag)>\(escaped($0))</\(tag)>" }.joined() + "</tr>"
        }
        let tables = tables.map { table in
            (table.title.isEmpty ? "" : "<h2>\(escaped(table.title))</h2>\n") + "<table>\n" + row(table.head, "th")
                + "\n" + table.rows.map { row($0, "td") }.joined(separator: "\n") + "\n</table>"
        }
        let figures = pictures.map {
            "<figure><img src=\"\(escaped($0.file))\" alt=\"\(escaped($0.title))\"><figcaption>\(escaped($0.title))"
                + "</figcaption></figure>"
        }
        return """
            <!doctype html>
            <html lang="en"><head><meta charset="utf-8"><title>\(escaped(slider)): \(escaped(target))</title>
            <style>
            body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 64rem; color: #2b2d31; background: #fbfaf8; }
            table { border-collapse: collapse; margin: 1rem 0; } th, td { padding: .25rem .75rem; text-align: right; border-bottom: 1px solid #dedcd6; }
            th:first-child, td:first-child { text-align: left; } img { max-width: 100%; } figure { margin: 1.5rem 0; } figcaption { color: #5b5f68; }
            </style></head><body>
            <h1>\(escaped(slider)): \(escaped(target))</h1>
            \((tables + (remark.map { ["<p>\(escaped($0))</p>"] } ?? []) + figures).joined(separator: "\n"))
            </body></html>

            """
    }
}
