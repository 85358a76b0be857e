/// Writes pictures of one size as an animated PNG, which browsers play and other readers show as its first frame.
///
/// - Parameters:
///   - frameMilliseconds: how long each frame stays.
///   - metadata: texts, as in a still picture.
/// - Throws: `ImageError` for no frames, for frames of several sizes, and for a place that cannot be written.
public func writeAnimatedPNG(
    _ frames: [Image], to path: String, frameMilliseconds: Int = 100, metadata: ImageMetadata = ImageMetadata()
) throws {
    try FileBytes.write(
        AnimatedPNG.encode(frames, frameMilliseconds: frameMilliseconds, metadata: metadata, path: path), to: path)
}

/// The animated PNG of the W3C's PNG specification, third edition: each frame is compressed as a PNG of its own, and its
/// data go into `fdAT` chunks of one file.
enum AnimatedPNG {
    private struct Chunk {
        let type: [UInt8]
        let data: ArraySlice<UInt8>
    }

    static func encode(
        _ frames: [Image], frameMilliseconds: Int, metadata: ImageMetadata, path: String
    ) throws(ImageError) -> [UInt8] {
        guard let first = frames.first, frames.allSatisfy({ $0.width == first.width && $0.height == first.height })
        else {
            throw ImageError(
                .unwritable, path: path, expected: "frames of one size",
                found: frames.isEmpty ? "none" : "several sizes")
        }
        var sequence: UInt32 = 0
        func number(_ value: UInt32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) } }
        func short(_ value: Int) -> [UInt8] {
            [UInt8(truncatingIfNeeded: value >> 8), UInt8(truncatingIfNeeded: value)]
        }
        var file = PNG.signature
        for (index, frame) in frames.enumerated() {
            let chunks = chunks(of: try PNG.encode(frame, metadata: index == 0 ? metadata : .init(), path: path))
            if index == 0 {
                // Everything before the picture's data, with the animation's own header after the size.
                for chunk in chunks where chunk.type != Array("IDAT".utf8) && chunk.type != Array("IEND".utf8) {
                    append(chunk.type, Array(chunk.data), to: &file)
                    guard chunk.type == Array("IHDR".utf8) else { continue }
                    append("acTL", number(UInt32(frames.count)) + number(0), to: &file)
                }
            }
            let control =
                number(sequence) + number(UInt32(frame.width)) + number(UInt32(frame.height)) + number(0) + number(0)
                + short(max(frameMilliseconds, 1)) + short(1000) + [0, 0]
            append("fcTL", control, to: &file)
            sequence += 1
            for chunk in chunks where chunk.type == Array("IDAT".utf8) {
                if index == 0 {
                    append("IDAT", Array(chunk.data), to: &file)
                } else {
                    append("fdAT", number(sequence) + chunk.data, to: &file)
                    sequence += 1
                }
            }
        }
        append("IEND", [], to: &file)
        return file
    }

    /// The chunks of a file that this package wrote.
    private static func chunks(of png: [UInt8]) -> [Chunk] {
        var chunks: [Chunk] = []
        var position = PNG.signature.count
        while position + 12 <= png.count {
            let length = png[position..<position + 4].reduce(0) { $0 << 8 | Int($1) }
            let start = position + 8
            guard start + length + 4 <= png.count else { break }
            chunks.append(Chunk(type: Array(png[position + 4..<start]), data: png[start..<start + length]))
            position = start + length + 4
        }
        return chunks
    }

    private static func append(_ type: String, _ data: [UInt8], to file: inout [UInt8]) {
        append(Array(type.utf8), data, to: &file)
    }

    private static func append(_ type: [UInt8], _ data: [UInt8], to file: inout [UInt8]) {
        func number(_ value: UInt32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) } }
        file += number(UInt32(data.count)) + type + data + number(checksum(type + data))
    }

    /// CRC-32 of ISO 3309, as PNG has it.
    private static func checksum(_ bytes: [UInt8]) -> UInt32 {
        ~bytes.reduce(~0) { table[Int(($0 ^ UInt32($1)) & 0xFF)] ^ $0 >> 8 }
    }

    private static let table: [UInt32] = (0..<256).map { index in
        (0..<8).reduce(UInt32(index)) { value, _ in value & 1 == 1 ? 0xEDB8_8320 ^ value >> 1 : value >> 1 }
    }
}
