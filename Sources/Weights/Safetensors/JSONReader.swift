/// Reads JSON one token at a time, and nothing that is not JSON.
///
/// The caller pulls what it expects, so a document of the wrong form fails at its first wrong byte. Unlike a general
/// decoder it reports every key (also a repeated one), keeps `2` and `2.0` apart and allocates only what it returns.
///
///     var members = try reader.beginObject()
///     while let key = try reader.nextKey(in: &members) { ... }
struct JSONReader {
    let bytes: UnsafeRawBufferPointer
    /// The file and the part of it that the bytes are, for messages: `header`.
    let path: String
    let part: String
    private(set) var position = 0

    /// Whether the next key or element is the first of its object or array.
    struct Members {
        fileprivate var isFirst = true
    }

    init(_ bytes: UnsafeRawBufferPointer, path: String, part: String) {
        self.bytes = bytes
        self.path = path
        self.part = part
    }

    /// The next byte, or nil at the end.
    var next: UInt8? { position < bytes.count ? bytes[position] : nil }

    /// The byte consumed last.
    var previous: UInt8? { position > 0 ? bytes[position - 1] : nil }

    var isAtEnd: Bool { position == bytes.count }

    mutating func skipWhitespace() {
        while position < bytes.count {
            switch bytes[position] {
            case 0x20, 0x09, 0x0A, 0x0D: position += 1
            default: return
            }
        }
    }

    // MARK: Objects and arrays

    mutating func beginObject() throws(SafetensorsError) -> Members {
        try consume(UInt8(ascii: "{"), "an object")
        return Members()
    }

    /// The next key of the object, its colon consumed; nil when the object has ended.
    mutating func nextKey(in members: inout Members) throws(SafetensorsError) -> String? {
        guard try advance(&members, to: UInt8(ascii: "}"), "',' or '}'") else { return nil }
        let key = try string()
        skipWhitespace()
        try consume(UInt8(ascii: ":"), "':' after a key")
        skipWhitespace()
        return key
    }

    mutating func beginArray() throws(SafetensorsError) -> Members {
        try consume(UInt8(ascii: "["), "an array")
        return Members()
    }

    /// Whether the array has another element; the reader then stands at it.
    mutating func nextElement(in members: inout Members) throws(SafetensorsError) -> Bool {
        try advance(&members, to: UInt8(ascii: "]"), "',' or ']'")
    }

    private mutating func advance(
        _ members: inout Members, to end: UInt8, _ expected: String
    ) throws(SafetensorsError) -> Bool {
        skipWhitespace()
        if next == end {
            position += 1
            return false
        }
        if !members.isFirst {
            try consume(UInt8(ascii: ","), expected)
            skipWhitespace()
        }
        members.isFirst = false
        return true
    }

    mutating func consume(_ byte: UInt8, _ expected: String) throws(SafetensorsError) {
        guard next == byte else { throw failure(.syntax, expected) }
        position += 1
    }

    // MARK: Scalars

    /// An integer of decimal digits: no sign, no leading zero, no fraction, no exponent, at most `Int.max`.
    mutating func nonNegativeInteger() throws(SafetensorsError) -> Int {
        let start = position
        var value = 0
        while let digit = next, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) {
            let (scaled, overflow1) = value.multipliedReportingOverflow(by: 10)
            let (sum, overflow2) = scaled.addingReportingOverflow(Int(digit - UInt8(ascii: "0")))
            guard !overflow1, !overflow2 else {
                throw failure(.integer, "an integer of at most 63 bits", at: start, found: "a larger one")
            }
            value = sum
            position += 1
        }
        let length = position - start
        guard length > 0 else { throw failure(.integer, "a non-negative integer") }
        guard length == 1 || bytes[start] != UInt8(ascii: "0") else {
            throw failure(.integer, "an integer without leading zeros", at: start, found: "one with them")
        }
        if let byte = next, byte == UInt8(ascii: ".") || byte == UInt8(ascii: "e") || byte == UInt8(ascii: "E") {
            throw failure(.integer, "an integer", at: start, found: "a number with a fraction or an exponent")
        }
        return value
    }

    /// Consumes `null` when it is next.
    mutating func skipNull() -> Bool { skipLiteral("null") }

    private mutating func skipLiteral(_ literal: StaticString) -> Bool {
        let count = literal.utf8CodeUnitCount
        guard bytes.count - position >= count else { return false }
        for index in 0..<count where bytes[position + index] != literal.utf8Start[index] { return false }
        position += count
        return true
    }

    /// Reads any value and forgets it; values nested deeper than `depth` are refused.
    mutating func skipValue(depth: Int = 32) throws(SafetensorsError) {
        guard depth > 0 else { throw failure(.count, "values nested at most 32 deep", found: "deeper ones") }
        switch next {
        case UInt8(ascii: "{"):
            var members = try beginObject()
            while try nextKey(in: &members) != nil { try skipValue(depth: depth - 1) }
        case UInt8(ascii: "["):
            var members = try beginArray()
            while try nextElement(in: &members) { try skipValue(depth: depth - 1) }
        case UInt8(ascii: "\""):
            _ = try string()
        case UInt8(ascii: "t"), UInt8(ascii: "f"), UInt8(ascii: "n"):
            guard skipLiteral("true") || skipLiteral("false") || skipLiteral("null") else {
                throw failure(.syntax, "a value")
            }
        default:
            try skipNumber()
        }
    }

    private mutating func skipNumber() throws(SafetensorsError) {
        if next == UInt8(ascii: "-") { position += 1 }
        if next == UInt8(ascii: "0") { position += 1 } else { try skipDigits() }
        if next == UInt8(ascii: ".") {
            position += 1
            try skipDigits()
        }
        if next == UInt8(ascii: "e") || next == UInt8(ascii: "E") {
            position += 1
            if next == UInt8(ascii: "+") || next == UInt8(ascii: "-") { position += 1 }
            try skipDigits()
        }
    }

    private mutating func skipDigits() throws(SafetensorsError) {
        let start = position
        while let digit = next, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) { position += 1 }
        guard position > start else { throw failure(.syntax, "a value") }
    }

    // MARK: Strings

    /// A string: valid UTF-8, no raw control characters, only JSON's own escapes, no half of a surrogate pair.
    mutating func string() throws(SafetensorsError) -> String {
        try consume(UInt8(ascii: "\""), "a string")
        let start = position
        while let byte = next, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\"), byte >= 0x20 { position += 1 }
        if next == UInt8(ascii: "\"") {
            defer { position += 1 }
            return try text(UnsafeRawBufferPointer(rebasing: bytes[start..<position]), at: start)
        }
        return try escapedString(from: start)
    }

    private mutating func escapedString(from start: Int) throws(SafetensorsError) -> String {
        var decoded = Array(bytes[start..<position])
        while let byte = next {
            switch byte {
            case UInt8(ascii: "\""):
                position += 1
                return try text(decoded, at: start)
            case UInt8(ascii: "\\"):
                try decoded.append(contentsOf: UTF8.encode(escape()) ?? UTF8.encodedReplacementCharacter)
            case 0..<0x20:
                throw failure(.encoding, "no control character in a string")
            default:
                decoded.append(byte)
                position += 1
            }
        }
        throw failure(.syntax, "a closing '\"'")
    }

    private func text(_ utf8: some Sequence<UInt8>, at start: Int) throws(SafetensorsError) -> String {
        guard let text = String(validating: utf8, as: UTF8.self) else {
            throw failure(.encoding, "UTF-8", at: start, found: "other bytes")
        }
        return text
    }

    private mutating func escape() throws(SafetensorsError) -> Unicode.Scalar {
        let start = position
        position += 1
        guard let letter = next else { throw failure(.syntax, "an escape") }
        position += 1
        switch letter {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(letter)
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{C}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"): break
        default: throw failure(.encoding, "an escape of JSON", at: start, found: "another")
        }
        let unit = try fourHexDigits()
        if let scalar = Unicode.Scalar(unit) { return scalar }
        guard unit < 0xDC00, next == UInt8(ascii: "\\") else {
            throw failure(.encoding, "a surrogate pair", at: start, found: "half of one")
        }
        position += 1
        try consume(UInt8(ascii: "u"), "the second half of a surrogate pair")
        let low = try fourHexDigits()
        guard (0xDC00...0xDFFF).contains(low),
            let scalar = Unicode.Scalar(0x10000 + (UInt32(unit) - 0xD800) << 10 + UInt32(low) - 0xDC00)
        else { throw failure(.encoding, "a surrogate pair", at: start, found: "half of one") }
        return scalar
    }

    private mutating func fourHexDigits() throws(SafetensorsError) -> UInt16 {
        var value: UInt16 = 0
        for _ in 0..<4 {
            guard let byte = next, let digit = hexDigit(byte) else { throw failure(.encoding, "a hexadecimal digit") }
            value = value << 4 | digit
            position += 1
        }
        return value
    }

    private func hexDigit(_ byte: UInt8) -> UInt16? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt16(byte - UInt8(ascii: "0"))
        case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt16(byte - UInt8(ascii: "a") + 10)
        case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt16(byte - UInt8(ascii: "A") + 10)
        default: nil
        }
    }

    // MARK: Errors

    /// The error of the byte at `offset`, by default the next one.
    func failure(
        _ rule: SafetensorsError.Rule, _ expected: String, at offset: Int? = nil, found: String? = nil
    ) -> SafetensorsError {
        SafetensorsError(
            rule, path: path, place: "\(part) byte \(offset ?? position)", expected: expected,
            found: found ?? nextInWords)
    }

    private var nextInWords: String {
        guard let byte = next else { return "the end of the \(part)" }
        return (0x21..<0x7F).contains(byte)
            ? "'\(Unicode.Scalar(byte))'" : "byte 0x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }
}
