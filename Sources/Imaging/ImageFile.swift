public import struct Foundation.URL

/// The encodings that are read and written. Reading goes by the first bytes, writing by the extension.
public enum ImageFormat: String, Sendable, CaseIterable {
    case png, jpeg

    /// `.png`, `.jpg` or `.jpeg`, in any case.
    public init?(path: String) {
        let name = path.split(separator: "/").last ?? ""
        switch name.split(separator: ".", omittingEmptySubsequences: false).dropFirst().last?.lowercased() {
        case "png": self = .png
        case "jpg", "jpeg": self = .jpeg
        default: return nil
        }
    }

    init?(signatureOf bytes: [UInt8]) {
        if bytes.starts(with: PNG.signature) {
            self = .png
        } else if bytes.starts(with: JPEG.signature) {
            self = .jpeg
        } else {
            return nil
        }
    }
}

/// Reads a PNG or JPEG, whatever its extension says, as RGB8 the right way up, with the texts it carries.
///
/// Alpha is composed over white, 16 bits are scaled to 8, palettes are looked up, CMYK is multiplied out, an EXIF
/// orientation is applied. Colour profiles are not.
/// - Throws: `ImageError` for a file that is missing, damaged in any part, larger than the limits, or of another kind.
public func readImage(
    at path: String, limits: ImageLimits = .standard
) throws -> (image: Image, metadata: ImageMetadata) {
    try decodeImage(FileBytes.read(path, limits: limits), name: path, limits: limits)
}

public func readImage(
    at url: URL, limits: ImageLimits = .standard
) throws -> (image: Image, metadata: ImageMetadata) {
    try readImage(at: url.path, limits: limits)
}

/// `readImage` for bytes in memory; `name` stands for them in errors.
public func decodeImage(
    _ bytes: [UInt8], name: String = "image data", limits: ImageLimits = .standard
) throws -> (image: Image, metadata: ImageMetadata) {
    try limits.check(encodedBytes: bytes.count, path: name)
    switch ImageFormat(signatureOf: bytes) {
    case .png: return try PNG.decode(bytes, path: name, limits: limits)
    case .jpeg: return try JPEG.decode(bytes, path: name, limits: limits)
    case nil:
        let start = bytes.prefix(8).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: " ")
        throw ImageError(
            .unknownFormat, path: name, expected: "a PNG or JPEG image",
            found: bytes.isEmpty ? "an empty file" : "a file that begins with \(start)")
    }
}

/// Writes `image` as PNG or JPEG by the extension of `path`, replacing the file in one step.
///
/// Equal arguments give equal bytes.
/// - Parameter jpegQuality: 1 to 100; from 90 on the colour keeps its full resolution.
/// - Throws: `ImageError` for another extension, metadata that the format cannot carry, or a place that cannot be
///   written; nothing is left behind then.
public func writeImage(
    _ image: Image, to path: String, metadata: ImageMetadata = ImageMetadata(), jpegQuality: Int = 95
) throws {
    guard let format = ImageFormat(path: path) else {
        throw ImageError(
            .unknownFormat, path: path, expected: "a file name that ends in .png, .jpg or .jpeg",
            found: "another ending")
    }
    let bytes =
        switch format {
        case .png: try PNG.encode(image, metadata: metadata, path: path)
        case .jpeg: try JPEG.encode(image, quality: jpegQuality, metadata: metadata, path: path)
        }
    try FileBytes.write(bytes, to: path)
}

public func writeImage(
    _ image: Image, to url: URL, metadata: ImageMetadata = ImageMetadata(), jpegQuality: Int = 95
) throws {
    try writeImage(image, to: url.path, metadata: metadata, jpegQuality: jpegQuality)
}

/// The bytes that `writeImage` would put in a file.
public func encodeImage(
    _ image: Image, as format: ImageFormat, metadata: ImageMetadata = ImageMetadata(), jpegQuality: Int = 95
) throws -> [UInt8] {
    switch format {
    case .png: try PNG.encode(image, metadata: metadata, path: "image data")
    case .jpeg: try JPEG.encode(image, quality: jpegQuality, metadata: metadata, path: "image data")
    }
}
