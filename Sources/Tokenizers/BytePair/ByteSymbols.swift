/// GPT-2's reversible writing of bytes as visible characters, so that vocabularies are plain text files.
///
/// The 188 printable Latin-1 bytes stand for themselves; the other 68, in ascending order, for U+0100, U+0101, ...
/// Byte-level vocabularies begin with the symbols in `order`: printable first.
enum ByteSymbols {
    static let order: [UInt8] = {
        let printable = Array(UInt8(0x21)...0x7E) + Array(0xA1...0xAC) + Array(0xAE...0xFF)
        let taken = Set(printable)
        return printable + (UInt8.min ... .max).filter { !taken.contains($0) }
    }()

    private static let printableCount = 188

    private static let scalars: [Unicode.Scalar] = {
        var scalars = [Unicode.Scalar](repeating: "?", count: 256)
        for (index, byte) in order.enumerated() {
            let value = index < printableCount ? UInt32(byte) : UInt32(0x100 + index - printableCount)
            if let scalar = Unicode.Scalar(value) { scalars[Int(byte)] = scalar }
        }
        return scalars
    }()

    private static let bytes: [Unicode.Scalar: UInt8] = Dictionary(
        uniqueKeysWithValues: (UInt8.min ... .max).map { (scalars[Int($0)], $0) })

    static func scalar(_ byte: UInt8) -> Unicode.Scalar { scalars[Int(byte)] }

    static func symbol(_ byte: UInt8) -> String { String(Character(scalars[Int(byte)])) }

    /// The bytes that a token stands for; a character that is no symbol stands for its own UTF-8.
    static func bytes(of token: String) -> [UInt8] {
        token.unicodeScalars.flatMap { scalar in bytes[scalar].map { [$0] } ?? Array(String(Character(scalar)).utf8) }
    }
}
