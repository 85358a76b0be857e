internal import CKernels

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// The reference backend: oneDNN for convolutions and products, own C kernels for the rest.
///
/// Kernels run on `ComputeThread`. Results are dense; elementwise results keep the memory order of their input, so
/// feature maps stay channels-last through a whole network.
public final class CPUBackend: Backend {
    public static let shared = CPUBackend()

    private let engines = ProductEngines()
    /// The products of the calling compute thread.
    var products: ProductEngine { engines.current }
    /// `ATELIER_KERNELS=plain` takes oneDNN's direct convolution everywhere: what the fast kernels are measured against.
    let kernelTable = KernelTable(
        instructionSet: String(cString: tk_instruction_set()),
        rows: getenv("ATELIER_KERNELS").map { String(cString: $0) } == "plain" ? [] : KernelTable.rows)
    /// For convolutions with bfloat16 weights and their input gradients, where the processor multiplies such numbers itself.
    ///
    /// Tile registers beat fp32 Winograd at every size (1460 against 383 GFLOP/s at 320x64x64 on one core, 462 against
    /// 167 at 1280x8x8). With bfloat16 dot products alone (467 GFLOP/s at best), Winograd stays ahead from 32x32 on.
    let bfloat16Table =
        DNNL.hasBFloat16 ? KernelTable(instructionSet: tk_has_amx() ? "amx-bf16" : "avx512-bf16") : nil

    private init() {}

    public var name: String { "cpu" }

    /// The instruction set that the kernels were resolved to, such as `x86-64-v3`.
    public var instructionSet: String { String(cString: tk_instruction_set()) }

    /// Whether products of bfloat16 numbers run in the processor's own instructions.
    public var hasBFloat16: Bool { DNNL.hasBFloat16 }

    /// Whether the processor has tile registers for products of bfloat16 numbers (AMX).
    public var hasBFloat16Tiles: Bool { tk_has_amx() }

    /// Whether own kernels multiply bfloat16 numbers: on tile registers, or by dot products of pairs (AVX512_BF16).
    public var multipliesBFloat16: Bool { tk_multiplies_bfloat16() }

    public func forget(_ storage: Storage) {
        if storage.isFrozen { engines.forget(storage) }
    }

    /// Bytes of the packed forms of frozen weights that are kept.
    var packedByteCount: Int { engines.packedByteCount }

    /// Runs `body` on the compute thread while `inputs` and `output` are kept alive.
    func kernel(into output: Tensor, from inputs: Tensor?..., body: () -> Void) -> Tensor {
        precondition(
            inputs.allSatisfy { $0?.storage.isOnHost ?? true }, "a kernel of the CPU was given memory of a device")
        if output.count > 0 { ComputeThread.shared.run(body) }
        withExtendedLifetime(inputs) {}
        return output
    }

    /// Lends uninitialised floats to a kernel on a compute thread.
    func withScratch<Result>(_ count: Int, _ body: (UnsafeMutablePointer<Float>) -> Result) -> Result {
        products.scratch.lend(count * DType.float32.byteCount) { body($0.assumingMemoryBound(to: Float.self)) }
    }
}

extension Tensor {
    /// The first element. Valid while the tensor is alive; writing is for the kernel that makes the tensor.
    func pointer<Scalar>() -> UnsafeMutablePointer<Scalar> {
        (storage.pointer + layout.offset * dtype.byteCount).assumingMemoryBound(to: Scalar.self)
    }

    var rawPointer: UnsafeMutableRawPointer { storage.pointer + layout.offset * dtype.byteCount }
}

extension CPUBackend {
    /// The rate of independent fp32 multiply-adds on all threads, in GFLOP/s: what 100 % means.
    public func peakRate() -> Double {
        ComputeThread.shared.run {
            (0..<5).map { _ in
                let start = ContinuousClock.now
                let operations = tk_fma_peak(20_000_000)
                let elapsed = (ContinuousClock.now - start).components
                return operations * 1e-9 / (Double(elapsed.seconds) + Double(elapsed.attoseconds) * 1e-18)
            }.max() ?? 0
        }
    }
}
