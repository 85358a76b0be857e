import Foundation
import Testing

@testable import Imaging

@Suite struct JPEGTests {
    @Test(arguments: [(1, 1), (16, 16), (33, 47)])
    func roundTripIsClose(size: (Int, Int)) throws {
        let image = gradient(width: size.0, height: size.1)
        let bytes = try encodeImage(image, as: .jpeg, jpegQuality: 98)
        #expect(try encodeImage(image, as: .jpeg, jpegQuality: 98) == bytes, "deterministic")
        let decoded = try decodeImage(bytes).image
        #expect((decoded.width, decoded.height) == size)
        #expect(largestDifference(decoded, image) <= 6)
    }

    @Test func qualityTradesBytesForErrors() throws {
        let image = sample(width: 64, height: 64)
        let sizes = try [10, 50, 89, 90, 100].map { try encodeImage(image, as: .jpeg, jpegQuality: $0).count }
        #expect(sizes == sizes.sorted())
        #expect(sizes[0] * 3 < sizes[4])
        for quality in [0, 101, -5] {
            #expect(throws: ImageError.self) { try encodeImage(image, as: .jpeg, jpegQuality: quality) }
        }
    }

    @Test func metadataSurvives() throws {
        let metadata: ImageMetadata = ["parameters": "a café ☕️ 🏔\nSteps: 20", "Software": "Atelier", "Comment": "a: b"]
        #expect(try decodeImage(encodeImage(sample(), as: .jpeg, metadata: metadata)).metadata == metadata)
    }

    @Test func foreignCommentsAreKept() throws {
        let plain = try encodeImage(sample(), as: .jpeg)
        let latin = segment(0xFE, [0x63, 0x61, 0x66, 0xE9])
        #expect(try decodeImage(inserting(latin, in: plain)).metadata["Comment"] == "café")
        let gd = segment(0xFE, Array("CREATOR: gd-jpeg v1.0".utf8))
        #expect(try decodeImage(inserting(gd, in: plain)).metadata["CREATOR"] == "gd-jpeg v1.0")
    }

    @Test func longMetadataIsRefused() {
        let long = String(repeating: "x", count: 70_000)
        for keyword in ["parameters", "Comment"] {
            let error = #expect(throws: ImageError.self) {
                try encodeImage(sample(), as: .jpeg, metadata: [keyword: long])
            }
            #expect(error?.kind == .invalidMetadata)
        }
    }

    @Test(arguments: 1...8, [false, true])
    func orientationIsAppliedOnce(orientation: Int, bigEndian: Bool) throws {
        // Four flat quadrants of 8x8 blocks in a 32x16 picture, so that every orientation looks different.
        var stored = Image(width: 32, height: 16)
        for y in 0..<16 {
            for x in 0..<32 { stored[x, y] = (x < 16 ? 20 : 220, y < 8 ? 40 : 200, 128) }
        }
        let tagged = inserting(
            exif(orientation: orientation, bigEndian: bigEndian), in: try encodeImage(stored, as: .jpeg))
        let (shown, metadata) = try decodeImage(tagged)
        #expect((shown.width, shown.height) == (orientation < 5 ? (32, 16) : (16, 32)))
        // Where the stored first row and first column are shown, from the EXIF standard's table.
        let firstRow = ["top", "top", "bottom", "bottom", "left", "right", "right", "left"][orientation - 1]
        let firstColumn = ["left", "right", "right", "left", "top", "top", "bottom", "bottom"][orientation - 1]
        func corner(_ row: String, _ column: String) -> (x: Int, y: Int) {
            let names = [row, column]
            return (names.contains("left") ? 1 : shown.width - 2, names.contains("top") ? 1 : shown.height - 2)
        }
        let at = corner(firstRow, firstColumn)
        #expect(abs(Int(shown[at.x, at.y].red) - 20) < 8 && abs(Int(shown[at.x, at.y].green) - 40) < 8)
        // The far end of the stored first row keeps its green and changes its red.
        let opposite = ["left": "right", "right": "left", "top": "bottom", "bottom": "top"]
        let far = corner(firstRow, opposite[firstColumn] ?? "")
        #expect(abs(Int(shown[far.x, far.y].red) - 220) < 8 && abs(Int(shown[far.x, far.y].green) - 40) < 8)
        let again = try decodeImage(encodeImage(shown, as: .jpeg, metadata: metadata)).image
        #expect((again.width, again.height) == (shown.width, shown.height), "written pictures carry no orientation")
    }

    @Test func brokenEXIFIsIgnored() throws {
        let plain = try encodeImage(sample(), as: .jpeg)
        let image = try decodeImage(plain).image
        let good = Array(exif(orientation: 6, bigEndian: true).dropFirst(4))
        for count in 0..<good.count {
            let cut = inserting(segment(0xE1, Array(good.prefix(count))), in: plain)
            #expect(try decodeImage(cut).image.pixels.count == image.pixels.count)
        }
        var generator = SplitMix64(state: 3)
        for _ in 0..<500 {
            var payload = EXIF.segment(userComment: "hello")
            for _ in 0..<3 {
                payload[Int.random(in: 6..<payload.count, using: &generator)] = .random(in: 0...255, using: &generator)
            }
            _ = EXIF(segment: payload)
        }
        #expect(
            try decodeImage(inserting(segment(0xE1, Array("http://ns.adobe.com/xap/".utf8)), in: plain)).image == image)
    }

    @Test func tooManyCommentsAreRefused() throws {
        var bytes = try encodeImage(sample(), as: .jpeg)
        for _ in 0..<65 { bytes = inserting(segment(0xFE, [0x41]), in: bytes) }
        let error = #expect(throws: ImageError.self) { try decodeImage(bytes) }
        #expect(error?.kind == .corrupt)
    }

    @Test func foreignColorSpacesBecomeRGB() throws {
        let grey = try decodeImage(greyJPEG).image
        #expect(largestDifference(grey, Image(width: 8, height: 8, filledWith: (77, 77, 77))) <= 1)
        // light = (255 - ink) (255 - black) / 255
        let cmyk = try decodeImage(cmykJPEG).image
        #expect(largestDifference(cmyk, Image(width: 16, height: 16, filledWith: (0, 204, 102))) <= 2)
        let progressive = try decodeImage(progressiveJPEG).image
        var expected = Image(width: 24, height: 16)
        for y in 0..<16 { for x in 0..<24 { expected[x, y] = (UInt8(x * 10), UInt8(y * 15), 128) } }
        #expect(largestDifference(progressive, expected) <= 8)
    }

    private func segment(_ marker: UInt8, _ payload: [UInt8]) -> [UInt8] {
        [0xFF, marker, UInt8((payload.count + 2) >> 8), UInt8((payload.count + 2) & 0xFF)] + payload
    }

    private func inserting(_ segment: [UInt8], in jpeg: [UInt8]) -> [UInt8] {
        Array(jpeg.prefix(2)) + segment + jpeg.dropFirst(2)
    }

    private func exif(orientation: Int, bigEndian: Bool) -> [UInt8] {
        func number(_ value: Int, _ count: Int) -> [UInt8] {
            let bytes = (0..<count).map { UInt8(value >> (8 * $0) & 0xFF) }
            return bigEndian ? bytes.reversed() : bytes
        }
        var payload = Array("Exif\0\0".utf8) + Array((bigEndian ? "MM" : "II").utf8)
        payload += number(42, 2) + number(8, 4) + number(1, 2)
        payload += number(0x0112, 2) + number(3, 2) + number(1, 4) + number(orientation, 2) + [0, 0] + number(0, 4)
        return segment(0xE1, payload)
    }
}
