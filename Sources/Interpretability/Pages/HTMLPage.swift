internal import Foundation
public import Imaging

/// A page that needs nothing but itself: text, tables and pictures, with its style and its pictures inside.
///
/// Equal contents give equal bytes.
public struct HTMLPage: Sendable {
    public let title: String
    private var parts: [String] = []

    public init(title: String) { self.title = title }

    public mutating func add(heading: String) { parts.append("<h2>\(heading.escapedForHTML)</h2>") }
    public mutating func add(paragraph: String) { parts.append("<p>\(paragraph.escapedForHTML)</p>") }
    /// Text with its spaces and lines as they are.
    public mutating func add(preformatted text: String) { parts.append("<pre>\(text.escapedForHTML)</pre>") }
    public mutating func add(_ table: HTMLTable) { parts.append(table.html) }
    public mutating func add(_ grid: HTMLMatrix) { parts.append(grid.html) }

    /// Squares that a page may draw one by one; more make browsers slow.
    static let mostSquares = 100_000

    /// Matrices side by side, as many in a row as fit; where their squares are too many, one picture of them, or nothing.
    public mutating func add(gallery matrices: [HTMLMatrix], orPicture picture: (() -> Image)? = nil) throws {
        guard matrices.reduce(0, { $0 + $1.squares }) <= Self.mostSquares else {
            if let picture { try add(picture(), caption: "\(matrices.count) matrices") }
            return
        }
        parts.append("<div class=\"gallery\">" + matrices.map(\.html).joined(separator: "\n") + "</div>")
    }

    /// A picture as it is.
    public mutating func add(_ picture: Image, caption: String) throws {
        let data = Data(try encodeImage(picture, as: .png)).base64EncodedString()
        parts.append(
            "<figure><img alt=\"\(caption.escapedForHTML)\" src=\"data:image/png;base64,\(data)\">"
                + "<figcaption>\(caption.escapedForHTML)</figcaption></figure>")
    }

    /// Everything that another page says, below its title.
    public mutating func append(_ other: HTMLPage) {
        add(heading: other.title)
        parts += other.parts
    }

    public var html: String {
        """
        <!doctype html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>\(title.escapedForHTML)</title>
        <style>\(Self.style)</style>
        </head>
        <body>
        <main>
        <h1>\(title.escapedForHTML)</h1>
        \(parts.joined(separator: "\n"))
        </main>
        </body>
        </html>

        """
    }

    private static let style = """

        body { margin: 0; background: #fbfaf8; color: #2b2d31; font: 15px/1.5 system-ui, sans-serif; }
        main { margin: 2rem auto; padding: 0 1.5rem; max-width: 90rem; }
        h1 { font-size: 1.45rem; margin: 0 0 1rem; }
        h2 { font-size: 1.1rem; margin: 2rem 0 .6rem; }
        p { max-width: 48rem; color: #4a4d55; }
        pre { overflow-x: auto; background: #fff; padding: .8rem; border: 1px solid #e5e2dc; border-radius: 6px; }
        .scroll { overflow-x: auto; margin: .8rem 0; }
        table { border-collapse: separate; border-spacing: 2px; font-size: 13px; }
        th { font-weight: 500; color: #4a4d55; white-space: pre; padding: 2px 6px; }
        thead th { vertical-align: bottom; } tbody th { text-align: right; }
        td { white-space: pre; padding: 3px 7px; border-radius: 3px; text-align: center; min-width: 1.6rem; }
        td.text { text-align: left; background: #fff; border: 1px solid #eeebe5; }
        td:hover { outline: 2px solid #2b2d31; }
        .scale { display: inline-block; width: 12rem; height: .7rem; border-radius: 3px; vertical-align: middle; }
        .legend { font-size: 12px; color: #4a4d55; }
        .gallery { display: flex; flex-wrap: wrap; gap: 1.2rem; }
        figure { margin: 0 0 1rem; } figcaption { font-size: 12px; color: #4a4d55; }
        img { max-width: 100%; } svg { background: #fff; } svg rect:hover { stroke: #2b2d31; stroke-width: .08; }
        """
}

extension String {
    /// The text as it may stand between tags and in quoted attributes.
    var escapedForHTML: String {
        var result = ""
        for scalar in unicodeScalars {
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case "'": result += "&#39;"
            // What no page may hold.
            case "\0"..."\u{8}", "\u{B}", "\u{C}", "\u{E}"..."\u{1F}": result += "\u{FFFD}"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
