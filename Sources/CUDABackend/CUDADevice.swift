internal import Synchronization
public import TensorCore

/// An NVIDIA GPU: kernels of our own compiled for the device that is found, and cuBLAS for products.
///
/// Nothing of CUDA is needed to build or to start: the driver, NVRTC and cuBLAS are opened when a device is asked for.
/// All work of a device is one stream, so results come in the order of the calls; reading a tensor waits for it. Operands
/// in the host's memory are copied over; frozen ones (weights) once, under a byte budget.
public final class CUDADevice: Backend {
    /// How products of float32 numbers are computed.
    public enum ProductPrecision: String, Sendable, CaseIterable {
        /// As the CPU does.
        case float32
        /// On tensor cores, from operands rounded to 10 bits of mantissa; sums in float32.
        case tf32
    }

    public let index: Int
    public let deviceName: String
    /// Such as 90 for compute capability 9.0.
    public let computeCapability: Int
    public let memoryByteCount: Int
    public let driverVersion: Int

    let driver: Driver
    let context: DeviceContext
    /// Any thread may add to it.
    let stream: SharedHandle
    let memory: DeviceMemory
    let kernels: Kernels
    let blas: CuBLAS
    private let weights = Mutex(WeightCache())
    private let precision = Atomic<Bool>(false)

    private struct Key: Hashable {
        let index: Int
        let libraries: [String]
    }

    private static let devices = Mutex<[Key: CUDADevice]>([:])

    /// The device of a number, opened when first asked for; the very first time its kernels are compiled.
    ///
    /// - Parameter libraries: folders to look for the driver and CUDA's libraries in before the system's own; nil for
    ///   those that `ATELIER_CUDA_LIBRARIES` names.
    public static func device(_ index: Int = 0, libraries: [String]? = nil) throws(CUDAError) -> CUDADevice {
        let key = Key(index: index, libraries: libraries ?? DynamicLibrary.folders)
        return try devices.withLock { devices throws(CUDAError) in
            if let device = devices[key] { return device }
            let device = try CUDADevice(index: index, libraries: key.libraries)
            // Kernels that do not compile are found here, where there is somebody to tell.
            try device.kernels.prepare()
            devices[key] = device
            return device
        }
    }

    /// The number of GPUs that the driver sees.
    public static func deviceCount() throws(CUDAError) -> Int {
        let driver = try Driver(libraries: DynamicLibrary.folders)
        var count: Int32 = 0
        try driver.check(driver.cuDeviceGetCount(&count), "cuDeviceGetCount")
        return Int(count)
    }

    private init(index: Int, libraries: [String]) throws(CUDAError) {
        let driver = try Driver(libraries: libraries)
        var count: Int32 = 0
        try driver.check(driver.cuDeviceGetCount(&count), "cuDeviceGetCount")
        guard (0..<Int(count)).contains(index) else { throw .noDevice(found: Int(count), asked: index) }
        var device: Int32 = 0
        try driver.check(driver.cuDeviceGet(&device, Int32(index)), "cuDeviceGet")
        var name = [CChar](repeating: 0, count: 256)
        try driver.check(driver.cuDeviceGetName(&name, 256, device), "cuDeviceGetName")
        var (major, minor): (Int32, Int32) = (0, 0)
        try driver.check(driver.cuDeviceGetAttribute(&major, 75, device), "cuDeviceGetAttribute")
        try driver.check(driver.cuDeviceGetAttribute(&minor, 76, device), "cuDeviceGetAttribute")
        var bytes = 0
        try driver.check(driver.cuDeviceTotalMem(&bytes, device), "cuDeviceTotalMem")
        var version: Int32 = 0
        try driver.check(driver.cuDriverGetVersion(&version), "cuDriverGetVersion")
        var handle: Driver.Handle?
        try driver.check(driver.cuDevicePrimaryCtxRetain(&handle, device), "cuDevicePrimaryCtxRetain")
        let context = DeviceContext(context: SharedHandle(handle: handle))
        context.makeCurrent(driver)
        var stream: Driver.Handle?
        try driver.check(driver.cuStreamCreate(&stream, 1), "cuStreamCreate")
        self.index = index
        deviceName = String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        computeCapability = Int(major * 10 + minor)
        memoryByteCount = bytes
        driverVersion = Int(version)
        self.driver = driver
        self.context = context
        self.stream = SharedHandle(handle: stream)
        memory = DeviceMemory(driver: driver, context: context)
        kernels = Kernels(
            driver: driver, compiler: try KernelCompiler(architecture: "sm_\(major)\(minor)", libraries: libraries),
            context: context)
        blas = try CuBLAS(stream: stream, libraries: libraries)
    }

    public var name: String { "cuda:\(index)" }

    public var productPrecision: ProductPrecision {
        get { precision.load(ordering: .relaxed) ? .tf32 : .float32 }
        set { precision.store(newValue == .tf32, ordering: .relaxed) }
    }

    /// Bytes of tensors on the device now, at most since `resetPeakMemory`, and what is reserved for them.
    public var memoryStatistics: (live: Int, peak: Int, reserved: Int) { memory.statistics }

    public func resetPeakMemory() { memory.resetPeak() }

    /// Waits for all work so far.
    public func synchronize() {
        context.makeCurrent(driver)
        driver.require(driver.cuStreamSynchronize(stream.handle), "cuStreamSynchronize")
    }

    public func forget(_ storage: Storage) {}

    // MARK: For the kernels

    /// Uninitialised memory of the device.
    func empty(_ layout: Layout, dtype: DType = .float32) -> Tensor {
        let byteCount = layout.count * dtype.byteCount
        let buffer = DeviceBuffer(byteCount: byteCount, pool: memory)
        guard let pointer = UnsafeMutableRawPointer(bitPattern: UInt(buffer.address)) else {
            preconditionFailure("CUDA: a buffer at address 0")
        }
        return Tensor(
            storage: Storage(device: pointer, byteCount: byteCount, backend: self, owner: buffer), dtype: dtype,
            layout: layout)
    }

    func empty(_ shape: [Int], dtype: DType = .float32) -> Tensor { empty(Layout(rowMajor: shape), dtype: dtype) }

    /// Memory of a result that lies in memory like `x`.
    func empty(like x: Tensor, dtype: DType? = nil) -> Tensor {
        empty(Layout(shape: x.shape, order: x.layout.memoryOrder), dtype: dtype ?? x.dtype)
    }

    /// The operand in the device's memory.
    func local(_ x: Tensor) -> Tensor {
        if x.storage.backend === self { return x }
        guard x.storage.isOnHost && x.storage.isFrozen else { return x.moved(to: self) }
        return weights.withLock { $0.copy(of: x, on: self) }
    }

    func local(_ x: Tensor?) -> Tensor? { x.map { local($0) } }

    /// Starts a kernel unless there is nothing to do.
    func launch(
        _ name: String, in file: KernelFile, _ shape: LaunchShape, _ arguments: KernelArgument...
    ) {
        guard shape.grid.x > 0 && shape.grid.y > 0 && shape.grid.z > 0 else { return }
        kernels.launch(name, in: file, shape, stream: stream.handle, arguments)
    }
}

/// Copies of frozen tensors of the host, the oldest dropped when they outgrow the budget.
private struct WeightCache {
    private struct Key: Hashable {
        let storage: ObjectIdentifier
        let layout: Layout
        let dtype: DType
    }

    private struct Entry {
        weak var source: Storage?
        let copy: Tensor
        var lastUse: UInt64
    }

    private var entries: [Key: Entry] = [:]
    private var byteCount = 0
    private var uses: UInt64 = 0

    mutating func copy(of x: Tensor, on backend: CUDADevice) -> Tensor {
        let key = Key(storage: ObjectIdentifier(x.storage), layout: x.layout, dtype: x.dtype)
        uses += 1
        // A storage that is gone may have left its identity to another one.
        if let entry = entries[key], entry.source === x.storage {
            entries[key]?.lastUse = uses
            return entry.copy
        }
        let copy = x.moved(to: backend)
        if let old = entries.removeValue(forKey: key) { byteCount -= old.copy.storage.byteCount }
        entries[key] = Entry(source: x.storage, copy: copy, lastUse: uses)
        byteCount += copy.storage.byteCount
        let budget = backend.memoryByteCount / 2
        if byteCount > budget { shrink(to: budget) }
        return copy
    }

    private mutating func shrink(to budget: Int) {
        for (key, entry) in entries where entry.source == nil { remove(key, entry) }
        for (key, entry) in entries.sorted(by: { $0.value.lastUse < $1.value.lastUse }) where byteCount > budget {
            remove(key, entry)
        }
    }

    private mutating func remove(_ key: Key, _ entry: Entry) {
        entries[key] = nil
        byteCount -= entry.copy.storage.byteCount
    }
}
