public import Synchronization

/// What a GPU or its libraries refused.
public enum CUDAError: Error, CustomStringConvertible, Sendable {
    /// No library of this name could be opened: no driver, or a part of the toolkit is missing.
    case libraryMissing(name: String, tried: [String], hint: String)
    case symbolMissing(library: String, symbol: String)
    case noDevice(found: Int, asked: Int)
    /// The driver is older than the kernels need.
    case driverTooOld(found: Int, needed: Int)
    case outOfMemory(asked: Int, free: Int, total: Int)
    case failed(call: String, reason: String)
    case kernelDoesNotCompile(file: String, log: String)

    public var description: String {
        switch self {
        case .libraryMissing(let name, let tried, let hint):
            "CUDA: no library \(name) (tried \(tried.joined(separator: ", "))); \(hint)"
        case .symbolMissing(let library, let symbol):
            "CUDA: \(library) has no function \(symbol); expected version 12 or newer"
        case .noDevice(let found, let asked):
            "CUDA: no device \(asked); \(found == 0 ? "no GPU is there" : "there are 0 to \(found - 1)")"
        case .driverTooOld(let found, let needed):
            "CUDA: the driver supports version \(found / 1000).\(found % 1000 / 10); "
                + "expected \(needed / 1000).\(needed % 1000 / 10) or newer: update the driver"
        case .outOfMemory(let asked, let free, let total):
            "CUDA: out of memory: \(asked >> 20) MiB more asked, \(free >> 20) of \(total >> 20) MiB free; "
                + "use a smaller picture or batch, or the CPU"
        case .failed(let call, let reason): "CUDA: \(call): \(reason)"
        case .kernelDoesNotCompile(let file, let log): "CUDA: \(file) does not compile:\n\(log)"
        }
    }
}

/// What happens when the GPU fails in the middle of a computation: its memory is too small, or the device is lost.
///
/// Operations on tensors cannot throw. A program that wants to end in its own way sets `handler`; without one it stops
/// with the error's text.
public enum CUDAFailure {
    public static let handler = Mutex<(@Sendable (CUDAError) -> Never)?>(nil)

    static func fail(_ error: CUDAError) -> Never {
        if let handler = handler.withLock({ $0 }) { handler(error) }
        fatalError("\(error)")
    }
}
