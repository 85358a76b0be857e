import Testing

@testable import Imaging

@Suite struct PNGTests {
    @Test(arguments: [(1, 1), (23, 17), (128, 128), (1, 300)])
    func roundTripIsExact(size: (Int, Int)) throws {
        let image = sample(width: size.0, height: size.1)
        #expect(try decodeImage(encodeImage(image, as: .png)).image == image)
    }

    @Test func bytesAreDeterministicAndCarryNoTime() throws {
        let metadata: ImageMetadata = ["parameters": "a fox", "Software": "Atelier"]
        let first = try encodeImage(sample(), as: .png, metadata: metadata)
        #expect(try encodeImage(sample(), as: .png, metadata: metadata) == first)
        #expect(chunkTypes(first) == ["IHDR", "tEXt", "tEXt", "IDAT", "IEND"])
    }

    @Test func textsKeepTheirOrderAndCharacters() throws {
        let metadata = ImageMetadata([
            .init(keyword: "parameters", text: "a café\nSteps: 20"), .init(keyword: "Title", text: "雪の山 🏔"),
            .init(keyword: "parameters", text: "again"), .init(keyword: "Empty", text: ""),
            .init(keyword: "Contrôle", text: "tab\there"),
        ])
        let bytes = try encodeImage(sample(), as: .png, metadata: metadata)
        #expect(chunkTypes(bytes) == ["IHDR", "tEXt", "iTXt", "tEXt", "tEXt", "iTXt", "IDAT", "IEND"])
        #expect(try decodeImage(bytes).metadata == metadata)
        #expect(try decodeImage(bytes).metadata["Title"] == "雪の山 🏔")
    }

    @Test func readsTextsThatFollowThePixels() throws {
        var bytes = try encodeImage(sample(), as: .png)
        bytes.insert(contentsOf: TestPNG.chunk("tEXt", Array("Late\0yes".utf8)), at: bytes.count - 12)
        #expect(try decodeImage(bytes).metadata["Late"] == "yes")
    }

    @Test(arguments: ["", " x", "x ", "a  b", "snow ☃", String(repeating: "k", count: 80), "line\nfeed"])
    func refusesBadKeywords(keyword: String) {
        let metadata = ImageMetadata([.init(keyword: keyword, text: "t")])
        for format in ImageFormat.allCases {
            let error = #expect(throws: ImageError.self) { try encodeImage(sample(), as: format, metadata: metadata) }
            #expect(error?.kind == .invalidMetadata)
        }
    }

    @Test func refusesNULInTexts() {
        #expect(throws: ImageError.self) { try encodeImage(sample(), as: .png, metadata: ["k": "a\0b"]) }
    }

    // Every colour type and depth, plain and interlaced, against the definition of its samples.

    @Test(arguments: [1, 2, 4, 8, 16], [false, true])
    func greyOfAnyDepth(depth: Int, interlaced: Bool) throws {
        let top = (1 << depth) - 1
        let value = { (x: Int, y: Int) in (x * 7 + y * 3) * (depth == 16 ? 613 : 1) % (top + 1) }
        let png = TestPNG(width: 13, height: 11, bitDepth: depth, colorType: 0, interlaced: interlaced) {
            [value($0, $1)]
        }
        let image = try decodeImage(png.bytes).image
        for (x, y) in [(0, 0), (5, 3), (12, 10), (7, 9)] {
            let expected = UInt8((Double(value(x, y)) * 255 / Double(top)).rounded())
            #expect(image[x, y] == (expected, expected, expected))
        }
    }

    @Test(arguments: [1, 2, 4, 8], [false, true])
    func palettes(depth: Int, interlaced: Bool) throws {
        let colors: [[UInt8]] = [[255, 0, 0], [1, 2, 3]]
        let png = TestPNG(
            width: 9, height: 5, bitDepth: depth, colorType: 3, interlaced: interlaced,
            samples: { x, y in [(x + y) % 2] }, chunks: [("PLTE", colors.flatMap { $0 }), ("tRNS", [0])])
        let image = try decodeImage(png.bytes).image
        #expect(image[0, 0] == (255, 255, 255), "a transparent entry shows the white behind it")
        #expect(image[1, 0] == (1, 2, 3))
        #expect(image[8, 3] == (1, 2, 3))
    }

    @Test(arguments: [8, 16], [false, true])
    func alphaIsComposedOverWhite(depth: Int, interlaced: Bool) throws {
        let unit = depth == 16 ? 257 : 1
        let alphas = [0, 51, 128, 255]
        let colored = TestPNG(width: 4, height: 2, bitDepth: depth, colorType: 6, interlaced: interlaced) { x, _ in
            [200, 100, 0, alphas[x]].map { $0 * unit }
        }
        let grey = TestPNG(width: 4, height: 2, bitDepth: depth, colorType: 4, interlaced: interlaced) { x, _ in
            [100, alphas[x]].map { $0 * unit }
        }
        let (rgb, gray) = (try decodeImage(colored.bytes).image, try decodeImage(grey.bytes).image)
        for (x, alpha) in alphas.enumerated() {
            func over(_ color: Int) -> UInt8 {
                UInt8(((Double(color * alpha) + 255 * Double(255 - alpha)) / 255).rounded())
            }
            #expect(rgb[x, 1] == (over(200), over(100), over(0)))
            #expect(gray[x, 1] == (over(100), over(100), over(100)))
        }
    }

    @Test func transparentColorOfRGB() throws {
        let png = TestPNG(
            width: 2, height: 1, samples: { x, _ in [x * 9, 8, 7] }, chunks: [("tRNS", [0, 0, 0, 8, 0, 7])])
        let image = try decodeImage(png.bytes).image
        #expect(image[0, 0] == (255, 255, 255))
        #expect(image[1, 0] == (9, 8, 7))
    }

    @Test func faultyColorProfileIsNoObstacle() throws {
        let png = TestPNG(
            width: 1, height: 1, samples: { _, _ in [1, 2, 3] },
            chunks: [("iCCP", Array("x\0\0".utf8) + [1, 2, 3]), ("gAMA", [0, 0, 0, 1]), ("prVt", [9])])
        #expect(try decodeImage(png.bytes).image[0, 0] == (1, 2, 3))
    }

    private func chunkTypes(_ bytes: [UInt8]) -> [String] {
        var types: [String] = []
        var at = 8
        while at + 8 <= bytes.count {
            let length = bytes[at..<at + 4].reduce(0) { $0 << 8 | Int($1) }
            types.append(String(decoding: bytes[at + 4..<at + 8], as: UTF8.self))
            at += 12 + length
        }
        return types
    }
}
