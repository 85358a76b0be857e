import Foundation
import Recipes
import TestSupport
import Testing

@Suite struct SHA256Tests {
    /// NIST's examples for FIPS 180-4 and CAVP's short messages.
    @Test(arguments: [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
        (
            "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmno"
                + "ijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
            "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"
        ),
    ])
    func examples(message: String, hash: String) {
        #expect(sha256Hex(of: Array(message.utf8)) == hash)
        #expect(sha256Hex(of: Data(message.utf8)) == hash)
    }

    @Test func millionLetters() {
        #expect(
            sha256Hex(of: [UInt8](repeating: UInt8(ascii: "a"), count: 1_000_000))
                == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
    }

    @Test func piecesDoNotMatter() {
        // Lengths around the block and the padding, in pieces of every size.
        for length in [0, 1, 54, 55, 56, 57, 63, 64, 65, 118, 119, 120, 127, 128, 129, 200] {
            let bytes = (0..<length).map { UInt8(truncatingIfNeeded: $0 * 7 + 3) }
            var whole = SHA256()
            bytes.withUnsafeBytes { whole.update($0) }
            for size in [1, 3, 63, 64, 65] {
                var pieces = SHA256()
                for start in stride(from: 0, to: length, by: size) {
                    bytes[start..<min(length, start + size)].withUnsafeBytes { pieces.update($0) }
                }
                #expect(pieces.finalized() == whole.finalized(), "\(length) bytes by \(size)")
            }
        }
    }

    @Test func filesAreStreamed() throws {
        try inTemporaryFolder { folder in
            let file = folder.appending(path: "bytes")
            let bytes = (0..<(1 << 20) + 77).map { UInt8(truncatingIfNeeded: $0 &* $0 >> 3) }
            try Data(bytes).write(to: file)
            #expect(try sha256Hex(ofFile: file.path) == sha256Hex(of: bytes))
            let error = #expect(throws: RecipeError.self) { try sha256Hex(ofFile: file.path + "-none") }
            #expect(error?.description.hasSuffix("expected a readable file, found No such file or directory") == true)
            #expect(throws: RecipeError.self) { try sha256Hex(ofFile: "/") }
        }
    }
}
