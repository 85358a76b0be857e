import ArgumentParser
import CUDABackend
import TensorCore

/// `atelier devices`: where commands can compute.
struct Devices: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List the devices that --device can name.")

    func run() async throws {
        let cpu = CPUBackend.shared
        let bfloat16 = cpu.hasBFloat16 ? (cpu.hasBFloat16Tiles ? ", bf16 tiles" : ", bf16") : ""
        print("cpu     \(cpu.instructionSet)\(bfloat16), \(ComputeThread.shared.threadCount) threads")
        do {
            for index in 0..<(try CUDADevice.deviceCount()) {
                let device = try CUDADevice.device(index)
                let version = "\(device.driverVersion / 1000).\(device.driverVersion % 1000 / 10)"
                print(
                    "cuda:\(index)  \(device.deviceName), \(device.memoryByteCount >> 30) GiB, compute capability "
                        + "\(device.computeCapability / 10).\(device.computeCapability % 10), driver for CUDA \(version)"
                )
            }
        } catch {
            print("cuda    none: \(error)")
        }
    }
}
