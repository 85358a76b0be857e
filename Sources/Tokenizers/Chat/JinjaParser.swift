indirect enum JinjaExpression: Sendable {
    case literal(JinjaValue)
    case name(String)
    case attribute(JinjaExpression, String)
    case index(JinjaExpression, JinjaExpression)
    case slice(JinjaExpression, from: JinjaExpression?, to: JinjaExpression?)
    case list([JinjaExpression])
    case call(JinjaExpression, [JinjaExpression])
    case filter(JinjaExpression, String, [JinjaExpression])
    case test(JinjaExpression, String, isNegated: Bool)
    case not(JinjaExpression)
    case negative(JinjaExpression)
    case binary(String, JinjaExpression, JinjaExpression)
    case choice(JinjaExpression, JinjaExpression, otherwise: JinjaExpression?)
}

indirect enum JinjaNode: Sendable {
    case text(String)
    case print(JinjaExpression)
    case set(name: String, attribute: String?, JinjaExpression)
    case loop(name: String, JinjaExpression, condition: JinjaExpression?, [JinjaNode])
    case branches([(condition: JinjaExpression?, body: [JinjaNode])])
}

/// Makes a tree of a template's parts.
struct JinjaParser {
    private let parts: [JinjaPart]
    private var at = 0
    private var tokens: [JinjaToken] = []
    private var place = 0
    private var depth = 0

    init(_ parts: [JinjaPart]) { self.parts = parts }

    mutating func template() throws -> [JinjaNode] {
        let (nodes, end) = try nodes(until: [])
        guard end == nil else { throw ChatTemplateError("expected a statement, found \(end ?? "")") }
        return nodes
    }

    /// Nodes up to a statement with one of the names, whose other tokens are then next.
    private mutating func nodes(until ends: Set<String>) throws -> ([JinjaNode], String?) {
        depth += 1
        defer { depth -= 1 }
        guard depth < 64 else { throw ChatTemplateError("expected at most 64 nested statements") }
        var nodes: [JinjaNode] = []
        while at < parts.count {
            let part = parts[at]
            at += 1
            switch part {
            case .text(let text): nodes.append(.text(text))
            case .expression(let words):
                begin(words)
                nodes.append(.print(try expression()))
                try finish()
            case .statement(let words):
                begin(words)
                let name = try word()
                if ends.contains(name) { return (nodes, name) }
                nodes.append(try statement(name))
            }
        }
        guard ends.isEmpty else {
            throw ChatTemplateError("expected \(ends.sorted().joined(separator: " or ")), found the end")
        }
        return (nodes, nil)
    }

    private mutating func statement(_ name: String) throws -> JinjaNode {
        switch name {
        case "set":
            let target = try word()
            var attribute: String?
            if accept(".") { attribute = try word() }
            try expect("=")
            let value = try expression()
            try finish()
            return .set(name: target, attribute: attribute, value)
        case "for":
            let target = try word()
            guard try word() == "in" else { throw unexpected("in") }
            let list = try conditionFree()
            var condition: JinjaExpression?
            if acceptWord("if") { condition = try expression() }
            try finish()
            let (body, _) = try nodes(until: ["endfor"])
            try finish()
            return .loop(name: target, list, condition: condition, body)
        case "if":
            var branches: [(condition: JinjaExpression?, body: [JinjaNode])] = []
            var condition: JinjaExpression? = try expression()
            try finish()
            while true {
                let (body, end) = try nodes(until: ["elif", "else", "endif"])
                branches.append((condition, body))
                if end == "elif" { condition = try expression() } else { condition = nil }
                try finish()
                if end == "endif" { return .branches(branches) }
            }
        default: throw ChatTemplateError("expected one of for, if and set, found \(name)")
        }
    }

    // MARK: Expressions, loosest first

    private mutating func expression() throws -> JinjaExpression {
        depth += 1
        defer { depth -= 1 }
        guard depth < 64 else { throw ChatTemplateError("expected at most 64 nested expressions") }
        let value = try conditionFree()
        guard acceptWord("if") else { return value }
        let condition = try conditionFree()
        return .choice(condition, value, otherwise: acceptWord("else") ? try expression() : nil)
    }

    private mutating func conditionFree() throws -> JinjaExpression {
        var left = try conjunction()
        while acceptWord("or") { left = .binary("or", left, try conjunction()) }
        return left
    }

    private mutating func conjunction() throws -> JinjaExpression {
        var left = try negation()
        while acceptWord("and") { left = .binary("and", left, try negation()) }
        return left
    }

    private mutating func negation() throws -> JinjaExpression {
        acceptWord("not") ? .not(try negation()) : try comparison()
    }

    private mutating func comparison() throws -> JinjaExpression {
        var left = try sum()
        while true {
            if let symbol = ["==", "!=", "<=", ">=", "<", ">"].first(where: { accept($0) }) {
                left = .binary(symbol, left, try sum())
            } else if acceptWord("in") {
                left = .binary("in", left, try sum())
            } else if peekWord("not"), place + 1 < tokens.count, tokens[place + 1] == .name("in") {
                place += 2
                left = .not(.binary("in", left, try sum()))
            } else if acceptWord("is") {
                let isNegated = acceptWord("not")
                left = .test(left, try word(), isNegated: isNegated)
            } else {
                return left
            }
        }
    }

    private mutating func sum() throws -> JinjaExpression {
        var left = try product()
        while let symbol = ["+", "-", "~"].first(where: { accept($0) }) { left = .binary(symbol, left, try product()) }
        return left
    }

    private mutating func product() throws -> JinjaExpression {
        var left = try filtered()
        while let symbol = ["*", "%", "//"].first(where: { accept($0) }) {
            left = .binary(symbol, left, try filtered())
        }
        return left
    }

    private mutating func filtered() throws -> JinjaExpression {
        var value = accept("-") ? JinjaExpression.negative(try primary()) : try primary()
        while true {
            if accept("|") {
                let name = try word()
                value = .filter(value, name, accept("(") ? try arguments(until: ")") : [])
            } else if accept(".") {
                value = .attribute(value, try word())
            } else if accept("(") {
                value = .call(value, try arguments(until: ")"))
            } else if accept("[") {
                value = try subscripted(value)
            } else {
                return value
            }
        }
    }

    private mutating func subscripted(_ value: JinjaExpression) throws -> JinjaExpression {
        if accept(":") {
            let end = accept("]") ? nil : try expression()
            if end != nil { try expect("]") }
            return .slice(value, from: nil, to: end)
        }
        let first = try expression()
        guard accept(":") else {
            try expect("]")
            return .index(value, first)
        }
        let end = accept("]") ? nil : try expression()
        if end != nil { try expect("]") }
        return .slice(value, from: first, to: end)
    }

    private mutating func primary() throws -> JinjaExpression {
        guard place < tokens.count else { throw unexpected("a value") }
        defer { place += 1 }
        switch tokens[place] {
        case .string(let text):
            // Neighbouring strings are one.
            var whole = text
            while place + 1 < tokens.count, case .string(let more) = tokens[place + 1] {
                whole += more
                place += 1
            }
            return .literal(.string(whole))
        case .integer(let number): return .literal(.integer(number))
        case .name("true"), .name("True"): return .literal(.boolean(true))
        case .name("false"), .name("False"): return .literal(.boolean(false))
        case .name("none"), .name("None"): return .literal(.none)
        case .name(let name): return .name(name)
        case .symbol("("):
            place += 1
            let value = try expression()
            guard place < tokens.count, tokens[place] == .symbol(")") else { throw unexpected(")") }
            return value
        case .symbol("["):
            place += 1
            let items = try arguments(until: "]")
            place -= 1
            return .list(items)
        case .symbol: throw unexpected("a value")
        }
    }

    private mutating func arguments(until end: String) throws -> [JinjaExpression] {
        var values: [JinjaExpression] = []
        while !accept(end) {
            if !values.isEmpty { try expect(",") }
            // Arguments by name, as `namespace(found=false)`, keep their values' order.
            if place + 1 < tokens.count, case .name(let name) = tokens[place], tokens[place + 1] == .symbol("=") {
                place += 2
                values.append(.list([.literal(.string(name)), try expression()]))
            } else {
                values.append(try expression())
            }
        }
        return values
    }

    // MARK: Words

    private mutating func begin(_ words: [JinjaToken]) { (tokens, place) = (words, 0) }

    private func unexpected(_ expected: String) -> ChatTemplateError {
        ChatTemplateError("expected \(expected), found \(place < tokens.count ? "\(tokens[place])" : "the end")")
    }

    private func finish() throws { if place < tokens.count { throw unexpected("the end of a statement") } }

    private mutating func accept(_ symbol: String) -> Bool {
        guard place < tokens.count, tokens[place] == .symbol(symbol) else { return false }
        place += 1
        return true
    }

    private func peekWord(_ name: String) -> Bool { place < tokens.count && tokens[place] == .name(name) }

    private mutating func acceptWord(_ name: String) -> Bool {
        guard peekWord(name) else { return false }
        place += 1
        return true
    }

    private mutating func expect(_ symbol: String) throws { if !accept(symbol) { throw unexpected(symbol) } }

    private mutating func word() throws -> String {
        guard place < tokens.count, case .name(let name) = tokens[place] else { throw unexpected("a name") }
        place += 1
        return name
    }
}
