@testable import Generation
import TensorCore
import TestSupport
import Testing
import Tokenizers

/// The emphasis grammar, and how prompts are cut into chunks.
@Suite struct PromptTests {
    private func pieces(_ prompt: String) -> [[(String, Double)]] {
        WeightedText(prompt).parts.map { $0.map { ($0.text, ($0.weight * 1e6).rounded() / 1e6) } }
    }

    private func isEqual(_ a: [[(String, Double)]], _ b: [[(String, Double)]]) -> Bool {
        a.count == b.count && zip(a, b).allSatisfy { $0.count == $1.count && zip($0, $1).allSatisfy { $0 == $1 } }
    }

    @Test func `brackets weigh, nest, escape and may stay open`() {
        let cases: [(String, [(String, Double)])] = [
            ("normal text", [("normal text", 1)]),
            ("an (important) word", [("an ", 1), ("important", 1.1), (" word", 1)]),
            ("(unbalanced", [("unbalanced", 1.1)]), ("unnecessary)", [("unnecessary)", 1)]),
            ("\\(literal\\]", [("(literal]", 1)]), ("a\\b \\\\ c\\", [("ab \\ c", 1)]),
            ("(unnecessary)(parens)", [("unnecessaryparens", 1.1)]),
            ("[less] more", [("less", 0.909091), (" more", 1)]),
            (
                "a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).",
                [
                    ("a ", 1), ("house", 1.573), (" ", 1.1), ("on", 1), (" a ", 1.1), ("hill", 0.55), (", sun, ", 1.1),
                    ("sky", 1.4641), (".", 1.1),
                ]
            ),
            ("(a:2) b", [("a", 2), (" b", 1)]), ("a:b", [("a:b", 1)]), ("(time 12:30 pm)", [("time 12:30 pm", 1.1)]),
            ("(x: 1.5 )", [("x", 1.5)]), ("(x:1.5\n)", [("x", 1.5)]), ("(x:1 3)", [("x:1 3", 1.1)]), ("", []),
            ("()", []),
        ]
        for (prompt, expected) in cases {
            #expect(isEqual(pieces(prompt), [expected]), "\(prompt): \(pieces(prompt))")
        }
    }

    @Test func `BREAK separates parts where it is a word`() {
        #expect(isEqual(pieces("sky BREAK sea"), [[("sky", 1)], [("sea", 1)]]))
        #expect(isEqual(pieces("BREAKFAST at sea"), [[("BREAKFAST at sea", 1)]]))
        #expect(isEqual(pieces("(sky:1.2) BREAK (sea)"), [[("sky", 1.2)], [("sea", 1.1)]]))
        // A1111 splits at `\\s*\\bBREAK\\b\\s*`.
        for prompt in ["sky\nBREAK\nsea", "sky\n\nBREAK sea", "sky BREAK\tsea", "sky   BREAK   sea"] {
            #expect(isEqual(pieces(prompt), [[("sky", 1)], [("sea", 1)]]), "\(prompt)")
        }
        #expect(isEqual(pieces("sky,BREAK sea"), [[("sky,", 1)], [("sea", 1)]]))
        #expect(isEqual(pieces("BREAK, sea"), [[], [(", sea", 1)]]))
        #expect(isEqual(pieces("a BREAK BREAK b"), [[("a", 1)], [], [("b", 1)]]))
        for prompt in ["a BREAKs b", "a xBREAK b", "a BREAK_ b", "a break b", "a BREAK2 b"] {
            #expect(isEqual(pieces(prompt), [[(prompt, 1)]]))
        }
    }

    /// As A1111: a chunk that a last BREAK would begin, and that nothing follows, is none.
    @Test func `only the last BREAK may begin nothing`() throws {
        let tokenizer = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd"))).text.encoders[0].tokenizer
        func count(_ prompt: String) -> Int { tokenizer.chunks(of: WeightedText(prompt)).count }
        #expect(count("a cat BREAK") == 1 && count("a cat\nBREAK\n") == 1 && count("a BREAK b BREAK") == 2)
        #expect(count("BREAK a cat") == 2 && count("a BREAK BREAK b") == 3 && count("BREAK") == 1)
    }

    @Test func `a short prompt is one chunk of the encoder's own tokens`() throws {
        let tokenizer = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd"))).text.encoders[0].tokenizer
        for prompt in ["", "a portrait of an old man", "a cat, sitting"] {
            let chunks = tokenizer.chunks(of: WeightedText(prompt))
            #expect(chunks.count == 1)
            #expect(chunks[0].tokens == tokenizer.tokens(for: prompt))
            #expect(chunks[0].weights == [Double](repeating: 1, count: chunks[0].tokens.count))
        }
    }

    @Test func `a long prompt goes on in the next chunk, whole phrases moving along`() throws {
        let tokenizer = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd"))).text.encoders[0].tokenizer
        let capacity = tokenizer.modelMaxLength - 2
        let word = tokenizer.encode("cat").count
        let many = [String](repeating: "cat", count: 2 * capacity / word + 3).joined(separator: " ")
        let chunks = tokenizer.chunks(of: WeightedText(many))
        #expect(chunks.count == 3 && chunks.allSatisfy { $0.tokens.count == tokenizer.modelMaxLength })
        #expect(chunks.allSatisfy { $0.tokens.first == tokenizer.bosID })
        let joined = chunks.flatMap { $0.tokens.dropFirst().prefix { $0 != tokenizer.eosID } }
        #expect(joined == tokenizer.encode(many))

        // A comma five words before the end of the chunk: what follows it moves on.
        let words = capacity / word
        let head = [String](repeating: "cat", count: words - 6).joined(separator: " ")
        let phrase = head + ", " + [String](repeating: "dog", count: 12).joined(separator: " ")
        let moved = tokenizer.chunks(of: WeightedText(phrase))
        #expect(moved.count == 2)
        #expect(moved[0].tokens.dropFirst().prefix { $0 != tokenizer.eosID }.last == tokenizer.encode(",").last)
    }

    @Test func `weights of one change nothing, others keep the mean`() throws {
        let model = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd")))
        let plain = model.text("an old man").context
        #expect(isBitEqual(plain, model.text("an (old:1.0) man").context))
        let weighted = model.text("an (old:1.4) man").context
        #expect(weighted.shape == plain.shape && !isBitEqual(weighted, plain))
        #expect(abs(mean(weighted).item - mean(plain).item) < 1e-5)
        let long = model.text("sky BREAK sea").context
        #expect(long.shape == [1, 2 * plain.size(1), plain.size(2)])
    }

    @Test func `prompts of unequal length are guided row by row`() throws {
        let model = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd")))
        var request = GenerationRequest(
            prompt: "sky BREAK sea", steps: 2, guidanceScale: 5, seed: 1, width: 32, height: 32, sampler: "euler")
        var denoising = try Denoising(request, model: model)
        while !denoising.isComplete { denoising.advance() }
        let isFinite = denoising.latents.floats.allSatisfy(\.isFinite)
        #expect(isFinite)
        request.clipSkip = 99
        #expect(throws: GenerationError.self) { try Denoising(request, model: model) }
    }

    @Test func `clip skip reads an earlier layer`() throws {
        let model = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd")))
        let last = model.text("an old man").context
        #expect(isBitEqual(last, model.text("an old man", clipSkip: 1).context))
        #expect(!isBitEqual(last, model.text("an old man", clipSkip: 2).context))
    }
}
