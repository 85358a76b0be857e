import Foundation

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Where a file is, whatever its path says: paths that lead to one file have one place.
///
/// A file that is there is known by its device and inode, so that links lead to it. One that is not there yet is known by
/// the nearest folder above it that is, and the names below that.
public struct FilePlace: Hashable, Sendable {
    private let device: UInt64
    private let inode: UInt64
    /// Of what is not there yet; empty for a file that is there.
    private let names: [String]

    public init(_ path: String) {
        var there = path
        var names: [String] = []
        var status = stat()
        while stat(there.isEmpty ? "." : there, &status) != 0 {
            while there.hasSuffix("/") { there.removeLast() }
            guard !there.isEmpty else { break }
            let cut = there.lastIndex(of: "/").map { there.index(after: $0) } ?? there.startIndex
            names.insert(String(there[cut...]), at: 0)
            there = String(there[..<cut])
        }
        if names.contains("..") {
            // Above a folder that is still to be made is something that is there.
            let parts = names.reduce(into: [String]()) { parts, name in
                if name != ".." { parts.append(name) } else { _ = parts.popLast() }
            }
            self = FilePlace(there + parts.joined(separator: "/"))
            return
        }
        device = UInt64(status.st_dev)
        inode = UInt64(status.st_ino)
        self.names = names.filter { $0 != "." && !$0.isEmpty }
    }
}
