import Foundation
import Imaging
import TestSupport
import Testing

@Suite struct AnimatedPNGTests {
    private func frame(_ shade: UInt8, width: Int = 5) -> Image {
        Image(width: width, height: 4, pixels: [UInt8](repeating: shade, count: width * 4 * 3))
    }

    /// Type and data of every chunk, their checksums checked with another way of computing them.
    private func chunks(_ bytes: [UInt8]) -> [(type: String, data: [UInt8])] {
        var result: [(type: String, data: [UInt8])] = []
        var position = 8
        while position + 12 <= bytes.count {
            let length = bytes[position..<position + 4].reduce(0) { $0 << 8 | Int($1) }
            let body = Array(bytes[position + 4..<position + 8 + length])
            var crc: UInt32 = 0xFFFF_FFFF
            for byte in body {
                crc ^= UInt32(byte)
                for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
            }
            let stored = bytes[position + 8 + length..<position + 12 + length].reduce(0) { $0 << 8 | UInt32($1) }
            #expect(stored == ~crc)
            result.append((String(decoding: body.prefix(4), as: UTF8.self), Array(body.dropFirst(4))))
            position += 12 + length
        }
        #expect(position == bytes.count)
        return result
    }

    @Test func `frames follow each other, and other readers see the first with its texts`() throws {
        try inTemporaryFolder { folder in
            let path = folder.appending(path: "frames.png").path
            var metadata = ImageMetadata()
            metadata["parameters"] = "a sea"
            try writeAnimatedPNG(
                [frame(10), frame(120), frame(250)], to: path, frameMilliseconds: 80, metadata: metadata)
            let first = try readImage(at: path)
            #expect(first.image == frame(10) && first.metadata["parameters"] == "a sea")
            let found = chunks([UInt8](try Data(contentsOf: URL(filePath: path))))
            #expect(found.first { $0.type == "acTL" }?.data == [0, 0, 0, 3, 0, 0, 0, 0])
            let controls = found.filter { $0.type == "fcTL" }
            #expect(controls.count == 3 && controls.allSatisfy { Array($0.data[20..<24]) == [0, 80, 3, 232] })
            // Control and data chunks are numbered together.
            let numbers = found.filter { ["fcTL", "fdAT"].contains($0.type) }.map { Int($0.data[3]) }
            #expect(numbers == Array(0..<numbers.count) && numbers.count >= 5)
            #expect(found.map(\.type).first == "IHDR" && found.map(\.type).last == "IEND")
        }
    }

    @Test func `frames of several sizes and none at all are refused`() throws {
        try inTemporaryFolder { folder in
            let path = folder.appending(path: "frames.png").path
            #expect(throws: ImageError.self) { try writeAnimatedPNG([], to: path) }
            #expect(throws: ImageError.self) { try writeAnimatedPNG([frame(1), frame(1, width: 6)], to: path) }
            #expect(!FileManager.default.fileExists(atPath: path))
        }
    }
}
