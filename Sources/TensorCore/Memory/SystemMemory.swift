#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// Memory from the system and back to it.
///
/// Large pieces are mapped one by one, so that what is given back is gone from the process: the C library keeps freed
/// pieces of up to 32 MB in its heap once one of that size was freed, and between those of a training that are in use.
enum SystemMemory {
    private static let largeSize = 256 << 10
    private static let hugePage = 2 << 20

    /// Uninitialised bytes, aligned to 64, very large ones to huge pages.
    ///
    /// - Parameter used: the bytes that the first user needs: a huge page beyond them would take memory that nobody asked for.
    static func allocate(_ size: Int, used: Int) -> UnsafeMutableRawPointer {
        var pointer: UnsafeMutableRawPointer?
        if size >= largeSize {
            pointer = map(size)
            #if os(Linux)
                if let pointer, size >= hugePage { madvise(pointer, used & ~(hugePage - 1), Int32(MADV_HUGEPAGE)) }
            #endif
        } else if posix_memalign(&pointer, 64, size) != 0 {
            pointer = nil
        }
        guard let pointer else { preconditionFailure("out of memory: \(size) bytes could not be allocated") }
        return pointer
    }

    /// - Parameter size: as it was asked for.
    static func giveBack(_ pointer: UnsafeMutableRawPointer, size: Int) {
        if size >= largeSize {
            munmap(pointer, size)
        } else {
            free(pointer)
        }
    }

    /// Whole pages, which begin with a huge one if they can hold one; what lies before and after goes back at once.
    private static func map(_ size: Int) -> UnsafeMutableRawPointer? {
        let isHuge = size >= hugePage
        let length = isHuge ? size + hugePage : size
        let flags = MAP_PRIVATE | MAP_ANONYMOUS
        guard let start = mmap(nil, length, PROT_READ | PROT_WRITE, flags, -1, 0), start != MAP_FAILED else {
            return nil
        }
        let before = isHuge ? (hugePage - Int(bitPattern: start) % hugePage) % hugePage : 0
        let end = (before + size + Int(getpagesize()) - 1) & ~(Int(getpagesize()) - 1)
        if before > 0 { munmap(start, before) }
        if end < length { munmap(start + end, length - end) }
        return start + before
    }
}
