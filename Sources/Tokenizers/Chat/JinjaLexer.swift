/// A part of a template: text, an expression to print, or a statement.
enum JinjaPart: Equatable {
    case text(String)
    case expression([JinjaToken])
    case statement([JinjaToken])
}

enum JinjaToken: Equatable, Sendable {
    case name(String)
    case string(String)
    case integer(Int)
    case symbol(String)
}

/// Cuts a template into its parts, and those into words.
///
/// As transformers does it, line breaks after statements fall away, and white space before them on their line.
enum JinjaLexer {
    static func parts(of template: String) throws -> [JinjaPart] {
        let scalars = Array(template.unicodeScalars)
        var parts: [JinjaPart] = []
        var text = ""
        var at = 0
        var trimsNext = false
        var startsOnLine = true  // whether `text` begins a line
        func flush(trimsEnd: Bool, isStatement: Bool) {
            if trimsEnd {
                while let last = text.unicodeScalars.last, last.properties.isWhitespace {
                    text.unicodeScalars.removeLast()
                }
            } else if isStatement {
                // The statement's own indentation.
                let line = text.unicodeScalars.reversed().prefix { $0 != "\n" }
                let startsLine = line.count < text.unicodeScalars.count || startsOnLine
                if startsLine, line.allSatisfy({ $0 == " " || $0 == "\t" }) {
                    text.unicodeScalars.removeLast(line.count)
                }
            }
            if !text.isEmpty { parts.append(.text(text)) }
            text = ""
        }
        while at < scalars.count {
            guard scalars[at] == "{", at + 1 < scalars.count, "{%#".unicodeScalars.contains(scalars[at + 1]) else {
                if trimsNext, scalars[at].properties.isWhitespace {
                    at += 1
                    continue
                }
                trimsNext = false
                text.unicodeScalars.append(scalars[at])
                at += 1
                continue
            }
            let kind = scalars[at + 1]
            let closing: Unicode.Scalar = kind == "{" ? "}" : kind
            var start = at + 2
            let trimsBefore = start < scalars.count && scalars[start] == "-"
            if trimsBefore { start += 1 }
            guard var end = close(scalars, from: start, closing) else {
                throw ChatTemplateError("expected the end of {\(kind), found none")
            }
            let next = end + 2
            let trimsAfter = end > start && scalars[end - 1] == "-"
            if trimsAfter { end -= 1 }
            flush(trimsEnd: trimsBefore, isStatement: kind != "{")
            if kind != "#" {
                let tokens = try tokens(Array(scalars[start..<max(end, start)]))
                parts.append(kind == "{" ? .expression(tokens) : .statement(tokens))
            }
            at = next
            trimsNext = trimsAfter
            startsOnLine = kind != "{" && !trimsAfter && at < scalars.count && scalars[at] == "\n"
            if startsOnLine { at += 1 }
        }
        flush(trimsEnd: false, isStatement: false)
        return parts
    }

    /// Where `%}` or its like is, outside of strings.
    private static func close(_ scalars: [Unicode.Scalar], from start: Int, _ closing: Unicode.Scalar) -> Int? {
        var at = start
        var quote: Unicode.Scalar?
        while at + 1 < scalars.count {
            if let open = quote {
                if scalars[at] == "\\" { at += 1 } else if scalars[at] == open { quote = nil }
            } else if closing != "#", scalars[at] == "'" || scalars[at] == "\"" {
                quote = scalars[at]
            } else if scalars[at] == closing, scalars[at + 1] == "}" {
                return at
            }
            at += 1
        }
        return nil
    }

    private static let symbols = ["==", "!=", "<=", ">=", "//"]

    private static func tokens(_ scalars: [Unicode.Scalar]) throws -> [JinjaToken] {
        var tokens: [JinjaToken] = []
        var at = 0
        func isWord(_ scalar: Unicode.Scalar) -> Bool {
            scalar == "_" || scalar.isASCII && (scalar.properties.isAlphabetic || ("0"..."9").contains(scalar))
        }
        while at < scalars.count {
            let scalar = scalars[at]
            if scalar.properties.isWhitespace {
                at += 1
            } else if scalar == "'" || scalar == "\"" {
                tokens.append(.string(try string(scalars, &at)))
            } else if isWord(scalar) {
                var word = ""
                while at < scalars.count, isWord(scalars[at]) {
                    word.unicodeScalars.append(scalars[at])
                    at += 1
                }
                if ("0"..."9").contains(scalar) {
                    guard let number = Int(word) else { throw ChatTemplateError("expected a number, found \(word)") }
                    tokens.append(.integer(number))
                } else {
                    tokens.append(.name(word))
                }
            } else {
                let pair = String(String.UnicodeScalarView(scalars[at..<min(at + 2, scalars.count)]))
                let symbol = symbols.contains(pair) ? pair : String(Character(scalar))
                tokens.append(.symbol(symbol))
                at += symbol.unicodeScalars.count
            }
        }
        return tokens
    }

    private static func string(_ scalars: [Unicode.Scalar], _ at: inout Int) throws -> String {
        let quote = scalars[at]
        var text = ""
        at += 1
        while at < scalars.count, scalars[at] != quote {
            if scalars[at] == "\\", at + 1 < scalars.count {
                at += 1
                switch scalars[at] {
                case "n": text += "\n"
                case "t": text += "\t"
                case "r": text += "\r"
                default: text.unicodeScalars.append(scalars[at])
                }
            } else {
                text.unicodeScalars.append(scalars[at])
            }
            at += 1
        }
        guard at < scalars.count else { throw ChatTemplateError("expected the end of a string, found none") }
        at += 1
        return text
    }
}
