internal import Foundation

/// Reads a vocabulary out of JSON, each token with its own spelling.
///
/// Foundation's decoder keeps the members of an object by keys that are Swift strings, so that of two canonically
/// equivalent tokens it gives one. This reader takes the members of one object from a text that the decoder has already
/// found to be JSON with numbers for ids; it checks nothing else.
struct VocabularyReader {
    private let bytes: [UInt8]
    private var at = 0

    /// - Parameters:
    ///   - path: the keys that lead to the vocabulary: `["model", "vocab"]`; empty for the whole text.
    ///   - file: the file, for errors.
    static func vocabulary(in json: Data, at path: [String], file: String) throws -> Vocabulary {
        var reader = VocabularyReader(bytes: Array(json))
        // The mark that some editors put in front.
        if reader.bytes.starts(with: [0xEF, 0xBB, 0xBF]) { reader.at = 3 }
        var found: Vocabulary?
        guard reader.read(path[...], into: &found), let found else {
            throw TokenizerError(
                path: file, expected: "tokens and their ids as JSON in UTF-8", found: "something else")
        }
        return found
    }

    private init(bytes: [UInt8]) { self.bytes = bytes }

    /// Goes down one key of the path; false where the text is not as expected.
    private mutating func read(_ path: ArraySlice<String>, into found: inout Vocabulary?) -> Bool {
        guard let wanted = path.first else {
            var entries = Vocabulary()
            let isWhole = members { reader, key in
                entries[key] = reader.number()
                return entries[key] != nil
            }
            found = isWhole ? entries : nil
            return isWhole
        }
        return members { reader, key in
            guard key.isSpelled(wanted) else { return reader.skipValue() }
            return reader.read(path.dropFirst(), into: &found)
        }
    }

    /// Calls `body` before the value of each member of the object that begins here; `body` reads the value.
    private mutating func members(_ body: (inout VocabularyReader, String) -> Bool) -> Bool {
        guard take(UInt8(ascii: "{")) else { return false }
        if take(UInt8(ascii: "}")) { return true }
        repeat {
            guard let key = string(), take(UInt8(ascii: ":")), body(&self, key) else { return false }
        } while take(UInt8(ascii: ","))
        return take(UInt8(ascii: "}"))
    }

    private var next: UInt8? { at < bytes.count ? bytes[at] : nil }

    private mutating func skipSpace() {
        while let byte = next, byte == 0x20 || (0x09...0x0D).contains(byte) { at += 1 }
    }

    /// Steps over white space and `byte`, where that is what follows.
    private mutating func take(_ byte: UInt8) -> Bool {
        skipSpace()
        guard next == byte else { return false }
        at += 1
        return true
    }

    private mutating func number() -> Int? {
        skipSpace()
        let start = at
        while let byte = next, byte != UInt8(ascii: ","), byte != UInt8(ascii: "}"), byte > 0x20 { at += 1 }
        let text = String(decoding: bytes[start..<at], as: UTF8.self)
        return Int(text) ?? Double(text).flatMap { Int(exactly: $0) }
    }

    /// A string with its quotation marks.
    private mutating func string() -> String? {
        guard take(UInt8(ascii: "\"")) else { return nil }
        var text: [UInt8] = []
        while let byte = next {
            at += 1
            switch byte {
            case UInt8(ascii: "\""): return String(decoding: text, as: UTF8.self)
            case UInt8(ascii: "\\"):
                guard let scalar = escaped() else { return nil }
                text += Array(String(Character(scalar)).utf8)
            default: text.append(byte)
            }
        }
        return nil
    }

    /// What follows a backslash.
    private mutating func escaped() -> Unicode.Scalar? {
        guard let byte = next else { return nil }
        at += 1
        switch byte {
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{C}"
        case UInt8(ascii: "u"):
            guard let first = unit() else { return nil }
            guard (0xD800..<0xDC00).contains(first) else { return Unicode.Scalar(first) ?? "\u{FFFD}" }
            // Two units of UTF-16 write one scalar.
            guard next == UInt8(ascii: "\\"), at + 1 < bytes.count, bytes[at + 1] == UInt8(ascii: "u") else {
                return "\u{FFFD}"
            }
            at += 2
            guard let second = unit(), (0xDC00..<0xE000).contains(second) else { return nil }
            return Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
        default: return Unicode.Scalar(byte)
        }
    }

    private mutating func unit() -> UInt32? {
        guard at + 4 <= bytes.count else { return nil }
        defer { at += 4 }
        return UInt32(String(decoding: bytes[at..<at + 4], as: UTF8.self), radix: 16)
    }

    /// Steps over any value.
    private mutating func skipValue() -> Bool {
        skipSpace()
        var depth = 0
        while let byte = next {
            switch byte {
            case UInt8(ascii: "\""):
                guard skipString() else { return false }
                if depth == 0 { return true }
                continue
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                if depth == 0 { return true }
                depth -= 1
                if depth == 0 {
                    at += 1
                    return true
                }
            case UInt8(ascii: ",") where depth == 0: return true
            default: break
            }
            at += 1
        }
        return false
    }

    private mutating func skipString() -> Bool {
        at += 1
        while let byte = next {
            at += byte == UInt8(ascii: "\\") ? 2 : 1
            if byte == UInt8(ascii: "\"") { return true }
        }
        return false
    }
}
