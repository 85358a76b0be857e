import Foundation

extension CommandLineTests {
    /// How many files of an ending have their names in a folder; those that are being written have not.
    static func count(of ending: String, in folder: URL) -> Int {
        ((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []).count { $0.hasSuffix(ending) }
    }

    /// Starts the program, waits for a moment, then for some time, and kills it.
    ///
    /// - Parameter isTime: asked again and again until it is so, or the program has ended.
    /// - Returns: whether the program was still at work.
    func runAndKill(_ arguments: [String], seconds: Double, isTime: () -> Bool = { true }) throws -> Bool {
        let process = Process()
        process.executableURL = Self.executable
        process.arguments = arguments
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        let start = ContinuousClock.now
        while process.isRunning, !isTime(), ContinuousClock.now - start < .seconds(60) {
            Thread.sleep(forTimeInterval: 0.001)
        }
        Thread.sleep(forTimeInterval: seconds)
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
        return process.terminationReason == .uncaughtSignal
    }
}

/// Counts how often a file is opened, by any process.
struct OpenWatch {
    struct Failure: Error, CustomStringConvertible { let description: String }

    private let queue: FileHandle

    init(_ path: String) throws {
        let descriptor = inotify_init1(Int32(O_NONBLOCK))
        queue = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        // Equal events that follow each other are one, so that closing is watched, too.
        let events = [IN_OPEN, IN_CLOSE_WRITE, IN_CLOSE_NOWRITE].reduce(0) { $0 | UInt32($1) }
        guard descriptor >= 0, inotify_add_watch(descriptor, path, events) >= 0 else {
            throw Failure(description: "\(path): \(String(cString: strerror(errno)))")
        }
    }

    /// Since the beginning; asked once.
    func count() -> Int {
        var opens = 0
        var buffer = [UInt8](repeating: 0, count: 1 << 14)
        while true {
            let length = read(queue.fileDescriptor, &buffer, buffer.count)
            guard length > 0 else { return opens }
            // Watch, mask, cookie and the length of a name, four bytes each; a watched file has no name.
            buffer.withUnsafeBytes { bytes in
                for place in stride(from: 0, to: length, by: 16) {
                    let mask = bytes.loadUnaligned(fromByteOffset: place + 4, as: UInt32.self)
                    if mask & UInt32(IN_OPEN) != 0 { opens += 1 }
                }
            }
        }
    }
}
