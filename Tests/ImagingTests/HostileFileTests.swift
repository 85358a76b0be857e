import Testing

@testable import Imaging

@Suite struct HostileFileTests {
    static let files: [(format: ImageFormat, bytes: [UInt8])] = ImageFormat.allCases.compactMap { format in
        let metadata: ImageMetadata = ["parameters": "fox ☃", "Software": "Atelier"]
        return (try? encodeImage(sample(), as: format, metadata: metadata)).map { (format, $0) }
    }

    @Test func everyTruncationIsAnError() throws {
        #expect(Self.files.count == 2)
        var files = Self.files.map(\.bytes)
        files.append(TestPNG(width: 9, height: 9, colorType: 6, interlaced: true) { x, y in [x, y, 3, 200] }.bytes)
        files.append(progressiveJPEG)
        for file in files {
            #expect(throws: Never.self) { try decodeImage(file) }
            for count in 0..<file.count {
                #expect(throws: ImageError.self, "\(count) of \(file.count) bytes") {
                    try decodeImage(Array(file.prefix(count)))
                }
            }
        }
    }

    @Test func flippedBytesNeverCrash() throws {
        var generator = SplitMix64(state: 7)
        for (format, file) in Self.files + [(.jpeg, progressiveJPEG)] {
            var accepted = 0
            for _ in 0..<2000 {
                var bytes = file
                for _ in 0..<Int.random(in: 1...3, using: &generator) {
                    bytes[Int.random(in: 0..<bytes.count, using: &generator)] ^= .random(in: 1...255, using: &generator)
                }
                if (try? decodeImage(bytes)) != nil { accepted += 1 }
            }
            // Every byte of a PNG lies under a checksum; a JPEG has none.
            if format == .png { #expect(accepted == 0) }
        }
    }

    @Test func damagedChecksumIsFatalEverywhere() throws {
        for type in ["IHDR", "tEXt", "IDAT", "IEND"] {
            var bytes = Self.files[0].bytes
            let at = try #require(bytes.indices.first { bytes[$0...].starts(with: type.utf8) })
            let length = bytes[at - 4..<at].reduce(0) { $0 << 8 | Int($1) }
            bytes[at + 4 + length] ^= 1
            let error = #expect(throws: ImageError.self) { try decodeImage(bytes, name: "x.png") }
            #expect(error?.kind == .corrupt)
            #expect(error?.description.contains("x.png: expected a sound PNG, found damage: \(type)") == true)
        }
    }

    @Test(arguments: [-1, 1, 100_000])
    func pixelDataOfTheWrongLengthIsRefused(surplus: Int) {
        let png = TestPNG(width: 8, height: 8, samples: { x, y in [x, y, 0] }, surplus: surplus)
        #expect(throws: ImageError.self) { try decodeImage(png.bytes) }
    }

    @Test(arguments: [(8193, 1), (1, 8193), (4097, 4096), (0x7FFF_FFFF, 0x7FFF_FFFF), (0xFFFF_FFFF, 0xFFFF_FFFF)])
    func giantPNGsAreRefusedByTheirHeader(size: (Int, Int)) throws {
        var bytes = TestPNG(width: 1, height: 1, samples: { _, _ in [0, 0, 0] }).bytes
        let header = TestPNG.chunk("IHDR", TestPNG.long(size.0) + TestPNG.long(size.1) + [8, 2, 0, 0, 0])
        bytes.replaceSubrange(8..<33, with: header)
        let error = #expect(throws: ImageError.self) { try decodeImage(bytes, name: "bomb.png") }
        #expect(error?.kind == .tooLarge)
        let limits = "at most 8192x8192 and 16777216 pixels"
        #expect(error?.description == "bomb.png: expected \(limits), found \(size.0)x\(size.1)")
    }

    @Test func giantJPEGIsRefusedByItsHeader() throws {
        var bytes = Self.files[1].bytes
        let at = try #require(bytes.indices.first { bytes[$0...].starts(with: [0xFF, 0xC0]) })
        bytes.replaceSubrange(at + 5..<at + 9, with: [0xFD, 0xE8, 0xFD, 0xE8])
        let error = #expect(throws: ImageError.self) { try decodeImage(bytes) }
        #expect(error?.kind == .tooLarge)
    }

    @Test func limitsCanBeSet() throws {
        let file = Self.files[0].bytes
        func kind(_ limits: ImageLimits) -> ImageError.Kind? {
            do {
                _ = try decodeImage(file, limits: limits)
                return nil
            } catch { return (error as? ImageError)?.kind }
        }
        #expect(kind(ImageLimits(width: 23, height: 17, pixels: 23 * 17)) == nil)
        #expect(kind(ImageLimits(width: 22)) == .tooLarge)
        #expect(kind(ImageLimits(height: 16)) == .tooLarge)
        #expect(kind(ImageLimits(pixels: 23 * 17 - 1)) == .tooLarge)
        #expect(kind(ImageLimits(encodedBytes: file.count - 1)) == .tooLarge)
        #expect(kind(ImageLimits(encodedBytes: file.count, pixels: .max)) == nil)
    }

    @Test func inflatingTextsIsLimited() throws {
        let empty = TestPNG(width: 1, height: 1, samples: { _, _ in [0, 0, 0] })
        var bomb = empty
        bomb.chunks = [("zTXt", Array("k\0\0".utf8) + TestPNG.zlib([UInt8](repeating: 65, count: 5 << 20)))]
        #expect(throws: ImageError.self) { try decodeImage(bomb.bytes) }
        var many = empty
        many.chunks = Array(repeating: ("tEXt", Array("k\0v".utf8)), count: 100)
        #expect(throws: ImageError.self) { try decodeImage(many.bytes) }
        var fine = empty
        fine.chunks = [("zTXt", Array("k\0\0".utf8) + TestPNG.zlib(Array("caf".utf8) + [0xE9]))]
        #expect(try decodeImage(fine.bytes).metadata["k"] == "café")
    }

    @Test func scansOfProgressiveJPEGsAreLimited() throws {
        let bytes = progressiveJPEG
        #expect(throws: Never.self) { try decodeImage(bytes) }
        #expect(throws: ImageError.self) { try decodeImage(bytes, limits: ImageLimits(scans: 3)) }
    }

    @Test(arguments: [[], [0x47, 0x49, 0x46, 0x38], Array("<html>".utf8), [0x89, 0x50]])
    func otherFormatsAreNamed(bytes: [UInt8]) throws {
        let error = #expect(throws: ImageError.self) { try decodeImage(bytes, name: "a.gif") }
        #expect(error?.kind == .unknownFormat)
        #expect(error?.description.hasPrefix("a.gif: expected a PNG or JPEG image, found ") == true)
    }
}
