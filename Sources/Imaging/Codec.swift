import CImageCodecs

/// What both codecs share: turning a C report into an error, and lending texts to a writer.
enum Codec {
    static func message(_ report: tk_codec_report) -> String {
        withUnsafeBytes(of: report.message) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }

    static func error(
        _ status: tk_codec_status, _ report: tk_codec_report, format: String, path: String, limits: ImageLimits
    ) -> ImageError {
        switch status {
        case TK_CODEC_TOO_LARGE:
            limits.tooLarge(width: Int(report.width), height: Int(report.height), path: path)
        case TK_CODEC_UNSUPPORTED:
            ImageError(.unsupported, path: path, expected: "a \(format) that can be decoded", found: message(report))
        case TK_CODEC_OUT_OF_MEMORY:
            ImageError(
                .tooLarge, path: path, expected: "memory for \(report.width)x\(report.height) pixels",
                found: "too little")
        default:
            ImageError(.corrupt, path: path, expected: "a sound \(format)", found: "damage: \(message(report))")
        }
    }

    /// Allocates the pixels, lets `decode` fill them, and checks its status.
    static func image(
        width: Int, height: Int, decode: (UnsafeMutablePointer<UInt8>) throws -> Void
    ) throws -> Image {
        let pixels = try [UInt8](unsafeUninitializedCapacity: width * height * 3) { buffer, count in
            if let base = buffer.baseAddress {
                base.initialize(repeating: 0, count: width * height * 3)
                try decode(base)
            }
            count = width * height * 3
        }
        return Image(width: width, height: height, pixels: pixels)
    }

    /// A text as the C side takes it. `keyword` is encoded in Latin-1.
    struct Text {
        var keyword = ""
        var bytes: [UInt8]
        var kind: Int32
    }

    /// Calls `body` with C texts that point into one block, each keyword and text followed by a NUL.
    static func withTexts<R>(_ texts: [Text], _ body: (UnsafeBufferPointer<tk_codec_text>) -> R) -> R {
        var block: [UInt8] = []
        var places: [(keyword: Int, bytes: Int)] = []
        for text in texts {
            let keyword = block.count
            block += (Latin1.bytes(text.keyword) ?? []) + [0]
            places.append((keyword, block.count))
            block += text.bytes + [0]
        }
        return block.withUnsafeBytes { block in
            let lent = zip(texts, places).map { text, place in
                tk_codec_text(
                    keyword: block.baseAddress?.advanced(by: place.keyword).assumingMemoryBound(to: CChar.self),
                    bytes: block.baseAddress?.advanced(by: place.bytes).assumingMemoryBound(to: UInt8.self),
                    count: text.bytes.count, kind: text.kind)
            }
            return lent.withUnsafeBufferPointer(body)
        }
    }

    /// Runs a writer and takes over its bytes.
    static func collect(
        _ image: Image, format: String, path: String,
        _ write: (UnsafeMutablePointer<tk_codec_buffer>, UInt32, UInt32, UnsafeMutablePointer<tk_codec_report>) ->
            tk_codec_status
    ) throws(ImageError) -> [UInt8] {
        var buffer = tk_codec_buffer()
        var report = tk_codec_report()
        defer { tk_codec_buffer_free(&buffer) }
        let status = write(&buffer, UInt32(image.width), UInt32(image.height), &report)
        guard status == TK_CODEC_OK else {
            throw ImageError(
                .unsupported, path: path, expected: "a picture that \(format) can hold",
                found: "\(image.width)x\(image.height): \(message(report))")
        }
        return Array(UnsafeBufferPointer(start: buffer.bytes, count: buffer.count))
    }
}
