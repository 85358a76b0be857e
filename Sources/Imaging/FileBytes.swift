import Glibc

/// Whole files in and out, with the system's reason in every error.
enum FileBytes {
    /// Reads a regular file of at most `limits.encodedBytes`.
    static func read(_ path: String, limits: ImageLimits) throws(ImageError) -> [UInt8] {
        // Non-blocking, so that a named pipe without a writer is an error and not a wait.
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard file >= 0 else { throw unreadable(path, reason()) }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0 else { throw unreadable(path, reason()) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw unreadable(path, "not a regular file") }
        let size = Int(status.st_size)
        try limits.check(encodedBytes: size, path: path)
        var failure: String?
        let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
            while count < size {
                let read = Glibc.read(file, buffer.baseAddress?.advanced(by: count), size - count)
                if read < 0 && errno == EINTR { continue }
                if read < 0 { failure = reason() }
                if read <= 0 { break }
                count += read
            }
        }
        if let failure { throw unreadable(path, failure) }
        return bytes
    }

    /// Writes a temporary file beside `path` and renames it, so that `path` is never half written. Nothing is left
    /// behind on failure.
    static func write(_ bytes: [UInt8], to path: String) throws(ImageError) {
        let suffix = String(UInt64.random(in: .min ... .max), radix: 36)
        let (folder, name) = split(path)
        let temporary = "\(folder).\(name.prefix(100)).\(suffix).tmp"
        let file = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
        guard file >= 0 else { throw unwritable(path, reason()) }
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.write(file, $0.baseAddress?.advanced(by: written), bytes.count - written)
            }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { break }
            written += count
        }
        // A full disk may show only when the file is closed.
        let complete = written == bytes.count
        let failure = complete ? nil : reason()
        let closed = close(file) == 0
        guard complete && closed && rename(temporary, path) == 0 else {
            let cause = failure ?? reason()
            unlink(temporary)
            throw unwritable(path, cause)
        }
    }

    /// The folder with its final slash (empty for the current folder) and the file's name.
    private static func split(_ path: String) -> (folder: Substring, name: Substring) {
        guard let slash = path.lastIndex(of: "/") else { return ("", path[...]) }
        return (path[...slash], path[path.index(after: slash)...])
    }

    private static func reason() -> String { String(cString: strerror(errno)) }

    private static func unreadable(_ path: String, _ reason: String) -> ImageError {
        ImageError(.unreadable, path: path, expected: "a readable image file", found: reason)
    }

    private static func unwritable(_ path: String, _ reason: String) -> ImageError {
        ImageError(.unwritable, path: path, expected: "a place where the image can be written", found: reason)
    }
}
