public import Foundation

/// The SHA-256 of bytes, as 64 lower-case hexadecimal digits.
public func sha256Hex(of bytes: some ContiguousBytes) -> String {
    var hash = SHA256()
    bytes.withUnsafeBytes { hash.update($0) }
    return hash.hexadecimal
}

/// The SHA-256 of a file, read a mebibyte at a time.
/// - Throws: `RecipeError` for a file that cannot be read.
public func sha256Hex(ofFile path: String) throws -> String {
    var hash = SHA256()
    // A device never ends, and a pipe waits for its writer.
    guard [nil, .typeRegular].contains(fileType(of: path)) else {
        throw RecipeError(path: path, expected: "a regular file", found: "something else")
    }
    do {
        let file = try FileHandle(forReadingFrom: URL(filePath: path))
        defer { try? file.close() }
        while let piece = try file.read(upToCount: 1 << 20), !piece.isEmpty {
            piece.withUnsafeBytes { hash.update($0) }
        }
    } catch {
        throw RecipeError(path: path, expected: "a readable file", found: FileReason.of(error))
    }
    return hash.hexadecimal
}

/// What stands at a path, behind links; nil for nothing.
public func fileType(of path: String) -> FileAttributeType? {
    let real = URL(filePath: path).resolvingSymlinksInPath().path
    return (try? FileManager.default.attributesOfItem(atPath: real))?[.type] as? FileAttributeType
}

extension SHA256 {
    fileprivate var hexadecimal: String {
        finalized().map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}

/// Why Foundation could not read a file, in the system's words.
enum FileReason {
    static func of(_ error: any Error) -> String {
        let error = error as NSError
        if let cause = error.userInfo[NSUnderlyingErrorKey] as? NSError, cause.domain == NSPOSIXErrorDomain {
            return String(cString: strerror(Int32(cause.code)))
        }
        return error.domain == NSPOSIXErrorDomain
            ? String(cString: strerror(Int32(error.code))) : error.localizedDescription
    }
}
