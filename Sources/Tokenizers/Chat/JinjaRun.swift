internal import Foundation

enum JinjaValue: Sendable, Equatable {
    case none
    /// A name or an attribute that is not there.
    case undefined
    case boolean(Bool)
    case integer(Int)
    case string(String)
    case list([JinjaValue])
    case object([String: JinjaValue])

    var isTrue: Bool {
        switch self {
        case .none, .undefined: false
        case .boolean(let value): value
        case .integer(let value): value != 0
        case .string(let value): !value.isEmpty
        case .list(let values): !values.isEmpty
        case .object(let values): !values.isEmpty
        }
    }

    var text: String {
        switch self {
        case .none: "None"
        case .undefined: ""
        case .boolean(let value): value ? "True" : "False"
        case .integer(let value): "\(value)"
        case .string(let value): value
        case .list, .object: ""
        }
    }
}

/// A template at work: its names, and the text so far.
struct JinjaRun {
    private(set) var output = ""
    private var scope: [String: JinjaValue]
    private var steps = 0

    init(scope: [String: JinjaValue]) { self.scope = scope }

    mutating func execute(_ nodes: [JinjaNode]) throws {
        for node in nodes {
            steps += 1
            guard steps < 1_000_000, output.utf8.count < 1 << 26 else {
                throw ChatTemplateError("expected an end, found a million steps without one")
            }
            switch node {
            case .text(let text): output += text
            case .print(let expression): output += try value(expression).text
            case .set(let name, nil, let expression): scope[name] = try value(expression)
            case .set(let name, let attribute?, let expression):
                guard case .object(var object)? = scope[name] else {
                    throw ChatTemplateError("expected a namespace, found \(name)")
                }
                object[attribute] = try value(expression)
                scope[name] = .object(object)
            case .loop(let name, let list, let condition, let body): try loop(name, list, condition, body)
            case .branches(let branches):
                for branch in branches {
                    guard try branch.condition.map({ try value($0).isTrue }) ?? true else { continue }
                    try execute(branch.body)
                    break
                }
            }
        }
    }

    private mutating func loop(
        _ name: String, _ list: JinjaExpression, _ condition: JinjaExpression?, _ body: [JinjaNode]
    ) throws {
        guard case .list(var items) = try value(list) else { throw ChatTemplateError("expected a list after in") }
        let outer = scope
        if let condition {
            items = try items.filter { item in
                scope[name] = item
                return try value(condition).isTrue
            }
        }
        for (index, item) in items.enumerated() {
            scope[name] = item
            scope["loop"] = .object([
                "index": .integer(index + 1), "index0": .integer(index), "first": .boolean(index == 0),
                "last": .boolean(index + 1 == items.count), "length": .integer(items.count),
            ])
            try execute(body)
            // What a loop sets ends with it, but for namespaces.
            var kept = outer
            for (key, value) in outer { if case .object = value, key != "loop" { kept[key] = scope[key] } }
            scope = kept
        }
        if items.isEmpty { scope = outer }
    }

    private func value(_ expression: JinjaExpression) throws -> JinjaValue {
        switch expression {
        case .literal(let value): return value
        case .name(let name): return scope[name] ?? .undefined
        case .list(let items): return .list(try items.map(value))
        case .attribute(let object, let name): return try Self.member(value(object), name)
        case .index(let object, let key):
            switch (try value(object), try value(key)) {
            case (let object, .string(let name)): return Self.member(object, name)
            case (.list(let items), .integer(let index)):
                let place = index < 0 ? index + items.count : index
                return items.indices.contains(place) ? items[place] : .undefined
            case (.string(let text), .integer(let index)):
                let characters = Array(text)
                let place = index < 0 ? index + characters.count : index
                return characters.indices.contains(place) ? .string(String(characters[place])) : .undefined
            default: return .undefined
            }
        case .slice(let object, let from, let to): return try slice(value(object), from, to)
        case .call(let function, let arguments): return try call(function, arguments)
        case .filter(let object, let name, let arguments):
            return try Self.filter(value(object), name, arguments.map(value))
        case .test(let object, let name, let isNegated):
            return .boolean(try Self.test(value(object), name) != isNegated)
        case .not(let inner): return .boolean(try !value(inner).isTrue)
        case .negative(let inner):
            guard case .integer(let number) = try value(inner) else {
                throw ChatTemplateError("expected a number after -")
            }
            return .integer(0 &- number)
        case .choice(let condition, let yes, let no):
            return try value(condition).isTrue ? value(yes) : no.map(value) ?? .undefined
        case .binary(let symbol, let left, let right): return try binary(symbol, left, right)
        }
    }

    private static func member(_ object: JinjaValue, _ name: String) -> JinjaValue {
        guard case .object(let values) = object else { return .undefined }
        return values[name] ?? .undefined
    }

    private func slice(_ object: JinjaValue, _ from: JinjaExpression?, _ to: JinjaExpression?) throws -> JinjaValue {
        func bounds(_ count: Int) throws -> Range<Int> {
            func bound(_ expression: JinjaExpression?, or standard: Int) throws -> Int {
                guard let expression, case .integer(let number) = try value(expression) else { return standard }
                return min(max(number < 0 ? number + count : number, 0), count)
            }
            let start = try bound(from, or: 0)
            return start..<max(start, try bound(to, or: count))
        }
        switch object {
        case .list(let items): return .list(Array(items[try bounds(items.count)]))
        case .string(let text):
            let characters = Array(text)
            return .string(String(characters[try bounds(characters.count)]))
        default: return .undefined
        }
    }

    private func call(_ function: JinjaExpression, _ arguments: [JinjaExpression]) throws -> JinjaValue {
        let values = try arguments.map(value)
        switch function {
        case .name("raise_exception"):
            throw ChatTemplateError(values.first?.text ?? "refused")
        case .name("namespace"):
            var object: [String: JinjaValue] = [:]
            for case .list(let pair) in values where pair.count == 2 { object[pair[0].text] = pair[1] }
            return .object(object)
        case .attribute(let object, let method):
            guard case .string(let text) = try value(object) else { break }
            let argument = values.first?.text ?? ""
            switch method {
            case "strip": return .string(text.trimmingCharacters(in: .whitespacesAndNewlines))
            case "lstrip": return .string(String(text.drop(while: \.isWhitespace)))
            case "rstrip":
                return .string(String(String(text.reversed().drop(while: \.isWhitespace)).reversed()))
            case "startswith": return .boolean(text.hasPrefix(argument))
            case "endswith": return .boolean(text.hasSuffix(argument))
            case "upper": return .string(text.uppercased())
            case "lower": return .string(text.lowercased())
            case "split" where !argument.isEmpty:
                return .list(text.components(separatedBy: argument).map { .string($0) })
            default: throw ChatTemplateError("expected a method of text that is built here, found \(method)")
            }
        default: break
        }
        throw ChatTemplateError("expected a function that is built here, found \(function)")
    }

    private static func filter(_ object: JinjaValue, _ name: String, _ arguments: [JinjaValue]) throws -> JinjaValue {
        switch (name, object) {
        case ("trim", _): return .string(object.text.trimmingCharacters(in: .whitespacesAndNewlines))
        case ("upper", _): return .string(object.text.uppercased())
        case ("lower", _): return .string(object.text.lowercased())
        case ("length", .list(let items)), ("count", .list(let items)): return .integer(items.count)
        case ("length", .string(let text)): return .integer(text.unicodeScalars.count)
        case ("first", .list(let items)): return items.first ?? .undefined
        case ("last", .list(let items)): return items.last ?? .undefined
        case ("list", .list): return object
        case ("string", _): return .string(object.text)
        case ("default", _): return object == .undefined ? arguments.first ?? .string("") : object
        default: throw ChatTemplateError("expected a filter that is built here, found \(name)")
        }
    }

    private static func test(_ object: JinjaValue, _ name: String) throws -> Bool {
        switch name {
        case "defined": return object != .undefined
        case "undefined": return object == .undefined
        case "none": return object == .none
        case "string": if case .string = object { return true } else { return false }
        case "iterable", "sequence":
            if case .list = object { return true }
            if case .string = object { return true }
            return false
        case "mapping": if case .object = object { return true } else { return false }
        case "true": return object == .boolean(true)
        case "false": return object == .boolean(false)
        default: throw ChatTemplateError("expected a test that is built here, found \(name)")
        }
    }

    private func binary(_ symbol: String, _ left: JinjaExpression, _ right: JinjaExpression) throws -> JinjaValue {
        let a = try value(left)
        if symbol == "and" { return a.isTrue ? try value(right) : a }
        if symbol == "or" { return a.isTrue ? a : try value(right) }
        let b = try value(right)
        switch (symbol, a, b) {
        case ("==", _, _): return .boolean(a == b)
        case ("!=", _, _): return .boolean(a != b)
        case ("~", _, _): return .string(a.text + b.text)
        case ("+", .string(let x), .string(let y)): return .string(x + y)
        case ("+", .list(let x), .list(let y)): return .list(x + y)
        case ("+", .integer(let x), .integer(let y)): return .integer(x &+ y)
        case ("-", .integer(let x), .integer(let y)): return .integer(x &- y)
        case ("*", .integer(let x), .integer(let y)): return .integer(x &* y)
        case ("%", .integer(let x), .integer(let y)) where y > 0: return .integer(((x % y) + y) % y)
        case ("//", .integer(let x), .integer(let y)) where y > 0: return .integer((x - ((x % y) + y) % y) / y)
        case ("<", .integer(let x), .integer(let y)): return .boolean(x < y)
        case (">", .integer(let x), .integer(let y)): return .boolean(x > y)
        case ("<=", .integer(let x), .integer(let y)): return .boolean(x <= y)
        case (">=", .integer(let x), .integer(let y)): return .boolean(x >= y)
        case ("in", .string(let x), .string(let y)): return .boolean(y.contains(x))
        case ("in", _, .list(let items)): return .boolean(items.contains(a))
        case ("in", .string(let x), .object(let object)): return .boolean(object[x] != nil)
        default: throw ChatTemplateError("expected operands that fit \(symbol), found \(a) and \(b)")
        }
    }
}
