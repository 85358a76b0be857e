import ArgumentParser
import CUDABackend
import Foundation
import Synchronization
import TensorCore

/// Where a command computes.
struct DeviceOptions: ParsableArguments {
    @Option(help: "Where to compute: cpu, cuda, cuda:N, or auto (a GPU where there is one, else the CPU, saying so).")
    var device: String?
    @Flag(help: "On a GPU, round the operands of products to TF32 (10 bits of mantissa): faster, a little less exact.")
    var tf32 = false

    /// The backend of the device; without `--device` a GPU where there is one.
    ///
    /// - Throws: `CUDAError` when a GPU is asked for that cannot be used, `UsageError` for another word.
    func backend() throws -> any Backend {
        switch device {
        case "cpu": return CPUBackend.shared
        case nil: return (try? cuda(0)) ?? CPUBackend.shared
        case "auto":
            do {
                return try cuda(0)
            } catch {
                complain("\(error); computing on the CPU")
                return CPUBackend.shared
            }
        case .some(let name):
            let parts = name.split(separator: ":", omittingEmptySubsequences: false)
            guard parts.first == "cuda", parts.count <= 2, let index = parts.count == 1 ? 0 : Int(parts[1]), index >= 0
            else { throw UsageError(description: "--device: expected cpu, cuda, cuda:N or auto, found \(name)") }
            return try cuda(index)
        }
    }

    /// What a recipe says of the device that a picture was made on; nil for the CPU.
    func note(_ backend: any Backend) -> String? {
        (backend as? CUDADevice).map { $0.deviceName + (tf32 ? ", TF32" : "") }
    }

    private func cuda(_ index: Int) throws(CUDAError) -> CUDADevice {
        let device = try CUDADevice.device(index)
        CUDAFailure.handler.withLock { handler in
            handler = { error in
                complain("\(error)")
                Foundation.exit(1)
            }
        }
        device.productPrecision = tf32 ? .tf32 : .float32
        return device
    }
}
