import Tokenizers

/// One window of a text encoder: its tokens, and a weight for each.
struct PromptChunk: Sendable, Hashable {
    var tokens: [Int]
    var weights: [Double]
}

extension CLIPTokenizer {
    /// Cuts a prompt into windows of the encoder's length: start token, up to `length - 2` tokens, end token, padding.
    ///
    /// A prompt that is longer than a window goes on in the next; when a comma is among the last 20 tokens of a full
    /// window, what follows the comma moves on with it, so that phrases stay together. Follows A1111's
    /// `sd_hijack_clip.py`, tokenize_line, with its default of 20.
    ///
    /// - Parameter words: stand for vectors of their own, which are never parted.
    func chunks(of text: WeightedText, words: AddedWords = .none) -> [PromptChunk] {
        let capacity = modelMaxLength - 2
        let comma = id(ofToken: ",</w>")
        var chunks: [PromptChunk] = []
        var open = PromptChunk(tokens: [], weights: [])
        var lastComma: Int?

        func close(_ chunk: PromptChunk) -> PromptChunk {
            let padding = capacity - chunk.tokens.count
            return PromptChunk(
                tokens: [bosID] + chunk.tokens + [eosID] + [Int](repeating: padID, count: padding),
                weights: [1] + chunk.weights + [Double](repeating: 1, count: padding + 1))
        }
        for (index, part) in text.parts.enumerated() {
            if index > 0 {
                chunks.append(close(open))
                open = PromptChunk(tokens: [], weights: [])
                lastComma = nil
            }
            for piece in part {
                for unit in words.units(of: piece.text, self) {
                    if let comma, unit == [comma] {
                        lastComma = open.tokens.count
                    } else if open.tokens.count == capacity, let cut = lastComma, open.tokens.count - cut <= 20 {
                        let rest = PromptChunk(
                            tokens: Array(open.tokens[(cut + 1)...]), weights: Array(open.weights[(cut + 1)...]))
                        open.tokens.removeSubrange((cut + 1)...)
                        open.weights.removeSubrange((cut + 1)...)
                        chunks.append(close(open))
                        open = rest
                        lastComma = nil
                    }
                    if open.tokens.count + unit.count > capacity {
                        chunks.append(close(open))
                        open = PromptChunk(tokens: [], weights: [])
                        lastComma = nil
                    }
                    open.tokens += unit
                    open.weights += [Double](repeating: piece.weight, count: unit.count)
                }
            }
        }
        if !open.tokens.isEmpty || chunks.isEmpty { chunks.append(close(open)) }
        return chunks
    }
}
