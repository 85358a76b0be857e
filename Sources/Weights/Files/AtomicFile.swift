#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// A file that appears under its name only once it is complete.
///
/// The bytes go to a temporary file in the same folder, which is synchronised to the disk and then renamed; whoever
/// has the old file open or mapped keeps it. When anything fails, the temporary file is removed and the old file stays.
struct AtomicFile: ~Copyable {
    private let path: String
    private let folder: String
    private let temporaryPath: String
    private var descriptor: Int32

    /// - Throws: `SafetensorsError` with rule `fileAccess` when the folder is missing or cannot be written to, or when
    ///   `path` is something other than a regular file.
    init(replacing path: String) throws(SafetensorsError) {
        var status = stat()
        if stat(path, &status) == 0, status.st_mode & S_IFMT != S_IFREG {
            throw SafetensorsError(
                .fileAccess, path: path, expected: "a file to write",
                found: status.st_mode & S_IFMT == S_IFDIR ? "a folder" : "something that is no regular file")
        }
        let slash = path.utf8.lastIndex(of: UInt8(ascii: "/"))
        let folder = slash.map { String(path[...$0]) } ?? "./"
        let name = ".atelier-" + String(UInt64.random(in: .min ... .max), radix: 16) + ".partial"
        let temporaryPath = folder + name
        let descriptor = openDescriptor(temporaryPath, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw SafetensorsError(
                .fileAccess, path: path, expected: "a folder that can be written to", found: systemMessage())
        }
        self.path = path
        self.folder = folder
        self.temporaryPath = temporaryPath
        self.descriptor = descriptor
    }

    deinit {
        guard descriptor >= 0 else { return }
        _ = close(descriptor)
        unlink(temporaryPath)
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws(SafetensorsError) {
        var rest = bytes
        while !rest.isEmpty {
            let written = writeBytes(descriptor, rest.baseAddress, rest.count)
            if written >= 0 {
                rest = UnsafeRawBufferPointer(rebasing: rest[written...])
            } else if errno != EINTR {
                throw failure()
            }
        }
    }

    /// Gives the complete file its name.
    consuming func commit() throws(SafetensorsError) {
        guard fsync(descriptor) == 0 else { throw failure() }
        guard rename(temporaryPath, path) == 0 else { throw failure() }
        _ = close(descriptor)
        descriptor = -1
        // The name itself lasts through a power cut once the folder is on the disk too; not every file system can.
        let folderDescriptor = openDescriptor(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard folderDescriptor >= 0 else { return }
        fsync(folderDescriptor)
        _ = close(folderDescriptor)
    }

    private func failure() -> SafetensorsError {
        SafetensorsError(.fileAccess, path: path, expected: "room to write the file", found: systemMessage())
    }
}
