/// Builds PNG files of any kind without libpng: stored deflate blocks, so that every byte has a known place.
struct TestPNG {
    var width: Int
    var height: Int
    var bitDepth = 8
    /// 0 grey, 2 RGB, 3 palette, 4 grey + alpha, 6 RGB + alpha.
    var colorType = 2
    var interlaced = false
    /// Samples by pixel, `bitDepth` bits each.
    var samples: (_ x: Int, _ y: Int) -> [Int]
    /// Chunks between IHDR and IDAT.
    var chunks: [(type: String, data: [UInt8])] = []
    /// Raw bytes added to or cut from what IDAT inflates to.
    var surplus = 0

    private static let passes: [(x: Int, y: Int, dx: Int, dy: Int)] = [
        (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2),
    ]

    var bytes: [UInt8] {
        var raw: [UInt8] = []
        for pass in interlaced ? Self.passes : [(0, 0, 1, 1)] where pass.x < width && pass.y < height {
            for y in stride(from: pass.y, to: height, by: pass.dy) {
                raw.append(0)
                var (bits, held) = (0, 0)
                for x in stride(from: pass.x, to: width, by: pass.dx) {
                    for sample in samples(x, y) {
                        bits = bits << bitDepth | sample
                        held += bitDepth
                        while held >= 8 {
                            raw.append(UInt8(bits >> (held - 8) & 0xFF))
                            held -= 8
                        }
                    }
                }
                if held > 0 { raw.append(UInt8(bits << (8 - held) & 0xFF)) }
            }
        }
        raw = surplus < 0 ? raw.dropLast(-surplus) : raw + [UInt8](repeating: 7, count: surplus)
        let header =
            Self.long(width) + Self.long(height) + [UInt8(bitDepth), UInt8(colorType), 0, 0, interlaced ? 1 : 0]
        var file: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
        file += Self.chunk("IHDR", header)
        for chunk in chunks { file += Self.chunk(chunk.type, chunk.data) }
        return file + Self.chunk("IDAT", Self.zlib(raw)) + Self.chunk("IEND", [])
    }

    static func long(_ value: Int) -> [UInt8] { (0..<4).map { UInt8(value >> (24 - 8 * $0) & 0xFF) } }

    static func chunk(_ type: String, _ data: [UInt8]) -> [UInt8] {
        let body = Array(type.utf8) + data
        return long(data.count) + body + long(Int(crc32(body)))
    }

    /// A zlib stream of stored blocks.
    static func zlib(_ raw: [UInt8]) -> [UInt8] {
        var stream: [UInt8] = [0x78, 0x01]
        var rest = raw[...]
        repeat {
            let block = rest.prefix(65535)
            rest = rest.dropFirst(65535)
            let (low, high) = (UInt8(block.count & 0xFF), UInt8(block.count >> 8))
            stream += [rest.isEmpty ? 1 : 0, low, high, ~low, ~high] + block
        } while !rest.isEmpty
        var (a, b) = (1, 0)
        for byte in raw {
            a = (a + Int(byte)) % 65521
            b = (b + a) % 65521
        }
        return stream + long(b << 16 | a)
    }

    static func crc32(_ bytes: [UInt8]) -> UInt32 {
        var crc = UInt32.max
        for byte in bytes {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
        }
        return ~crc
    }
}

/// A small generator with a seed, so that a failing case can be run again.
struct SplitMix64: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
        return z ^ z >> 31
    }
}
