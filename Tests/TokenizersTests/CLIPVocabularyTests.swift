import Foundation
import Testing
import Tokenizers

/// The vocabulary that the package ships, on more than two thousand prompts, against transformers.
@Suite struct CLIPVocabularyTests {
    private struct Golden: Decodable {
        var joints: [String]
        var group: Int
        var ids: Int
        var fingerprints: [String]
    }

    /// As `clip_vocabulary.py` makes them.
    private func prompt(_ number: Int, _ texts: [String], _ joints: [String]) -> String {
        let (turn, index) = number.quotientAndRemainder(dividingBy: texts.count)
        if turn == 0 { return texts[index] }
        return texts[index] + joints[number % joints.count] + texts[(7 * index + 13 * turn) % texts.count]
    }

    private func fingerprint(_ rows: [[Int]]) -> String {
        var value: UInt64 = 0xCBF2_9CE4_8422_2325
        for number in rows.flatMap({ $0.map { UInt32($0) } + [.max] }) {
            for shift in stride(from: 0, to: 32, by: 8) {
                value = (value ^ UInt64(number >> UInt32(shift) & 0xFF)) &* 0x100_0000_01B3
            }
        }
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    @Test func agreesWithTransformers() throws {
        let expected = try JSONDecoder().decode(
            Golden.self, from: Data(contentsOf: golden.appending(path: "clip_vocabulary.json")))
        let texts = try GoldenCases.read().cases.map(\.prompt)
        let shipped = golden.deletingLastPathComponent().appending(path: "../../Assets/tokenizers/clip").standardized
        let tokenizer = try CLIPTokenizer(folder: shipped)
        let count = expected.group * expected.fingerprints.count
        #expect(count > 2_000)
        let rows = (0..<count).map { tokenizer.encode(prompt($0, texts, expected.joints)) }
        #expect(rows.reduce(0) { $0 + $1.count } == expected.ids)
        for (number, wanted) in expected.fingerprints.enumerated() {
            let first = number * expected.group
            #expect(
                fingerprint(Array(rows[first..<first + expected.group])) == wanted,
                "prompts \(first) to \(first + expected.group - 1)")
        }
    }
}
