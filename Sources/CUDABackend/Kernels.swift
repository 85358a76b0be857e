internal import Foundation
internal import Synchronization

/// An argument of a kernel: a value of C's layout.
enum KernelArgument {
    case address(UInt64)
    case int(Int)
    case int32(Int32)
    case float(Float)
    case bytes([UInt8])

    fileprivate func append(to bytes: inout [UInt8]) {
        func add<Value>(_ value: Value) { withUnsafeBytes(of: value) { bytes.append(contentsOf: $0) } }
        switch self {
        case .address(let address): add(address)
        case .int(let value): add(Int64(value))
        case .int32(let value): add(value)
        case .float(let value): add(value)
        case .bytes(let value): bytes.append(contentsOf: value)
        }
    }
}

/// How many threads run a kernel: blocks in a grid, threads in a block.
struct LaunchShape {
    var grid: (x: Int, y: Int, z: Int)
    var block: (x: Int, y: Int)
    var sharedBytes = 0

    static let threads = 256

    init(grid: (x: Int, y: Int, z: Int), block: (x: Int, y: Int) = (LaunchShape.threads, 1), sharedBytes: Int = 0) {
        self.grid = grid
        self.block = block
        self.sharedBytes = sharedBytes
    }

    /// One thread an element, or a few of them for very many.
    init(elements: Int) {
        self.init(grid: (min((elements + LaunchShape.threads - 1) / LaunchShape.threads, 1 << 20), 1, 1))
    }

    /// One block of threads a row.
    init(rows: Int) { self.init(grid: (rows, 1, 1)) }

    /// One warp a row.
    init(warps: Int) { self.init(grid: ((warps + 7) / 8, 1, 1)) }
}

/// The compiled kernels of one device, made when first called.
final class Kernels: Sendable {
    private let driver: Driver
    private let compiler: KernelCompiler
    private let context: DeviceContext
    private let state = Mutex(State())

    private struct State: Sendable {
        var modules: [KernelFile: SharedHandle] = [:]
        var functions: [String: SharedHandle] = [:]
    }

    init(driver: Driver, compiler: KernelCompiler, context: DeviceContext) {
        self.driver = driver
        self.compiler = compiler
        self.context = context
    }

    /// Compiles every file.
    func prepare() throws(CUDAError) {
        for file in KernelFile.allCases {
            _ = try state.withLock { state throws(CUDAError) in try module(file, &state) }
        }
    }

    private func module(_ file: KernelFile, _ state: inout State) throws(CUDAError) -> SharedHandle {
        if let module = state.modules[file] { return module }
        let code = try compiler.machineCode(file)
        context.makeCurrent(driver)
        var module: Driver.Handle?
        // The driver reads as far as the code's own header says.
        let status = code.withUnsafeBytes { bytes in
            bytes.baseAddress.map { driver.cuModuleLoadData(&module, $0) } ?? -1
        }
        try driver.check(status, "cuModuleLoadData of \(file.rawValue)")
        let loaded = SharedHandle(handle: module)
        state.modules[file] = loaded
        return loaded
    }

    private func function(_ name: String, _ file: KernelFile) -> SharedHandle {
        state.withLock { state in
            if let function = state.functions[name] { return function }
            do {
                let module = try module(file, &state)
                var function: Driver.Handle?
                try driver.check(
                    driver.cuModuleGetFunction(&function, module.handle, name), "cuModuleGetFunction of \(name)")
                let found = SharedHandle(handle: function)
                state.functions[name] = found
                return found
            } catch {
                CUDAFailure.fail((error as? CUDAError) ?? .failed(call: name, reason: "\(error)"))
            }
        }
    }

    /// Starts a kernel in the stream.
    func launch(
        _ name: String, in file: KernelFile, _ shape: LaunchShape, stream: Driver.Handle?, _ arguments: [KernelArgument]
    ) {
        let function = function(name, file).handle
        // Each argument lies in a buffer of its own size; the driver gets their addresses.
        var bytes: [UInt8] = []
        bytes.reserveCapacity(512)
        var offsets: [Int] = []
        for argument in arguments {
            while bytes.count % 16 != 0 { bytes.append(0) }
            offsets.append(bytes.count)
            argument.append(to: &bytes)
        }
        context.makeCurrent(driver)
        let status = bytes.withUnsafeMutableBytes { buffer in
            var pointers: [Driver.Handle?] = offsets.map { offset in buffer.baseAddress.map { $0 + offset } }
            return pointers.withUnsafeMutableBufferPointer { pointers in
                driver.cuLaunchKernel(
                    function, UInt32(shape.grid.x), UInt32(shape.grid.y), UInt32(shape.grid.z), UInt32(shape.block.x),
                    UInt32(shape.block.y), 1, UInt32(shape.sharedBytes), stream, pointers.baseAddress, nil)
            }
        }
        driver.require(status, "cuLaunchKernel of \(name), grid \(shape.grid), block \(shape.block)")
    }
}
