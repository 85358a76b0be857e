import Foundation
import Testing
import Tokenizers

@Suite struct GoldenTokenizerTests {
    @Test(arguments: ["tiny-clip", "tiny-clip-gelu", "tiny-tokenizer-json", "tiny-sd/tokenizer"])
    func idsAreTransformers(folder: String) throws {
        let golden = try GoldenCases.read()
        #expect(golden.cases.count > 200)
        let tokenizer = try CLIPTokenizer(folder: goldenFolder(folder))
        #expect(tokenizer.bosID == golden.start)
        #expect(tokenizer.eosID == golden.end)
        #expect(tokenizer.padID == golden.padding[folder] ?? golden.end)
        #expect(tokenizer.modelMaxLength == golden.length)
        #expect(tokenizer.vocabularySize == golden.end + 1)
        for row in golden.cases {
            let ids = folder == "tiny-clip-gelu" ? row.idsPadded ?? row.ids : row.ids
            let padding = [Int](repeating: tokenizer.padID, count: golden.length - ids.count)
            #expect(tokenizer.tokens(for: row.prompt) == ids + padding, "\(row.group): \(row.prompt)")
        }
    }

    @Test func spansCoverTheirTokens() throws {
        let tokenizer = try CLIPTokenizer(folder: goldenFolder("tiny-clip"))
        for row in try GoldenCases.read().cases {
            let scalars = Array(row.prompt.unicodeScalars)
            let spans = tokenizer.spans(of: row.prompt)
            #expect(spans.map(\.id) == tokenizer.encode(row.prompt))
            #expect(spans.allSatisfy { !$0.range.isEmpty && $0.range.upperBound <= scalars.count })
            #expect(zip(spans, spans.dropFirst()).allSatisfy { $0.range.lowerBound <= $1.range.lowerBound })
            // What lies under no span is white space.
            let covered = Set(spans.flatMap { Array($0.range) })
            #expect(scalars.indices.allSatisfy { covered.contains($0) || scalars[$0].properties.isWhitespace })
        }
    }
}

func goldenFolder(_ folder: String) -> URL { golden.appending(path: folder) }
