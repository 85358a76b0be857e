/// ISO 8859-1, PNG's character set for keywords and plain texts: byte value = Unicode scalar value.
enum Latin1 {
    static func string(_ bytes: some Sequence<UInt8>) -> String {
        var text = String.UnicodeScalarView()
        for byte in bytes { text.append(Unicode.Scalar(byte)) }
        return String(text)
    }

    /// `nil` unless every character is printable Latin-1 or a line feed, as PNG asks of `tEXt`.
    static func bytes(_ text: String) -> [UInt8]? {
        var bytes: [UInt8] = []
        for scalar in text.unicodeScalars {
            guard let byte = UInt8(exactly: scalar.value), byte >= 0x20 || byte == 0x0A, !(0x7F...0x9F).contains(byte)
            else { return nil }
            bytes.append(byte)
        }
        return bytes
    }
}
