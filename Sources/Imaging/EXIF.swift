/// The two EXIF fields that matter here: which way is up, and the user comment. Everything else is dropped, places and
/// camera numbers included.
///
/// A segment is `Exif\0\0` and a TIFF file: byte order, 42, the offset of the first directory; a directory is a count
/// and 12-byte fields (tag, type, count, value or offset). Source: CIPA DC-008 (Exif 2.32), sections 4.5 and 4.6.
struct EXIF: Equatable {
    /// The keyword under which the user comment appears in `ImageMetadata`.
    static let keyword = "parameters"

    var orientation: Orientation?
    var userComment: String?

    private enum Tag {
        static let orientation = 0x0112
        static let exifDirectory = 0x8769
        static let userComment = 0x9286
    }
    private static let header: [UInt8] = Array("Exif\0\0".utf8)
    private static let unicode: [UInt8] = Array("UNICODE\0".utf8)
    private static let ascii: [UInt8] = Array("ASCII\0\0\0".utf8)

    /// `nil` for a segment that is not EXIF (XMP shares the marker). Damaged fields are left out: a picture whose
    /// pixels are sound should open.
    init?(segment: [UInt8]) {
        guard segment.starts(with: Self.header) else { return nil }
        let tiff = TIFF(bytes: Array(segment.dropFirst(Self.header.count)))
        guard let tiff, let first = tiff.integer(at: 4, bytes: 4) else { return }
        let fields = tiff.directory(at: first)
        if let at = fields[Tag.orientation], tiff.integer(at: at + 2, bytes: 2) == 3 {
            orientation = tiff.integer(at: at + 8, bytes: 2).flatMap(Orientation.init(rawValue:))
        }
        if let at = fields[Tag.exifDirectory], let second = tiff.integer(at: at + 8, bytes: 4),
            let comment = tiff.directory(at: second)[Tag.userComment]
        {
            userComment = Self.text(tiff, field: comment)
        }
    }

    private static func text(_ tiff: TIFF, field: Int) -> String? {
        guard let count = tiff.integer(at: field + 4, bytes: 4), let offset = tiff.integer(at: field + 8, bytes: 4),
            count >= 8, let bytes = tiff.slice(at: offset, count: count)
        else { return nil }
        let content = Array(bytes.dropFirst(8))
        let text: String
        if bytes.starts(with: unicode) {
            let units = (0..<content.count / 2).map { i -> UInt16 in
                let (first, second) = (UInt16(content[2 * i]), UInt16(content[2 * i + 1]))
                return tiff.isBigEndian ? first << 8 | second : second << 8 | first
            }
            text = String(decoding: units, as: UTF16.self)
        } else if bytes.starts(with: ascii) || bytes.prefix(8).allSatisfy({ $0 == 0 }) {
            text = String(validating: content, as: UTF8.self) ?? Latin1.string(content)
        } else {
            return nil
        }
        let end = text.unicodeScalars.lastIndex { $0 != "\0" && $0 != " " }
        return end.map { String(text.unicodeScalars[...$0]) }
    }

    /// A big-endian segment that holds nothing but a user comment, in UTF-16 as other image tools write it.
    static func segment(userComment: String) -> [UInt8] {
        let content = unicode + userComment.utf16.flatMap { [UInt8($0 >> 8), UInt8($0 & 0xFF)] }
        var bytes = header
        // Offsets count from the byte order mark: first directory at 8, second at 26, text at 44.
        bytes += "MM".utf8
        bytes += short(42) + long(8)
        bytes += directory(tag: Tag.exifDirectory, type: 4, count: 1, value: 26)
        bytes += directory(tag: Tag.userComment, type: 7, count: content.count, value: 44)
        return bytes + content
    }

    /// A directory of one field and no successor: 18 bytes.
    private static func directory(tag: Int, type: Int, count: Int, value: Int) -> [UInt8] {
        let field: [UInt8] = short(tag) + short(type) + long(count) + long(value)
        return short(1) + field + long(0)
    }

    private static func short(_ value: Int) -> [UInt8] { [UInt8(value >> 8 & 0xFF), UInt8(value & 0xFF)] }
    private static func long(_ value: Int) -> [UInt8] { short(value >> 16) + short(value) }
}

/// Bounds-checked access to a TIFF structure.
private struct TIFF {
    let bytes: [UInt8]
    let isBigEndian: Bool

    init?(bytes: [UInt8]) {
        self.bytes = bytes
        switch bytes.prefix(2) {
        case [0x4D, 0x4D]: isBigEndian = true
        case [0x49, 0x49]: isBigEndian = false
        default: return nil
        }
        guard integer(at: 2, bytes: 2) == 42 else { return nil }
    }

    func slice(at offset: Int, count: Int) -> ArraySlice<UInt8>? {
        guard offset >= 0, count >= 0, offset <= bytes.count, count <= bytes.count - offset else { return nil }
        return bytes[offset..<offset + count]
    }

    func integer(at offset: Int, bytes count: Int) -> Int? {
        guard let slice = slice(at: offset, count: count) else { return nil }
        let ordered = isBigEndian ? Array(slice) : slice.reversed()
        return ordered.reduce(0) { $0 << 8 | Int($1) }
    }

    /// Where each tag's field begins; the first of equals counts.
    func directory(at offset: Int) -> [Int: Int] {
        var fields: [Int: Int] = [:]
        for index in 0..<(integer(at: offset, bytes: 2) ?? 0) {
            let field = offset + 2 + 12 * index
            guard let tag = integer(at: field, bytes: 2) else { break }
            if fields[tag] == nil { fields[tag] = field }
        }
        return fields
    }
}
