internal import Synchronization
internal import TensorCore

/// Matrix products by cuBLAS.
final class CuBLAS: Sendable {
    /// How products of float32 numbers are computed.
    enum Compute: Int32, Sendable {
        /// CUBLAS_COMPUTE_32F
        case float32 = 68
        /// CUBLAS_COMPUTE_32F_FAST_TF32: operands rounded to 10 bits of mantissa.
        case tf32 = 77
    }

    /// A row-major matrix in memory, or the transpose of one.
    struct Operand {
        var address: UInt64
        var dtype: DType
        /// Whether the rows of what lies in memory are the columns of the operand.
        var isTransposed: Bool
        /// Elements from one row in memory to the next.
        var stride: Int
        /// Elements from one matrix of a batch to the next.
        var batchStride = 0
    }

    private typealias Create = @convention(c) (Driver.HandleOut) -> Int32
    private typealias SetStream = @convention(c) (Driver.Handle?, Driver.Handle?) -> Int32
    private typealias GEMM =
        @convention(c) (
            Driver.Handle?, Int32, Int32, Int32, Int32, Int32, UnsafeRawPointer, UInt64, Int32, Int32, Int64, UInt64,
            Int32, Int32, Int64, UnsafeRawPointer, UInt64, Int32, Int32, Int64, Int32, Int32, Int32
        ) -> Int32

    private let library: SharedHandle
    private let gemm: GEMM
    private let lock = Mutex(())

    init(stream: Driver.Handle?, libraries folders: [String]) throws(CUDAError) {
        let file = try DynamicLibrary(
            "libcublas", candidates: ["libcublas.so.13", "libcublas.so.12", "libcublas.so"], in: folders,
            hint: "install cuBLAS of the CUDA toolkit 12 or newer, or name its folder in ATELIER_CUDA_LIBRARIES")
        var handle: Driver.Handle?
        var status = try file.function("cublasCreate_v2", as: Create.self)(&handle)
        guard status == 0 else { throw .failed(call: "cublasCreate", reason: "status \(status)") }
        status = try file.function("cublasSetStream_v2", as: SetStream.self)(handle, stream)
        guard status == 0 else { throw .failed(call: "cublasSetStream", reason: "status \(status)") }
        gemm = try file.function("cublasGemmStridedBatchedEx", as: GEMM.self)
        self.library = SharedHandle(handle: handle)
    }

    /// `c [batch, m, n] = a [batch, m, k] · b [batch, k, n] + (accumulates ? c : 0)`, c row-major float32.
    ///
    /// cuBLAS is column-major: to it these are `cᵀ = bᵀ · aᵀ`.
    func multiply(
        m: Int, n: Int, k: Int, batch: Int = 1, _ a: Operand, _ b: Operand, into c: UInt64, accumulates: Bool = false,
        compute: Compute
    ) {
        var (alpha, beta): (Float, Float) = (1, accumulates ? 1 : 0)
        // A handle serves one caller at a time.
        let status = lock.withLock { _ in
            gemm(
                library.handle, b.isTransposed ? 1 : 0, a.isTransposed ? 1 : 0, Int32(n), Int32(m), Int32(k), &alpha,
                b.address,
                b.dtype.cudaType, Int32(b.stride), Int64(b.batchStride), a.address, a.dtype.cudaType, Int32(a.stride),
                Int64(a.batchStride), &beta, c, DType.float32.cudaType, Int32(n), Int64(m * n), Int32(batch),
                compute.rawValue, -1)
        }
        guard status == 0 else {
            CUDAFailure.fail(
                .failed(call: "cuBLAS for \(batch) x [\(m), \(k)] · [\(k), \(n)]", reason: "status \(status)"))
        }
    }
}

extension DType {
    /// `cudaDataType_t`
    fileprivate var cudaType: Int32 {
        switch self {
        case .float32: 0
        case .float16: 2
        case .bfloat16: 14
        default: preconditionFailure("a product of \(self)")
        }
    }
}
