import CImageCodecs
import Glibc

/// PNG in and out: any colour type and depth becomes RGB8, alpha is composed over white, texts are kept in order.
enum PNG {
    static let signature: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]

    static func decode(_ bytes: [UInt8], path: String, limits: ImageLimits) throws -> (Image, ImageMetadata) {
        try bytes.withUnsafeBufferPointer { bytes in
            var status = TK_CODEC_OK
            var report = tk_codec_report()
            var codecLimits = limits.codec
            guard let reader = tk_png_open(bytes.baseAddress, bytes.count, &codecLimits, &status, &report) else {
                throw Codec.error(status, report, format: "PNG", path: path, limits: limits)
            }
            defer { tk_png_close(reader) }
            let image = try Codec.image(width: Int(report.width), height: Int(report.height)) { pixels in
                let status = tk_png_decode(reader, pixels, &report)
                guard status == TK_CODEC_OK else {
                    throw Codec.error(status, report, format: "PNG", path: path, limits: limits)
                }
            }
            let entries = (0..<tk_png_text_count(reader)).map { entry(tk_png_text(reader, $0)) }
            return (image, ImageMetadata(entries))
        }
    }

    private static func entry(_ text: tk_codec_text) -> ImageMetadata.Entry {
        var keyword = ""
        if let start = text.keyword {
            keyword = Latin1.string(
                UnsafeBufferPointer(start: start, count: strlen(start)).map(UInt8.init(bitPattern:)))
        }
        let bytes = UnsafeBufferPointer(start: text.bytes, count: text.count)
        guard text.kind == 1 else { return ImageMetadata.Entry(keyword: keyword, text: Latin1.string(bytes)) }
        let decoded = String(decoding: bytes, as: UTF8.self)
        return ImageMetadata.Entry(
            keyword: keyword, text: decoded, isInternational: Latin1.bytes(decoded) != nil)
    }

    static func encode(_ image: Image, metadata: ImageMetadata, path: String) throws(ImageError) -> [UInt8] {
        try metadata.check(path: path)
        let texts = metadata.entries.map { entry in
            (entry.isInternational ? nil : Latin1.bytes(entry.text))
                .map { Codec.Text(keyword: entry.keyword, bytes: $0, kind: 0) }
                ?? Codec.Text(keyword: entry.keyword, bytes: Array(entry.text.utf8), kind: 1)
        }
        return try Codec.collect(image, format: "PNG", path: path) { buffer, width, height, report in
            Codec.withTexts(texts) { texts in
                tk_png_write(buffer, image.pixels, width, height, texts.baseAddress, texts.count, report)
            }
        }
    }
}
