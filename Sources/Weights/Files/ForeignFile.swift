internal import Foundation

/// What a file is that people take for a model by mistake, as its first bytes tell; nil for any other.
func foreignKind(ofFile path: String) -> String? {
    guard let file = try? FileHandle(forReadingFrom: URL(filePath: path)), let start = try? file.read(upToCount: 16)
    else { return nil }
    try? file.close()
    let kinds: [(start: [UInt8], kind: String)] = [
        (Array("version https:".utf8), "a pointer of Git LFS (the file itself was not downloaded: git lfs pull)"),
        ([0x89] + Array("PNG".utf8), "a PNG picture"), ([0xFF, 0xD8, 0xFF], "a JPEG picture"),
        (Array("RIFF".utf8), "a WebP picture"), (Array("GIF8".utf8), "a GIF picture"),
        (Array("GGUF".utf8), "a GGUF file"), (Array("%PDF".utf8), "a PDF document"),
        ([0x37, 0x7A, 0xBC, 0xAF], "a 7z archive"), (Array("Rar!".utf8), "a RAR archive"),
        ([0x89] + Array("HDF".utf8), "an HDF5 file"),
    ]
    if let known = kinds.first(where: { start.starts(with: $0.start) }) { return known.kind }
    // A page may begin with blank lines or the mark of UTF-8.
    let text = start.drop { [0x20, 0x0A, 0x0D, 0x09, 0xEF, 0xBB, 0xBF].contains($0) }
    let isPage = ["<!", "<html", "<?xml"].contains { text.starts(with: Array($0.utf8)) }
    return isPage ? "a web page" : nil
}
