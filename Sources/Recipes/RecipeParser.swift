import Foundation
import Synchronization
import Yams

/// Reads YAML into a `RecipeNode`, refusing whatever could surprise: anchors and aliases (a few hundred bytes of which
/// can stand for gigabytes), tags, doubled keys, empty values, several documents, deep nesting.
struct RecipeParser {
    static let largestFile = 1 << 20
    static let deepest = 64

    let path: String

    func parse(file: String) throws -> RecipeNode {
        let data: Data
        do {
            let handle = try FileHandle(forReadingFrom: URL(filePath: file))
            defer { try? handle.close() }
            data = try handle.read(upToCount: Self.largestFile + 1) ?? Data()
        } catch {
            throw RecipeError(path: path, expected: "a readable recipe", found: FileReason.of(error))
        }
        guard data.count <= Self.largestFile else { throw tooLarge }
        guard let text = String(validating: data, as: UTF8.self) else {
            throw RecipeError(path: path, expected: "UTF-8 text", found: "other bytes")
        }
        return try parse(text)
    }

    func parse(_ text: String) throws -> RecipeNode {
        guard text.utf8.count <= Self.largestFile else { throw tooLarge }
        try refuseAnchors(text)
        return try onDeepStack { try convert(compose(text), at: KeyPlace()) }
    }

    private var tooLarge: RecipeError {
        RecipeError(
            path: path, expected: "a recipe of at most \(Self.largestFile) bytes", found: "a larger file")
    }

    // MARK: anchors

    /// Before YAML is parsed, as the parser compares keys, and comparing keys that aliases have blown up takes ages.
    ///
    /// Anything that may be an anchor is refused: `&` and a letter where a value may begin. Only lines that are
    /// comments as a whole, and line ends behind ` #` where no quotation mark is near, surely hold none.
    private func refuseAnchors(_ text: String) throws {
        let lines = text.unicodeScalars.split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r" }
        for (index, line) in lines.enumerated() {
            var scalars = Array(line)
            if !scalars.contains("\"") && !scalars.contains("'") {
                let comment = scalars.indices.first { i in
                    scalars[i] == "#" && (i == 0 || scalars[i - 1] == " " || scalars[i - 1] == "\t")
                }
                scalars.removeSubrange((comment ?? scalars.endIndex)...)
            }
            for i in scalars.indices where scalars[i] == "&" && i + 1 < scalars.count {
                let follows =
                    scalars[i + 1].properties.isAlphabetic || "0123456789_-".unicodeScalars.contains(scalars[i + 1])
                let precedes =
                    i > 0 && (scalars[i - 1].properties.isAlphabetic || scalars[i - 1].properties.numericType != nil)
                guard follows && !precedes else { continue }
                throw RecipeError(
                    path: path, expected: "every value written out, without anchors (or a space after \"&\" in a text)",
                    found: "\"&\(String(String.UnicodeScalarView(scalars[(i + 1)...].prefix(20))))\"", line: index + 1)
            }
        }
    }

    // MARK: YAML

    private func compose(_ text: String) throws -> Node {
        do {
            // The basic resolver leaves plain scalars alone: what they mean is decided when a type is known.
            guard let root = try Yams.compose(yaml: text, .basic) else {
                throw RecipeError(path: path, expected: "keys and values", found: "an empty recipe")
            }
            return root
        } catch let error as YamlError {
            throw translated(error, text)
        }
    }

    private func translated(_ error: YamlError, _ text: String) -> RecipeError {
        switch error {
        case .duplicatedKeysInMapping(let keys, let context):
            let key = keys.min() ?? ""
            return RecipeError(
                path: path, key: place(of: key, at: context.mark, in: text), expected: "the key once",
                found: "\"\(key)\" twice, first", line: context.mark.line)
        case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _),
            .composer(let context, let problem, let mark, _):
            let words = [context?.text, problem].compactMap(\.self).joined(separator: ": ")
            return RecipeError(path: path, expected: "valid YAML", found: words, line: mark.line)
        case .reader(let problem, _, _, _):
            return RecipeError(path: path, expected: "valid YAML", found: problem)
        default:
            return RecipeError(path: path, expected: "valid YAML", found: "\(error)")
        }
    }

    /// The path of a key that stands at `mark`: what precedes it, with the key as its last word, is YAML as well.
    /// Where it is not (within braces), the key alone.
    private func place(of key: String, at mark: Mark, in text: String) -> String {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        guard mark.line <= lines.count, !key.isEmpty else { return key }
        let indentation = String(String.UnicodeScalarView(lines[mark.line - 1].unicodeScalars.prefix(mark.column - 1)))
        let before = lines[..<(mark.line - 1)].joined(separator: "\n") + "\n" + indentation + "\"\(key)\": 0\n"
        guard var node = try? Yams.compose(yaml: before, .basic) else { return key }
        var place = KeyPlace()
        while true {
            switch node {
            case .mapping(let mapping):
                guard let last = Array(mapping).last else { return key }
                place = place.appending(.key(last.key.scalar?.string ?? ""))
                node = last.value
            case .sequence(let sequence):
                guard let last = Array(sequence).last else { return key }
                place = place.appending(.index(sequence.count - 1))
                node = last
            default:
                return place.steps.last == .key(key) ? place.description : key
            }
        }
    }

    private func convert(_ node: Node, at place: KeyPlace) throws -> RecipeNode {
        let line = node.mark?.line ?? 0
        func refuse(_ expected: String, _ found: String) -> RecipeError {
            RecipeError(path: path, key: place.description, expected: expected, found: found, line: line)
        }
        guard place.steps.count <= Self.deepest else {
            throw refuse("at most \(Self.deepest) levels", "a deeper one")
        }
        switch node {
        case .scalar(let scalar):
            let isPlain = scalar.style == .plain
            let tag = scalar.tag.rawValue
            guard tag == Tag.Name.implicit.rawValue || (!isPlain && tag == Tag.Name.str.rawValue) else {
                throw refuse("values without tags", "\"\(tag)\"")
            }
            guard !(isPlain && scalar.string.isEmpty) else { throw refuse("a value", "nothing") }
            return .scalar(.init(text: scalar.string, isPlain: isPlain, line: line))
        case .sequence(let sequence):
            guard sequence.tag.rawValue == Tag.Name.implicit.rawValue else {
                throw refuse("values without tags", "\"\(sequence.tag.rawValue)\"")
            }
            let values = try sequence.enumerated().map { try convert($1, at: place.appending(.index($0))) }
            return .list(values, line: line)
        case .mapping(let mapping):
            guard mapping.tag.rawValue == Tag.Name.implicit.rawValue else {
                throw refuse("values without tags", "\"\(mapping.tag.rawValue)\"")
            }
            let pairs = try mapping.map { key, value in
                guard let name = key.scalar?.string, !name.isEmpty else {
                    throw refuse("keys that are words", key.scalar == nil ? "a list or keys as a key" : "an empty key")
                }
                return (key: name, value: try convert(value, at: place.appending(.key(name))))
            }
            return .table(pairs, line: line)
        case .alias:
            throw refuse("every value written out", "an alias")
        }
    }

    // MARK: stack

    /// Parsing recurses once a level and libyaml allows a thousand; threads of a pool have stacks for fewer.
    private func onDeepStack(_ body: @escaping @Sendable () throws -> RecipeNode) throws -> RecipeNode {
        let result = ThreadResult()
        let thread = Thread {
            let outcome = Result { try body() }
            result.value.withLock { $0 = outcome }
            result.isDone.signal()
        }
        thread.stackSize = 64 << 20
        thread.start()
        result.isDone.wait()
        guard let outcome = result.value.withLock({ $0 }) else {
            throw RecipeError(path: path, expected: "a recipe", found: "no result")
        }
        return try outcome.get()
    }

    private final class ThreadResult: Sendable {
        let value = Mutex<Result<RecipeNode, any Error>?>(nil)
        let isDone = DispatchSemaphore(value: 0)
    }
}
