// libcublas.so for machines without a GPU: the two general matrix products, on host memory.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#define EMULATED extern "C" __attribute__((visibility("default")))

typedef int cublasStatus_t;
enum {
    CUBLAS_STATUS_SUCCESS = 0,
    CUBLAS_STATUS_NOT_INITIALIZED = 1,
    CUBLAS_STATUS_ALLOC_FAILED = 3,
    CUBLAS_STATUS_INVALID_VALUE = 7,
    CUBLAS_STATUS_ARCH_MISMATCH = 8,
    CUBLAS_STATUS_MAPPING_ERROR = 11,
    CUBLAS_STATUS_EXECUTION_FAILED = 13,
    CUBLAS_STATUS_INTERNAL_ERROR = 14,
    CUBLAS_STATUS_NOT_SUPPORTED = 15,
    CUBLAS_STATUS_LICENSE_ERROR = 16
};
enum { CUBLAS_OP_N = 0, CUBLAS_OP_T = 1, CUBLAS_OP_C = 2 };
enum { CUDA_R_32F = 0, CUDA_R_16F = 2, CUDA_R_16BF = 14 };
enum {
    CUBLAS_COMPUTE_32F = 68,
    CUBLAS_COMPUTE_32F_PEDANTIC = 69,
    CUBLAS_COMPUTE_32F_FAST_16F = 74,
    CUBLAS_COMPUTE_32F_FAST_16BF = 75,
    CUBLAS_COMPUTE_32F_FAST_TF32 = 77
};

struct cublasContext { void *stream = nullptr; };
typedef cublasContext *cublasHandle_t;

namespace {

float fromBits(uint32_t bits) { float x; std::memcpy(&x, &bits, 4); return x; }
uint32_t toBits(float x) { uint32_t bits; std::memcpy(&bits, &x, 4); return bits; }

float halfToFloat(uint16_t h) {
    uint32_t sign = uint32_t(h & 0x8000) << 16, rest = h & 0x7fff;
    if (rest >= 0x7c00) return fromBits(sign | 0x7f800000 | (rest & 0x3ff) << 13);
    return fromBits(sign | toBits(fromBits(rest << 13) * 0x1p112f));
}

uint16_t floatToHalf(float x) {
    uint32_t bits = toBits(x), sign = bits >> 16 & 0x8000, rest = bits & 0x7fffffff;
    if (rest > 0x7f800000) return uint16_t(sign | 0x7e00 | (rest >> 13 & 0x3ff));
    if (rest >= 0x477ff000) return uint16_t(sign | 0x7c00);
    if (rest < 0x38800000) return uint16_t(sign | (toBits(fromBits(rest) + 0.5f) - 0x3f000000));
    rest += 0xfff + (rest >> 13 & 1);
    return uint16_t(sign | (rest - 0x38000000) >> 13);
}

uint16_t floatToBFloat(float x) {
    uint32_t bits = toBits(x);
    if ((bits & 0x7fffffff) > 0x7f800000) return uint16_t(bits >> 16 | 0x40);
    return uint16_t((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

bool isKnownType(int type) { return type == CUDA_R_32F || type == CUDA_R_16F || type == CUDA_R_16BF; }
size_t sizeOf(int type) { return type == CUDA_R_32F ? 4 : 2; }

float load(const void *base, int type, size_t index) {
    if (type == CUDA_R_32F) return static_cast<const float *>(base)[index];
    uint16_t bits = static_cast<const uint16_t *>(base)[index];
    return type == CUDA_R_16F ? halfToFloat(bits) : fromBits(uint32_t(bits) << 16);
}

void store(void *base, int type, size_t index, float value) {
    if (type == CUDA_R_32F) static_cast<float *>(base)[index] = value;
    else static_cast<uint16_t *>(base)[index] = type == CUDA_R_16F ? floatToHalf(value) : floatToBFloat(value);
}

// The product works on panels: 16 rows of op(A) and 6 columns of op(B), each packed so that k runs outermost.
constexpr size_t rows = 16, columns = 6;
typedef float Panel __attribute__((vector_size(rows * sizeof(float)), aligned(4)));

template <int> __attribute__((always_inline)) inline void multiplyPanels(const float *a, const float *b, size_t k, float *tile) {
    Panel sums[columns] = {};
    for (size_t p = 0; p < k; ++p) {
        Panel column = *reinterpret_cast<const Panel *>(a + p * rows);
        for (size_t j = 0; j < columns; ++j) sums[j] += column * b[p * columns + j];
    }
    std::memcpy(tile, sums, sizeof sums);
}

typedef void (*Multiply)(const float *, const float *, size_t, float *);
void multiplyPlain(const float *a, const float *b, size_t k, float *tile) { multiplyPanels<0>(a, b, k, tile); }
#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) void multiplyAVX2(const float *a, const float *b, size_t k, float *tile) { multiplyPanels<1>(a, b, k, tile); }
__attribute__((target("avx512f"))) void multiplyAVX512(const float *a, const float *b, size_t k, float *tile) { multiplyPanels<2>(a, b, k, tile); }
Multiply chooseMultiply() {
    if (__builtin_cpu_supports("avx512f")) return multiplyAVX512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return multiplyAVX2;
    return multiplyPlain;
}
#else
Multiply chooseMultiply() { return multiplyPlain; }
#endif
const Multiply multiply = chooseMultiply();

// Packs `count` lines of length k in groups of `width`, padding the last group with zeros.
// Element (line, p) of the operand lies at line * lineStep + p * depthStep.
void pack(std::vector<float> &packed, const void *base, int type, size_t count, size_t k, size_t width, size_t lineStep, size_t depthStep) {
    packed.assign((count + width - 1) / width * width * k, 0.0f);
    for (size_t line = 0; line < count; ++line) {
        float *to = packed.data() + line / width * width * k + line % width;
        for (size_t p = 0; p < k; ++p) to[p * width] = load(base, type, line * lineStep + p * depthStep);
    }
}

struct Operand {
    const void *base;
    int type, stride; // the leading dimension
    bool transposed;
};

void product(size_t m, size_t n, size_t k, float alpha, const Operand &a, const Operand &b, float beta, void *c, int cType, size_t ldc) {
    static thread_local std::vector<float> packedA, packedB;
    if (alpha == 0.0f) k = 0;
    pack(packedA, a.base, a.type, m, k, rows, a.transposed ? a.stride : 1, a.transposed ? 1 : a.stride);
    pack(packedB, b.base, b.type, n, k, columns, b.transposed ? 1 : b.stride, b.transposed ? b.stride : 1);
    float tile[rows * columns];
    for (size_t j = 0; j < n; j += columns)
        for (size_t i = 0; i < m; i += rows) {
            multiply(packedA.data() + i * k, packedB.data() + j * k, k, tile);
            for (size_t column = j; column < n && column < j + columns; ++column)
                for (size_t row = i; row < m && row < i + rows; ++row) {
                    size_t index = column * ldc + row;
                    float value = alpha * tile[(column - j) * rows + (row - i)];
                    if (beta != 0.0f) value += beta * load(c, cType, index);
                    store(c, cType, index, value);
                }
        }
}

bool isOperation(int operation) { return operation >= CUBLAS_OP_N && operation <= CUBLAS_OP_C; }

} // namespace

EMULATED cublasStatus_t cublasCreate_v2(cublasHandle_t *handle) {
    if (!handle) return CUBLAS_STATUS_INVALID_VALUE;
    *handle = new cublasContext;
    return CUBLAS_STATUS_SUCCESS;
}
EMULATED cublasStatus_t cublasDestroy_v2(cublasHandle_t handle) {
    if (!handle) return CUBLAS_STATUS_NOT_INITIALIZED;
    delete handle;
    return CUBLAS_STATUS_SUCCESS;
}
EMULATED cublasStatus_t cublasSetStream_v2(cublasHandle_t handle, void *stream) {
    if (!handle) return CUBLAS_STATUS_NOT_INITIALIZED;
    handle->stream = stream;
    return CUBLAS_STATUS_SUCCESS;
}
EMULATED cublasStatus_t cublasSetMathMode(cublasHandle_t handle, int) {
    return handle ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_INITIALIZED;
}
EMULATED cublasStatus_t cublasSetWorkspace_v2(cublasHandle_t handle, void *, size_t) {
    return handle ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_INITIALIZED;
}

EMULATED cublasStatus_t cublasGemmStridedBatchedEx(cublasHandle_t handle, int transA, int transB, int m, int n, int k,
                                                   const void *alpha, const void *a, int aType, int lda, long long strideA,
                                                   const void *b, int bType, int ldb, long long strideB, const void *beta,
                                                   void *c, int cType, int ldc, long long strideC, int batchCount,
                                                   int computeType, int) {
    if (!handle) return CUBLAS_STATUS_NOT_INITIALIZED;
    if (m < 0 || n < 0 || k < 0 || batchCount < 0 || !alpha || !beta) return CUBLAS_STATUS_INVALID_VALUE;
    if (!isOperation(transA) || !isOperation(transB)) return CUBLAS_STATUS_INVALID_VALUE;
    auto atLeastOne = [](int x) { return x > 1 ? x : 1; };
    if (lda < atLeastOne(transA == CUBLAS_OP_N ? m : k) || ldb < atLeastOne(transB == CUBLAS_OP_N ? k : n) || ldc < atLeastOne(m))
        return CUBLAS_STATUS_INVALID_VALUE;
    if (computeType != CUBLAS_COMPUTE_32F && computeType != CUBLAS_COMPUTE_32F_PEDANTIC && computeType != CUBLAS_COMPUTE_32F_FAST_16F &&
        computeType != CUBLAS_COMPUTE_32F_FAST_16BF && computeType != CUBLAS_COMPUTE_32F_FAST_TF32)
        return CUBLAS_STATUS_NOT_SUPPORTED;
    if (!isKnownType(aType) || aType != bType || (cType != aType && cType != CUDA_R_32F)) return CUBLAS_STATUS_NOT_SUPPORTED;
    if (m == 0 || n == 0 || batchCount == 0) return CUBLAS_STATUS_SUCCESS;
    if (!c || (k > 0 && (!a || !b))) return CUBLAS_STATUS_INVALID_VALUE;
    for (long long batch = 0; batch < batchCount; ++batch) {
        auto at = [batch](const void *base, int type, long long stride) {
            return static_cast<const char *>(base) + batch * stride * static_cast<long long>(sizeOf(type));
        };
        Operand left = {at(a, aType, strideA), aType, lda, transA != CUBLAS_OP_N};
        Operand right = {at(b, bType, strideB), bType, ldb, transB != CUBLAS_OP_N};
        product(m, n, k, *static_cast<const float *>(alpha), left, right, *static_cast<const float *>(beta),
                const_cast<char *>(at(c, cType, strideC)), cType, ldc);
    }
    return CUBLAS_STATUS_SUCCESS;
}

EMULATED cublasStatus_t cublasGemmEx(cublasHandle_t handle, int transA, int transB, int m, int n, int k, const void *alpha,
                                     const void *a, int aType, int lda, const void *b, int bType, int ldb, const void *beta,
                                     void *c, int cType, int ldc, int computeType, int algorithm) {
    return cublasGemmStridedBatchedEx(handle, transA, transB, m, n, k, alpha, a, aType, lda, 0, b, bType, ldb, 0, beta, c,
                                      cType, ldc, 0, 1, computeType, algorithm);
}
