extension TraceReport {
    /// The table as text, and the picture.
    public func page() throws -> HTMLPage {
        let lines = table.split(separator: "\n", omittingEmptySubsequences: false)
        var page = HTMLPage(title: lines.first.map(String.init) ?? "")
        page.add(preformatted: lines.dropFirst().joined(separator: "\n"))
        try page.add(picture(), caption: page.title)
        return page
    }
}

extension ScoreGrid {
    /// Every number, coloured.
    public func page() throws -> HTMLPage {
        var page = HTMLPage(title: title)
        page.add(colored)
        return page
    }

    var colored: HTMLTable {
        HTMLTable(
            columns: columns,
            rows: zip(rows, values).map { row, cells in
                (
                    name: row,
                    cells: zip(columns, cells).map { column, value in
                        HTMLTable.Cell(
                            TextTable.number(value), value: value,
                            note: "\(named(rowAxis, row)), \(named(columnAxis, column))")
                    }
                )
            }, corner: [rowAxis, columnAxis].filter { !$0.isEmpty }.joined(separator: " / "))
    }

    private func named(_ axis: String, _ name: String) -> String { axis.isEmpty ? name : "\(axis) \(name)" }
}

extension CausalTrace {
    public func page() throws -> HTMLPage {
        var page = HTMLPage(title: grid.title)
        page.add(
            paragraph: "By token and layer: how much the probability of \(answer) rises when what the clean prompt has "
                + "there is put back. A star marks the subject, which is spoilt.")
        page.add(grid.colored)
        return page
    }
}

extension CausalSummary {
    public func page() throws -> HTMLPage { try grid.page() }
}

extension LogitLens {
    /// The likeliest token at each place, the others under the pointer.
    public func page() throws -> HTMLPage {
        var page = HTMLPage(title: "Logit lens: the likeliest next token after each layer")
        let rows = zip(layers, candidates).reversed().map { layer, places in
            (
                name: "\(layer)",
                cells: places.map { candidates in
                    HTMLTable.Cell(
                        candidates.first?.text ?? "", value: candidates.first?.probability ?? 0,
                        note: candidates.map { "\($0.text) \(TextTable.number($0.probability))" }.joined(
                            separator: "\n"))
                }
            )
        }
        page.add(HTMLTable(columns: tokens, rows: rows, range: 0...1, corner: "layer"))
        return page
    }
}

extension AttentionPatterns {
    /// Each head as squares, queries down and keys across.
    public func page() throws -> HTMLPage {
        var page = HTMLPage(title: "Attention: queries down, keys across")
        page.add(paragraph: tokens.joined(separator: "  "))
        try page.add(
            gallery: heads.map { head in
                HTMLMatrix(
                    caption: "layer \(head.layer), head \(head.head)", values: head.pattern, rowNames: tokens,
                    columnNames: tokens, range: 0...1)
            }, orPicture: picture)
        page.add(heading: "Where the last token looks")
        let rows = heads.map { head in
            let last = head.pattern.last ?? []
            return (
                name: "\(head.layer).\(head.head)",
                cells: zip(tokens, last).map { HTMLTable.Cell(TextTable.number($1), value: $1, note: $0) }
            )
        }
        page.add(HTMLTable(columns: tokens, rows: rows, range: 0...1, corner: "head"))
        return page
    }
}

extension WordMaps {
    public func page() throws -> HTMLPage {
        var page = HTMLPage(title: "Which pixels each word drew")
        try page.add(picture(), caption: "The picture, then lit where each word is looked at")
        let hasChange = words.contains { $0.change != nil }
        let rows = words.map { word in
            (
                name: word.text,
                cells: [
                    HTMLTable.Cell(TextTable.number(word.share), value: word.share),
                    HTMLTable.Cell(TextTable.number(word.map.max() ?? 0)),
                ] + (hasChange ? [HTMLTable.Cell(TextTable.number(word.change ?? 0))] : [])
            )
        }
        page.add(HTMLTable(columns: ["mean", "peak"] + (hasChange ? ["change"] : []), rows: rows, corner: "word"))
        try page.add(
            gallery: words.map { word in
                HTMLMatrix(
                    caption: word.text,
                    values: (0..<height).map { row in Array(word.map[row * width..<(row + 1) * width]) },
                    rowNames: (0..<height).map { "row \($0)" }, columnNames: (0..<width).map { "column \($0)" })
            })
        return page
    }
}
