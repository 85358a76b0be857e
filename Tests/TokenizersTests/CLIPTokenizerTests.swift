import Foundation
import TestSupport
import Testing

@testable import Tokenizers

@Suite struct CLIPTokenizerTests {
    let tokenizer: CLIPTokenizer

    init() throws {
        tokenizer = try CLIPTokenizer(folder: goldenFolder("tiny-clip"))
    }

    @Test func spansCountOriginalScalars() throws {
        //          0123456 7 890123
        let text = "A  cafe\u{301} İ it's"
        let spans = tokenizer.spans(of: text)
        let scalars = Array(text.unicodeScalars)
        let words = spans.map { span in String(String.UnicodeScalarView(scalars[span.range])) }
        #expect(words.first == "A")
        #expect(words.contains { $0.hasSuffix("e\u{301}") }, "a composed letter covers the letter and its accent")
        #expect(spans.filter { scalars[$0.range.lowerBound] == "İ" }.count == 3, "i, and the two bytes of the dot")
        #expect(words.suffix(2) == ["it", "'s"])
    }

    @Test func wordsOfTheSplitter() {
        func words(_ text: String) -> [String] {
            CLIPSplitter.words(of: TracedText(text).normalized()).map { TracedText(units: $0).string }
        }
        #expect(words("It's 4K, \"don't\"!!") == ["it", "'s", "4", "k", ",", "\"", "don", "'t", "\"!!"])
        #expect(words("y'all'd've 'LLAMA") == ["y", "'", "all", "'d", "'ve", "'ll", "ama"])
        #expect(words("12½Ⅳ") == ["1", "2", "½", "ⅳ"])
        #expect(words("<|EndOfText|>!") == ["<|", "endoftext", "|>", "!"])
        #expect(words("!<|EndOfText|>!") == ["!<|", "endoftext", "|>!"])
        #expect(words(" \n\u{3000}\u{85} ") == [])
    }

    @Test func longWordsTakeLittleTime() {
        // Quadratic work on this word would take long.
        let word = String(repeating: "thehouse", count: 5_000)
        let ids = tokenizer.encode(word)
        #expect(tokenizer.decode(ids) == word)
    }

    @Test func truncationKeepsTheEnd() {
        let text = String(repeating: "a ", count: 300)
        let ids = tokenizer.tokens(for: text)
        #expect(ids.count == 77)
        #expect((ids.first, ids.last) == (tokenizer.bosID, tokenizer.eosID))
        #expect(tokenizer.tokens(for: text, length: 2) == [tokenizer.bosID, tokenizer.eosID])
        #expect(tokenizer.tokens(for: "", length: 4) == [932, 933, 933, 933])
    }

    @Test func decodingRestoresWords() {
        let texts = ["a cat in the fog , highly detailed", "naïve façade", "猫 and 😀", "it 's 3 . 1 4", "a \u{301} b"]
        for text in texts {
            #expect(tokenizer.decode(tokenizer.tokens(for: text)) == text)
        }
        #expect(tokenizer.decode([932, 823, 933], skippingSpecials: false) == "<|startoftext|>cat <|endoftext|>")
        #expect(tokenizer.decode([-1, 5_000_000, 823]) == "cat")
        #expect(tokenizer.token(823) == "cat</w>")
        #expect(tokenizer.id(ofToken: "cat</w>") == 823)
        #expect(tokenizer.token(934) == nil)
    }

    @Test func specialTokensFollowTheirFlags() throws {
        // Here the files make the start token one that is found after normalization, and the end token one before.
        #expect(tokenizer.encode("a <|STARTOFTEXT|> b") == [320, 932, 321])
        #expect(tokenizer.encode("<|EndOfText|>").count > 1)
        #expect(tokenizer.encode("a<|endoftext|>s") == [320, 933, 338])
    }

    @Test func writingAndReadingIsTheSameTokenizer() throws {
        for name in ["tiny-clip", "tiny-clip-gelu"] {
            let original = try CLIPTokenizer(folder: goldenFolder(name))
            try inTemporaryFolder { folder in
                try original.write(to: folder.appending(path: "new/tokenizer"))
                let copy = try CLIPTokenizer(folder: folder.appending(path: "new/tokenizer"))
                #expect(copy.tokens == original.tokens)
                #expect(copy.merges.map(\.pair) == original.merges.map(\.pair))
                #expect((copy.padID, copy.modelMaxLength) == (original.padID, 77))
                for row in try GoldenCases.read().cases {
                    #expect(copy.encode(row.prompt) == original.encode(row.prompt))
                }
                #expect(copy.encode("<|STARTOFTEXT|>") == original.encode("<|STARTOFTEXT|>"))
            }
        }
    }
}
