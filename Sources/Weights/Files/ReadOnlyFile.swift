#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// A regular file opened for reading; links in its path are followed. Closed at the end of its scope.
struct ReadOnlyFile: ~Copyable {
    let path: String
    let byteCount: Int
    private let descriptor: Int32

    private init(path: String, byteCount: Int, descriptor: Int32) {
        self.path = path
        self.byteCount = byteCount
        self.descriptor = descriptor
    }

    deinit { _ = close(descriptor) }

    static func open(_ path: String) throws(SafetensorsError) -> ReadOnlyFile {
        // Without O_NONBLOCK, opening a named pipe would wait for its writer.
        let descriptor = openDescriptor(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            throw SafetensorsError(.fileAccess, path: path, expected: "a readable file", found: systemMessage())
        }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            let message = systemMessage()
            _ = close(descriptor)
            throw SafetensorsError(.fileAccess, path: path, expected: "a readable file", found: message)
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            _ = close(descriptor)
            throw SafetensorsError(
                .fileAccess, path: path, expected: "a regular file",
                found: status.st_mode & S_IFMT == S_IFDIR ? "a folder" : "something else")
        }
        return ReadOnlyFile(path: path, byteCount: Int(status.st_size), descriptor: descriptor)
    }

    /// The file's first `count` bytes, or fewer when it ends before.
    func prefix(_ count: Int) throws(SafetensorsError) -> [UInt8] {
        let capacity = max(0, min(count, byteCount))
        var message: String?
        let bytes = [UInt8](unsafeUninitializedCapacity: capacity) { buffer, filled in
            while filled < capacity {
                guard let base = buffer.baseAddress else { return }
                let read = pread(descriptor, base + filled, capacity - filled, off_t(filled))
                if read > 0 {
                    filled += read
                } else if read == 0 {
                    return
                } else if errno != EINTR {
                    message = systemMessage()
                    return
                }
            }
        }
        if let message {
            throw SafetensorsError(.fileAccess, path: path, expected: "a readable file", found: message)
        }
        return bytes
    }

    /// The whole file as memory that the system fills when it is touched.
    func map() throws(SafetensorsError) -> MappedFile {
        guard byteCount > 0, let pointer = mmap(nil, byteCount, PROT_READ, MAP_PRIVATE, descriptor, 0),
            pointer != MAP_FAILED
        else {
            throw SafetensorsError(
                .fileAccess, path: path, expected: "a file that can be mapped into memory",
                found: byteCount > 0 ? systemMessage() : "an empty one")
        }
        return MappedFile(pointer: UnsafeRawPointer(pointer), byteCount: byteCount, isFile: true)
    }
}

/// A file's bytes in memory, for as long as someone holds this object.
///
/// If another process cuts the file short while it is mapped, touching the lost part ends this process with SIGBUS:
/// replace weight files by renaming, as `writeSafetensors` does, and never write into them.
final class MappedFile: Sendable {
    // Immutable and read-only memory, so that any thread may read it.
    nonisolated(unsafe) let pointer: UnsafeRawPointer
    let byteCount: Int
    /// Whether the bytes are a file's: pages that are given back to the system are read again.
    let isFile: Bool

    fileprivate init(pointer: UnsafeRawPointer, byteCount: Int, isFile: Bool) {
        self.pointer = pointer
        self.byteCount = byteCount
        self.isFile = isFile
    }

    /// Memory of its own with a copy of `bytes`, for what is not a file.
    convenience init(copying bytes: [UInt8], path: String) throws(SafetensorsError) {
        guard
            let pointer = mmap(
                nil, max(bytes.count, 1), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
            pointer != MAP_FAILED
        else {
            throw SafetensorsError(.fileAccess, path: path, expected: "memory for a copy", found: systemMessage())
        }
        bytes.withUnsafeBytes { source in
            if let base = source.baseAddress { pointer.copyMemory(from: base, byteCount: source.count) }
        }
        self.init(pointer: UnsafeRawPointer(pointer), byteCount: bytes.count, isFile: false)
    }

    deinit { munmap(UnsafeMutableRawPointer(mutating: pointer), max(byteCount, 1)) }
}
