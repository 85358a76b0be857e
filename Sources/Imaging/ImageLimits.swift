import CImageCodecs

/// What a picture may cost before it is refused. All of it is checked before anything of that size is allocated.
public struct ImageLimits: Sendable, Equatable {
    /// Bytes of the encoded file.
    public var encodedBytes: Int
    public var width: Int
    public var height: Int
    /// `width * height`.
    public var pixels: Int
    /// Scans of a progressive JPEG: a small file can ask for thousands of passes over a large picture.
    public var scans: Int
    /// Text chunks of a PNG that are kept; more are an error.
    public var textChunks: Int
    /// Bytes of one text chunk after inflating.
    public var textBytes: Int

    public init(
        encodedBytes: Int = 64 << 20, width: Int = 8192, height: Int = 8192, pixels: Int = 16 << 20, scans: Int = 100,
        textChunks: Int = 64, textBytes: Int = 4 << 20
    ) {
        self.encodedBytes = encodedBytes
        self.width = width
        self.height = height
        self.pixels = pixels
        self.scans = scans
        self.textChunks = textChunks
        self.textBytes = textBytes
    }

    /// 8192 x 8192 at most, 16 Mi pixels, 64 MiB encoded.
    public static let standard = ImageLimits()

    var codec: tk_codec_limits {
        tk_codec_limits(
            width: UInt32(clamping: width), height: UInt32(clamping: height), pixels: UInt64(clamping: pixels),
            scans: UInt32(clamping: scans), chunks: UInt32(clamping: textChunks),
            chunk_bytes: size_t(clamping: textBytes), working_bytes: (64 << 20) + 32 * min(max(0, pixels), 1 << 40))
    }

    func check(encodedBytes count: Int, path: String) throws(ImageError) {
        guard count <= encodedBytes else {
            throw ImageError(
                .tooLarge, path: path, expected: "at most \(encodedBytes) bytes of encoded image",
                found: "\(count) bytes")
        }
    }

    func tooLarge(width foundWidth: Int, height foundHeight: Int, path: String) -> ImageError {
        ImageError(
            .tooLarge, path: path, expected: "at most \(width)x\(height) and \(pixels) pixels",
            found: "\(foundWidth)x\(foundHeight)")
    }
}
