// The calls whose names the types of this folder use for methods of their own.

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// `open(2)`; a new file gets the permissions that the user's mask leaves.
func openDescriptor(_ path: String, _ flags: Int32) -> Int32 { open(path, flags, 0o666) }

/// `write(2)`.
func writeBytes(_ descriptor: Int32, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int {
    write(descriptor, bytes, count)
}

/// What the system says about the call that just failed.
func systemMessage(_ code: Int32 = errno) -> String {
    guard let text = strerror(code) else { return "system error \(code)" }
    return String(cString: text)
}
