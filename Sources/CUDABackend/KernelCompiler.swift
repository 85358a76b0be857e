internal import Foundation

/// Turns kernel sources into machine code with NVRTC, once per device and source; the code is kept on disk.
struct KernelCompiler: Sendable {
    private typealias Program = UnsafeMutablePointer<UnsafeMutableRawPointer?>
    private typealias Names = UnsafePointer<UnsafePointer<CChar>?>

    private let library: DynamicLibrary
    private let architecture: String
    private let folder: URL

    /// - Parameter architecture: such as `sm_90`.
    init(architecture: String, libraries folders: [String]) throws(CUDAError) {
        library = try DynamicLibrary(
            "libnvrtc", candidates: ["libnvrtc.so", "libnvrtc.so.13", "libnvrtc.so.12"], in: folders,
            hint: "install NVRTC of the CUDA toolkit 12 or newer, or name its folder in ATELIER_CUDA_LIBRARIES")
        self.architecture = architecture
        let environment = ProcessInfo.processInfo.environment
        let cache =
            environment["ATELIER_CACHE"].map { URL(filePath: $0) }
            ?? environment["XDG_CACHE_HOME"].map { URL(filePath: $0).appending(path: "atelier") }
            ?? URL(filePath: NSHomeDirectory()).appending(path: ".cache/atelier")
        folder = cache.appending(path: "cuda")
    }

    /// Machine code of a kernel file for the device.
    func machineCode(_ file: KernelFile) throws(CUDAError) -> Data {
        let source = KernelFile.prelude + "\n" + file.source
        let version = try version()
        let name = "\(file.rawValue)-\(architecture)-\(version)-\(fingerprint(source)).cubin"
        let path = folder.appending(path: name)
        if let kept = try? Data(contentsOf: path), !kept.isEmpty { return kept }
        let code = try compiled(source, file)
        // A cache that cannot be written costs time only.
        try? FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try? code.write(to: path, options: .atomic)
        return code
    }

    private func version() throws(CUDAError) -> String {
        typealias Version = @convention(c) (UnsafeMutablePointer<Int32>, UnsafeMutablePointer<Int32>) -> Int32
        var (major, minor): (Int32, Int32) = (0, 0)
        _ = try library.function("nvrtcVersion", as: Version.self)(&major, &minor)
        return "\(major).\(minor)"
    }

    private func compiled(_ source: String, _ file: KernelFile) throws(CUDAError) -> Data {
        typealias Create =
            @convention(c) (Program, UnsafePointer<CChar>, UnsafePointer<CChar>, Int32, Names?, Names?) -> Int32
        typealias Compile = @convention(c) (UnsafeMutableRawPointer?, Int32, Names) -> Int32
        var program: UnsafeMutableRawPointer?
        let create = try library.function("nvrtcCreateProgram", as: Create.self)
        let compile = try library.function("nvrtcCompileProgram", as: Compile.self)
        var status = create(&program, source, file.rawValue + ".cu", 0, nil, nil)
        guard status == 0 else { throw .failed(call: "nvrtcCreateProgram", reason: "error \(status)") }
        status = "--gpu-architecture=\(architecture)".withCString { option in
            "--std=c++17".withCString { standard in
                compile(program, 2, [UnsafePointer(option), UnsafePointer(standard)])
            }
        }
        if status != 0 {
            let log = try text(of: program, size: "nvrtcGetProgramLogSize", content: "nvrtcGetProgramLog")
            throw .kernelDoesNotCompile(file: file.rawValue + ".cu", log: String(decoding: log, as: UTF8.self))
        }
        defer {
            typealias Destroy = @convention(c) (Program) -> Int32
            _ = try? library.function("nvrtcDestroyProgram", as: Destroy.self)(&program)
        }
        return try text(of: program, size: "nvrtcGetCUBINSize", content: "nvrtcGetCUBIN")
    }

    private func text(
        of program: UnsafeMutableRawPointer?, size sizeName: String, content: String
    ) throws(CUDAError) -> Data {
        typealias Size = @convention(c) (UnsafeMutableRawPointer?, UnsafeMutablePointer<Int>) -> Int32
        typealias Content = @convention(c) (UnsafeMutableRawPointer?, UnsafeMutablePointer<CChar>) -> Int32
        var size = 0
        _ = try library.function(sizeName, as: Size.self)(program, &size)
        var bytes = [CChar](repeating: 0, count: max(size, 1))
        let status = try library.function(content, as: Content.self)(program, &bytes)
        guard status == 0 else { throw .failed(call: content, reason: "error \(status)") }
        return bytes.prefix(size).withUnsafeBytes { Data($0) }
    }

    /// FNV-1a of a text, as a file name.
    private func fingerprint(_ text: String) -> String {
        String(
            text.utf8.reduce(14_695_981_039_346_656_037 as UInt64) { ($0 ^ UInt64($1)) &* 1_099_511_628_211 }, radix: 16
        )
    }
}

/// The files of kernels, each compiled by itself.
enum KernelFile: String, Sendable, CaseIterable {
    case elementwise, data, reductions, norms, convolution, attention, training
    case attentionBFloat16 = "attention_bf16"

    static var prelude: String { String(decoding: PackageResources.common_cu, as: UTF8.self) }

    var source: String {
        let bytes =
            switch self {
            case .elementwise: PackageResources.elementwise_cu
            case .data: PackageResources.data_cu
            case .reductions: PackageResources.reductions_cu
            case .norms: PackageResources.norms_cu
            case .convolution: PackageResources.convolution_cu
            case .attention: PackageResources.attention_operands_cu + PackageResources.attention_cu
            case .training: PackageResources.training_cu
            case .attentionBFloat16: PackageResources.attention_operands_cu + PackageResources.attention_bf16_cu
            }
        return String(decoding: bytes, as: UTF8.self)
    }
}
