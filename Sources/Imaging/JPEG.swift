import CImageCodecs

/// JPEG in and out: grey, RGB, YCbCr and CMYK become RGB8, the EXIF orientation is applied, comments are kept.
enum JPEG {
    static let signature: [UInt8] = [0xFF, 0xD8, 0xFF]
    private static let comment: Int32 = 0xFE
    private static let exif: Int32 = 0xE1
    /// A segment's 16-bit length counts its own two bytes.
    private static let segmentBytes = 65533

    static func decode(_ bytes: [UInt8], path: String, limits: ImageLimits) throws -> (Image, ImageMetadata) {
        try bytes.withUnsafeBufferPointer { bytes in
            var status = TK_CODEC_OK
            var report = tk_codec_report()
            var codecLimits = limits.codec
            guard let reader = tk_jpeg_open(bytes.baseAddress, bytes.count, &codecLimits, &status, &report) else {
                throw Codec.error(status, report, format: "JPEG", path: path, limits: limits)
            }
            defer { tk_jpeg_close(reader) }
            let image = try Codec.image(width: Int(report.width), height: Int(report.height)) { pixels in
                let status = tk_jpeg_decode(reader, pixels, &report)
                guard status == TK_CODEC_OK else {
                    throw Codec.error(status, report, format: "JPEG", path: path, limits: limits)
                }
            }
            var metadata = ImageMetadata()
            var orientation: Orientation?
            for index in 0..<tk_jpeg_marker_count(reader) {
                let marker = tk_jpeg_marker(reader, index)
                let payload = Array(UnsafeBufferPointer(start: marker.bytes, count: marker.count))
                if marker.kind == comment {
                    metadata.entries.append(entry(comment: payload))
                } else if let found = EXIF(segment: payload) {
                    orientation = orientation ?? found.orientation
                    if let text = found.userComment {
                        metadata.entries.append(ImageMetadata.Entry(keyword: EXIF.keyword, text: text))
                    }
                }
            }
            return (image.oriented(orientation ?? .up), metadata)
        }
    }

    /// `keyword: text` where the part before the first colon could be a keyword, else the whole under `Comment`.
    private static func entry(comment bytes: [UInt8]) -> ImageMetadata.Entry {
        let text = String(validating: bytes, as: UTF8.self) ?? Latin1.string(bytes)
        let scalars = text.unicodeScalars
        if let colon = scalars.firstIndex(of: ":"), case let start = scalars.index(after: colon),
            start < scalars.endIndex, scalars[start] == " "
        {
            let keyword = String(scalars[..<colon])
            if ImageMetadata.isValid(keyword: keyword) {
                return ImageMetadata.Entry(keyword: keyword, text: String(scalars[scalars.index(after: start)...]))
            }
        }
        return ImageMetadata.Entry(keyword: "Comment", text: text)
    }

    static func encode(
        _ image: Image, quality: Int, metadata: ImageMetadata, path: String
    ) throws(ImageError) -> [UInt8] {
        guard (1...100).contains(quality) else {
            throw ImageError(.unsupported, path: path, expected: "a JPEG quality from 1 to 100", found: "\(quality)")
        }
        try metadata.check(path: path)
        // EXIF readers expect their segment first, so `parameters` leads whatever its place among the entries.
        var segments: [Codec.Text] = []
        for entry in metadata.entries {
            let isParameters = entry.keyword == EXIF.keyword && !segments.contains { $0.kind == exif }
            let segment =
                isParameters
                ? Codec.Text(bytes: EXIF.segment(userComment: entry.text), kind: exif)
                : Codec.Text(bytes: Array("\(entry.keyword): \(entry.text)".utf8), kind: comment)
            guard !entry.keyword.contains(":"), segment.bytes.count <= segmentBytes else {
                throw ImageError(
                    .invalidMetadata, path: path,
                    expected: "JPEG metadata of at most \(segmentBytes) bytes an entry, without a colon in its keyword",
                    found: "\(segment.bytes.count) bytes under \"\(entry.keyword)\"")
            }
            segments.insert(segment, at: isParameters ? 0 : segments.count)
        }
        // At high quality the chroma keeps its resolution; below, the usual halved chroma saves a third of the file.
        let fullChroma: Int32 = quality >= 90 ? 1 : 0
        return try Codec.collect(image, format: "JPEG", path: path) { buffer, width, height, report in
            Codec.withTexts(segments) { markers in
                tk_jpeg_write(
                    buffer, image.pixels, width, height, Int32(quality), fullChroma, markers.baseAddress, markers.count,
                    report)
            }
        }
    }
}
