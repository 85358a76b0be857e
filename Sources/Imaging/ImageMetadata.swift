/// The texts that travel inside a picture file, in file order: how it was made, for whom, by what.
///
/// A PNG keeps each entry as a text chunk (`tEXt` for Latin-1, else or when asked for `iTXt`). A JPEG keeps the entry `parameters` as the
/// EXIF user comment, where image tools look for it, and every other entry as a comment segment `keyword: text`.
public struct ImageMetadata: Sendable, Equatable {
    public struct Entry: Sendable, Equatable {
        public var keyword: String
        public var text: String
        /// Whether a PNG keeps Latin-1 text, too, as `iTXt`: as UTF-8.
        public var isInternational: Bool

        public init(keyword: String, text: String, isInternational: Bool = false) {
            self.keyword = keyword
            self.text = text
            self.isInternational = isInternational
        }
    }

    public var entries: [Entry]

    public init(_ entries: [Entry] = []) {
        self.entries = entries
    }

    /// The text of the first entry with this keyword. Assigning replaces it, appends it, or removes it with `nil`.
    public subscript(keyword: String) -> String? {
        get { entries.first { $0.keyword == keyword }?.text }
        set {
            let index = entries.firstIndex { $0.keyword == keyword }
            switch (index, newValue) {
            case (let index?, let text?): entries[index].text = text
            case (let index?, nil): entries.remove(at: index)
            case (nil, let text?): entries.append(Entry(keyword: keyword, text: text))
            case (nil, nil): break
            }
        }
    }

    /// PNG's rule for keywords, kept for JPEG too so that the same metadata fits both: 1 to 79 printable Latin-1
    /// characters, no space at either end, no two spaces in a row.
    static func isValid(keyword: String) -> Bool {
        let scalars = Array(keyword.unicodeScalars)
        guard (1...79).contains(scalars.count), scalars.first != " ", scalars.last != " " else { return false }
        let printable = scalars.allSatisfy { (0x20...0x7E).contains($0.value) || (0xA1...0xFF).contains($0.value) }
        return printable && !zip(scalars, scalars.dropFirst()).contains { $0 == " " && $1 == " " }
    }

    func check(path: String) throws(ImageError) {
        for entry in entries {
            guard Self.isValid(keyword: entry.keyword) else {
                throw ImageError(
                    .invalidMetadata, path: path,
                    expected: "a metadata keyword of 1 to 79 printable Latin-1 characters without stray spaces",
                    found: "\"\(entry.keyword)\"")
            }
            guard !entry.text.unicodeScalars.contains("\0") else {
                throw ImageError(
                    .invalidMetadata, path: path, expected: "metadata text without NUL characters",
                    found: "one in \"\(entry.keyword)\"")
            }
        }
    }
}

extension ImageMetadata: ExpressibleByDictionaryLiteral {
    public init(dictionaryLiteral elements: (String, String)...) {
        self.init(elements.map { Entry(keyword: $0.0, text: $0.1) })
    }
}
