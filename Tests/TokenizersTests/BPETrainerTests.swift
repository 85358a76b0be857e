import Foundation
import TestSupport
import Testing

@testable import Tokenizers

@Suite struct BPETrainerTests {
    private let words: [(word: String, count: Int)] = [
        ("low", 5), ("lower", 2), ("newest", 6), ("widest", 3), ("It's", 4), ("naïve", 2),
    ]

    @Test func mergesAreTheMostFrequentPairs() throws {
        let tokenizer = try BPETrainer(merges: 4).train(on: words)
        // Pair counts, ties to the smaller id, inner symbols first: (e, s) 9, (l, o) 7, then (es, t</w>) 9 before it.
        let learnt = tokenizer.merges.map { tokenizer.tokens[$0.id] }
        #expect(learnt == ["es", "est</w>", "lo", "ew"])
    }

    @Test func vocabularyHasTheOrderOfCLIP() throws {
        let tokenizer = try BPETrainer(merges: 4).train(on: words)
        #expect(tokenizer.vocabularySize == 256 + 256 + 4 + 2)
        #expect((tokenizer.bosID, tokenizer.eosID, tokenizer.padID) == (516, 517, 517))
        #expect((tokenizer.token(0), tokenizer.token(256)) == ("!", "!</w>"))
        #expect((tokenizer.token(188), tokenizer.token(255)) == ("Ā", "Ń"))
        let reference = try CLIPTokenizer(folder: goldenFolder("tiny-clip"))
        #expect(tokenizer.tokens.prefix(512) == reference.tokens.prefix(512))
    }

    @Test func trainingIsDeterministic() throws {
        let first = try BPETrainer(merges: 30).train(on: words)
        let second = try BPETrainer(merges: 30).train(on: words.reversed())
        #expect(first.tokens == second.tokens)
        #expect(first.merges.map(\.pair) == second.merges.map(\.pair))
    }

    @Test func rarePairsStayApart() throws {
        #expect(try BPETrainer(merges: 1000, minimumCount: 3).train(on: [("ab", 2)]).merges.isEmpty)
        #expect(try BPETrainer(merges: 1000, minimumCount: 2).train(on: [("ab", 2)]).merges.count == 1)
        #expect(try BPETrainer(merges: 10).train(on: []).vocabularySize == 514)
    }

    @Test func frequentWordsBecomeOneToken() throws {
        let tokenizer = try BPETrainer(merges: 200).train(on: words)
        #expect(tokenizer.encode("newest widest").count == 2)
        #expect(tokenizer.encode("it's").count == 2)
        #expect(tokenizer.decode(tokenizer.encode("Lowest naïve 猫")) == "lowest naïve 猫")
    }

    @Test func repeatedLettersKeepOneIdATokens() throws {
        // "aa" + "a" and "a" + "aa" may both be learnt; the vocabulary must not name a token twice.
        let tokenizer = try BPETrainer(merges: 40).train(
            on: (1...9).map { (String(repeating: "a", count: $0), 10 - $0) } + [("baab", 4), ("abaaab", 3)])
        #expect(Set(tokenizer.tokens).count == tokenizer.vocabularySize)
        try inTemporaryFolder { folder in
            try tokenizer.write(to: folder)
            #expect(try CLIPTokenizer(folder: folder).tokens == tokenizer.tokens)
        }
    }
}
