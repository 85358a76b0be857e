/// What a library of NVIDIA's knows one of its objects by. Any thread may pass it on, and nobody here looks behind it: this
/// is why it is `@unchecked Sendable`.
struct SharedHandle: @unchecked Sendable {
    let handle: Driver.Handle?
}

/// The functions of the CUDA driver that the backend calls.
///
/// Handles are opaque pointers; device addresses are 64-bit numbers. Follows the CUDA driver API, `cuda.h`.
struct Driver: Sendable {
    typealias Status = Int32
    typealias Handle = UnsafeMutableRawPointer
    typealias HandleOut = UnsafeMutablePointer<Handle?>

    let cuDriverGetVersion: @convention(c) (UnsafeMutablePointer<Int32>) -> Status
    let cuDeviceGetCount: @convention(c) (UnsafeMutablePointer<Int32>) -> Status
    let cuDeviceGet: @convention(c) (UnsafeMutablePointer<Int32>, Int32) -> Status
    let cuDeviceGetName: @convention(c) (UnsafeMutablePointer<CChar>, Int32, Int32) -> Status
    let cuDeviceTotalMem: @convention(c) (UnsafeMutablePointer<Int>, Int32) -> Status
    let cuDeviceGetAttribute: @convention(c) (UnsafeMutablePointer<Int32>, Int32, Int32) -> Status
    let cuDevicePrimaryCtxRetain: @convention(c) (HandleOut, Int32) -> Status
    let cuCtxSetCurrent: @convention(c) (Handle?) -> Status
    let cuMemGetInfo: @convention(c) (UnsafeMutablePointer<Int>, UnsafeMutablePointer<Int>) -> Status
    let cuMemAlloc: @convention(c) (UnsafeMutablePointer<UInt64>, Int) -> Status
    let cuMemFree: @convention(c) (UInt64) -> Status
    let cuMemcpyHtoDAsync: @convention(c) (UInt64, UnsafeRawPointer, Int, Handle?) -> Status
    let cuMemcpyDtoHAsync: @convention(c) (UnsafeMutableRawPointer, UInt64, Int, Handle?) -> Status
    let cuStreamCreate: @convention(c) (HandleOut, UInt32) -> Status
    let cuStreamSynchronize: @convention(c) (Handle?) -> Status
    let cuModuleLoadData: @convention(c) (HandleOut, UnsafeRawPointer) -> Status
    let cuModuleGetFunction: @convention(c) (HandleOut, Handle?, UnsafePointer<CChar>) -> Status
    let cuLaunchKernel:
        @convention(c) (
            Handle?, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, Handle?, UnsafeMutablePointer<Handle?>?,
            UnsafeMutablePointer<Handle?>?
        ) -> Status
    let cuGetErrorString: @convention(c) (Status, UnsafeMutablePointer<UnsafePointer<CChar>?>) -> Status

    /// The oldest driver whose functions and machine code the backend relies on.
    static let oldestVersion = 12000
    static let outOfMemory: Status = 2

    /// Opens the driver and starts it.
    init(libraries folders: [String]) throws(CUDAError) {
        let library = try DynamicLibrary(
            "libcuda", candidates: ["libcuda.so.1"], in: folders, hint: "install the NVIDIA driver to use a GPU")
        let initialize = try library.function("cuInit", as: (@convention(c) (UInt32) -> Status).self)
        cuDriverGetVersion = try library.function("cuDriverGetVersion", as: type(of: cuDriverGetVersion))
        cuDeviceGetCount = try library.function("cuDeviceGetCount", as: type(of: cuDeviceGetCount))
        cuDeviceGet = try library.function("cuDeviceGet", as: type(of: cuDeviceGet))
        cuDeviceGetName = try library.function("cuDeviceGetName", as: type(of: cuDeviceGetName))
        cuDeviceTotalMem = try library.function("cuDeviceTotalMem_v2", as: type(of: cuDeviceTotalMem))
        cuDeviceGetAttribute = try library.function("cuDeviceGetAttribute", as: type(of: cuDeviceGetAttribute))
        cuDevicePrimaryCtxRetain = try library.function(
            "cuDevicePrimaryCtxRetain", as: type(of: cuDevicePrimaryCtxRetain))
        cuCtxSetCurrent = try library.function("cuCtxSetCurrent", as: type(of: cuCtxSetCurrent))
        cuMemGetInfo = try library.function("cuMemGetInfo_v2", as: type(of: cuMemGetInfo))
        cuMemAlloc = try library.function("cuMemAlloc_v2", as: type(of: cuMemAlloc))
        cuMemFree = try library.function("cuMemFree_v2", as: type(of: cuMemFree))
        cuMemcpyHtoDAsync = try library.function("cuMemcpyHtoDAsync_v2", as: type(of: cuMemcpyHtoDAsync))
        cuMemcpyDtoHAsync = try library.function("cuMemcpyDtoHAsync_v2", as: type(of: cuMemcpyDtoHAsync))
        cuStreamCreate = try library.function("cuStreamCreate", as: type(of: cuStreamCreate))
        cuStreamSynchronize = try library.function("cuStreamSynchronize", as: type(of: cuStreamSynchronize))
        cuModuleLoadData = try library.function("cuModuleLoadData", as: type(of: cuModuleLoadData))
        cuModuleGetFunction = try library.function("cuModuleGetFunction", as: type(of: cuModuleGetFunction))
        cuLaunchKernel = try library.function("cuLaunchKernel", as: type(of: cuLaunchKernel))
        cuGetErrorString = try library.function("cuGetErrorString", as: type(of: cuGetErrorString))
        let status = initialize(0)
        guard status == 0 else { throw .failed(call: "cuInit", reason: reason(status)) }
        var version: Int32 = 0
        try check(cuDriverGetVersion(&version), "cuDriverGetVersion")
        guard version >= Driver.oldestVersion else {
            throw .driverTooOld(found: Int(version), needed: Driver.oldestVersion)
        }
    }

    func reason(_ status: Status) -> String {
        var text: UnsafePointer<CChar>?
        guard cuGetErrorString(status, &text) == 0, let text else { return "error \(status)" }
        return String(cString: text)
    }

    func check(_ status: Status, _ call: @autoclosure () -> String) throws(CUDAError) {
        guard status == 0 else { throw .failed(call: call(), reason: reason(status)) }
    }

    /// For calls that fail only when the GPU itself did: what was computed is lost, and nothing can go on.
    func require(_ status: Status, _ call: @autoclosure () -> String) {
        if status != 0 { CUDAFailure.fail(.failed(call: call(), reason: reason(status))) }
    }
}
