import Foundation
import TensorCore
import TestSupport
import Testing

@testable import Weights

/// Damaged headers end in a typed error or in a header whose tensors lie within the file; nothing else.
@Suite struct GGUFFuzzTests {
    @Test(arguments: ["gguf/llama.gguf", "gguf/blocks.gguf"]) func mutations(_ name: String) throws {
        let file = try GGUFFile(path: Fixtures.path(name))
        let whole = Array(try Fixtures.data(name))
        let headerBytes = file.header.dataOffset
        let count = Int(ProcessInfo.processInfo.environment["ATELIER_FUZZ_ITERATIONS"] ?? "") ?? 10_000
        var generator = SplitMix(state: 11)
        var refused = 0
        for _ in 0..<count {
            var bytes = whole
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                let place = Int.random(in: 0..<headerBytes, using: &generator)
                switch Int.random(in: 0..<5, using: &generator) {
                case 0: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
                case 1: bytes[place] = UInt8.random(in: 0...255, using: &generator)
                case 2: bytes[place] = [0, 0x7F, 0x80, 0xFF].randomElement(using: &generator) ?? 0
                case 3: bytes.removeSubrange(place..<min(place + Int.random(in: 1...9, using: &generator), bytes.count))
                default: bytes.insert(UInt8.random(in: 0...255, using: &generator), at: place)
                }
            }
            if Int.random(in: 0..<8, using: &generator) == 0 {
                bytes.removeLast(Int.random(in: 0..<bytes.count, using: &generator))
            }
            do {
                let header = try GGUFTests.parse(bytes)
                let room = max(bytes.count - header.dataOffset, 0)
                let fits = header.entries.allSatisfy { entry in
                    entry.byteRange.upperBound <= room
                        && entry.byteRange.count == entry.dtype.byteCount(of: entry.shape.reduce(1, *))
                }
                #expect(fits)
            } catch let error as GGUFError {
                refused += 1
                #expect(error.description.count < 1000)
            }
        }
        #expect(refused > count / 4)
    }

    private struct SplitMix: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var z = state
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return z ^ (z >> 31)
        }
    }
}
