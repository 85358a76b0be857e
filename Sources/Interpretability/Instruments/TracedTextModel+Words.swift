internal import Foundation
internal import TensorCore
internal import Tokenizers

extension TracedTextModel {
    /// A token as words for labels, with a mark for its leading space.
    public func label(_ token: Int) -> String {
        guard let tokenizer else { return "#\(token)" }
        let text = tokenizer.decode([token]).replacing("\n", with: "\\n")
        return text.isEmpty ? tokenizer.token(token) ?? "#\(token)" : text.replacing(" ", with: "·")
    }

    func labels(_ tokens: [Int]) -> [String] { tokens.enumerated().map { "\($0) \(label($1))" } }

    /// The tokens of a prompt that have characters of a part of its text: the last place where the part stands as words.
    ///
    /// - Throws: `TraceError` where the text does not hold the part.
    public func tokens(of part: String, in text: String) throws -> Range<Int> {
        guard let tokenizer, let found = text.lastWords(part) else {
            throw TraceError(
                .input, "prompt \"\(text)\"", expected: "a text with \"\(part)\" in it",
                found: text.contains(part) && !part.isEmpty ? "it within longer words only" : "none")
        }
        let start = text.unicodeScalars.distance(from: text.startIndex, to: found.lowerBound)
        let end = text.unicodeScalars.distance(from: text.startIndex, to: found.upperBound)
        let places = tokenizer.encode(text).enumerated()
            .filter { $1.range.lowerBound < end && $1.range.upperBound > start }.map(\.offset)
        guard let first = places.first, let last = places.last else {
            throw TraceError(.input, "prompt \"\(text)\"", expected: "tokens of \"\(part)\"", found: "none")
        }
        return first..<last + 1
    }

    /// The layers that are named, or all of them.
    func checked(layers: [Int]?) throws -> [Int] {
        let wanted = layers ?? Array(0..<self.layers)
        if let wrong = wanted.first(where: { !(0..<self.layers).contains($0) }) {
            throw TraceError(.input, "layers", expected: "layers below \(self.layers)", found: "\(wrong)")
        }
        return wanted
    }

    /// Whether the sites of attention exist.
    func requireAttention() throws {
        guard aliases.layer["attn.pattern"] != nil else {
            throw TraceError(
                .unsupported, "model", expected: "a model with attention", found: "one without",
                advice: "its sites are \(aliases.layer.keys.sorted().joined(separator: ", "))")
        }
    }
}

extension TracedTextModel {
    /// The token that the model would say next.
    public func likeliestToken(_ prompt: PromptInput) throws -> Int {
        let result = try trace { t in t.save("top", t.prompt(prompt)["logits", token: -1].argmax()) }
        return Int(try result.value("top").item)
    }

    /// The standard deviation of all numbers in the embeddings of some tokens.
    public func embeddingDeviation(of tokens: [Int]) throws -> Double {
        let result = try trace { t in t.save("vectors", t.prompt(tokens)["embed"]) }
        return Double(variance(try result.value("vectors"), correction: 0).item).squareRoot()
    }
}

extension String {
    /// The last place where a part stands as words of its own, not within longer ones.
    public func lastWords(_ part: String) -> Range<Index>? {
        guard !part.isEmpty else { return nil }
        var end = endIndex
        while let found = range(of: part, options: .backwards, range: startIndex..<end) {
            let before = found.lowerBound > startIndex ? self[index(before: found.lowerBound)] : nil
            let after = found.upperBound < endIndex ? self[found.upperBound] : nil
            if !Self.isOneWord(before, part.first) && !Self.isOneWord(part.last, after) { return found }
            end = index(before: found.upperBound)
        }
        return nil
    }

    /// Whether two neighbours belong to one word: letters or digits of a script that has spaces between words.
    private static func isOneWord(_ a: Character?, _ b: Character?) -> Bool {
        guard let a, let b else { return false }
        return [a, b].allSatisfy { character in
            (character.isLetter || character.isNumber)
                && character.unicodeScalars.allSatisfy {
                    // Thai and Lao, kana, and ideographs.
                    !(0x0E00...0x0EFF).contains($0.value) && !(0x3040...0x30FF).contains($0.value)
                        && !$0.properties.isIdeographic
                }
        }
    }
}
