public import CUDABackend
import Foundation
public import TensorCore

/// A backend by name, as the argument of a test: one body, every backend.
public struct TestedBackend: Sendable, CustomStringConvertible {
    public let backend: any Backend
    public var description: String { backend.name }

    /// Every backend that this machine can test.
    public static let all = [TestedBackend(backend: CPUBackend.shared)] + devices

    /// A GPU, and the emulated one that `make test` builds; both may be missing.
    public static let devices = [try? CUDADevice.device(), CUDADevice.emulated].compactMap { $0 }
        .map { TestedBackend(backend: $0) }
}

extension CUDADevice {
    /// The same GPUs with memory of their own, for tests that count bytes: other tests run beside them.
    public static func separate(for name: String) -> [CUDADevice] {
        let folders = [[name]] + [emulatorFolder].compactMap { $0 }.map { [$0, name] }
        return folders.compactMap { try? CUDADevice.device(libraries: $0) }
    }

    private static let emulatorFolder = ProcessInfo.processInfo.environment["ATELIER_CUDA_EMULATOR"]

    /// The GPU of `Tests/Fixtures/cuda_emulator`, whose kernels run on the processor; nil where it was not built.
    ///
    /// `ATELIER_CUDA_EMULATOR` names the folder of its libraries.
    public static let emulated: CUDADevice? = {
        guard let folder = emulatorFolder else { return nil }
        return try? CUDADevice.device(libraries: [folder])
    }()
}
