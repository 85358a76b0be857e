/// A recipe as it was written: checked for all that no recipe may hold, not yet for what this one should.
indirect enum RecipeNode: Sendable {
    case scalar(Scalar)
    case list([RecipeNode], line: Int)
    case table([(key: String, value: RecipeNode)], line: Int)

    struct Scalar: Sendable {
        var text: String
        /// Written without quotes, so that it may be a number, a truth value or null.
        var isPlain: Bool
        var line: Int
    }

    var line: Int {
        switch self {
        case .scalar(let scalar): scalar.line
        case .list(_, let line), .table(_, let line): line
        }
    }

    /// As errors name it: `text "abc"`, `the number 3`, `a list`.
    var summary: String {
        switch self {
        case .list(let values, _): "a list of \(values.count)"
        case .table: "keys and values"
        case .scalar(let scalar): scalar.summary
        }
    }
}

/// What a plain scalar means, by YAML 1.2's core schema: `yes`, `on` and `012:30` are texts.
extension RecipeNode.Scalar {
    var isNull: Bool { isPlain && ["null", "Null", "NULL", "~"].contains(text) }

    var boolean: Bool? {
        guard isPlain else { return nil }
        return ["true", "True", "TRUE"].contains(text)
            ? true : ["false", "False", "FALSE"].contains(text) ? false : nil
    }

    /// The digits of a whole number with their sign and base, `nil` for anything else.
    private var wholeDigits: (digits: Substring, radix: Int, isNegative: Bool)? {
        guard isPlain, let first = text.utf8.first else { return nil }
        if text.hasPrefix("0x") || text.hasPrefix("0o") {
            return (text.dropFirst(2), text.hasPrefix("0x") ? 16 : 8, false)
        }
        let isSigned = first == UInt8(ascii: "-") || first == UInt8(ascii: "+")
        return (isSigned ? text.dropFirst() : text[...], 10, first == UInt8(ascii: "-"))
    }

    var isWhole: Bool {
        guard let (digits, radix, _) = wholeDigits, !digits.isEmpty else { return false }
        return digits.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): Int(byte - UInt8(ascii: "0")) < radix
            case UInt8(ascii: "a")...UInt8(ascii: "f"), UInt8(ascii: "A")...UInt8(ascii: "F"): radix == 16
            default: false
            }
        }
    }

    /// `nil` where the text is no whole number or does not fit.
    func whole<I: FixedWidthInteger>(_: I.Type) -> I? {
        guard isWhole, let (digits, radix, isNegative) = wholeDigits else { return nil }
        return I((isNegative ? "-" : "") + digits, radix: radix)
    }

    /// A number of either kind; infinite where it is written so or does not fit.
    var number: Double? {
        guard isPlain else { return nil }
        if isWhole {
            guard let (digits, radix, isNegative) = wholeDigits else { return nil }
            let magnitude = radix == 10 ? Double(digits) : UInt64(digits, radix: radix).map(Double.init)
            return magnitude.map { isNegative ? -$0 : $0 }
        }
        switch text.lowercased() {
        case ".inf", "+.inf": return .infinity
        case "-.inf": return -.infinity
        case ".nan": return .nan
        default: break
        }
        // Swift's own reading also takes "inf", "nan" and hexadecimal floats.
        let allowed = text.utf8.allSatisfy { byte in
            (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || "+-.eE".utf8.contains(byte)
        }
        return allowed ? Double(text) : nil
    }

    var summary: String {
        if isNull { return "null" }
        if boolean != nil { return text }
        if number != nil { return "the number \(text)" }
        return "the text \"\(text.count > 60 ? text.prefix(60) + "..." : text)\""
    }
}
