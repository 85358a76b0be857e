// Functions of one, two and three operands. Operation numbers are the order of the cases in `Backend.swift`.

#define SQRT_2_OVER_PI 0.7978845608028654f
#define GELU_CUBIC 0.044715f
#define QUICK_GELU 1.702f

__device__ __forceinline__ float unary(int operation, float x) {
    switch (operation) {
        case 0: return -x;
        case 1: return fabsf(x);
        case 2: return expf(x);
        case 3: return logf(x);
        case 4: return sqrtf(x);
        case 5: return 1.0f / sqrtf(x);
        case 6: return 1.0f / x;
        case 7: return x * x;
        case 8: return sinf(x);
        case 9: return cosf(x);
        case 10: return tanhf(x);
        case 11: return erff(x);
        case 12: return sigmoid(x);
        case 13: return x * sigmoid(x);
        case 14: return 0.5f * x * (1.0f + erff(x * 0.7071067811865476f));
        case 15: return 0.5f * x * (1.0f + tanhf(SQRT_2_OVER_PI * (x + GELU_CUBIC * x * x * x)));
        case 16: return x * sigmoid(QUICK_GELU * x);
        case 17: return x > 0.0f ? x : (x != x ? x : 0.0f);
        case 18: return fmaxf(x, 0.0f) + log1pf(expf(-fabsf(x)));
        case 19: return floorf(x);
        case 20: return ceilf(x);
        case 21: return rintf(x);
        default: return x > 0.0f ? 1.0f : (x < 0.0f ? -1.0f : 0.0f);
    }
}

// The derivative at x, where y is the function's value.
__device__ __forceinline__ float unary_slope(int operation, float x, float y) {
    switch (operation) {
        case 0: return -1.0f;
        case 1: return x > 0.0f ? 1.0f : (x < 0.0f ? -1.0f : 0.0f);
        case 2: return y;
        case 3: return 1.0f / x;
        case 4: return 0.5f / y;
        case 5: return -0.5f * y * y * y;
        case 6: return -y * y;
        case 7: return 2.0f * x;
        case 8: return cosf(x);
        case 9: return -sinf(x);
        case 10: return 1.0f - y * y;
        case 11: return 1.1283791670955126f * expf(-x * x);
        case 12: return y * (1.0f - y);
        case 13: {
            float s = sigmoid(x);
            return s * (1.0f + x * (1.0f - s));
        }
        case 14:
            return 0.5f * (1.0f + erff(x * 0.7071067811865476f)) + x * 0.3989422804014327f * expf(-0.5f * x * x);
        case 15: {
            float t = tanhf(SQRT_2_OVER_PI * (x + GELU_CUBIC * x * x * x));
            float inner = SQRT_2_OVER_PI * (1.0f + 3.0f * GELU_CUBIC * x * x);
            return 0.5f * (1.0f + t) + 0.5f * x * (1.0f - t * t) * inner;
        }
        case 16: {
            float s = sigmoid(QUICK_GELU * x);
            return s * (1.0f + QUICK_GELU * x * (1.0f - s));
        }
        case 17: return x > 0.0f ? 1.0f : 0.0f;
        case 18: return sigmoid(x);
        default: return 0.0f;
    }
}

extern "C" __global__ void unary_f32(int operation, float* out, const float* x, i64 count) {
    GRID_STRIDE(i, count) out[i] = unary(operation, x[i]);
}

extern "C" __global__ void unary_backward_f32(
    int operation, float* out, const float* gradient, const float* x, const float* y, i64 count) {
    GRID_STRIDE(i, count) out[i] = gradient[i] * unary_slope(operation, x[i], y[i]);
}

__device__ __forceinline__ float binary(int operation, float a, float b) {
    switch (operation) {
        case 0: return a + b;
        case 1: return a - b;
        case 2: return a * b;
        case 3: return a / b;
        case 4: return a != a || b != b ? a + b : (a > b ? a : b);
        case 5: return a != a || b != b ? a + b : (a < b ? a : b);
        default: return b == 2.0f ? a * a : powf(a, b);
    }
}

template <typename T>
__device__ __forceinline__ T integer_power(T base, T exponent) {
    if (exponent < 0) return base == 1 ? 1 : (base == -1 ? (exponent % 2 == 0 ? 1 : -1) : 0);
    T result = 1;
    while (exponent > 0) {
        if (exponent & 1) result *= base;
        base *= base;
        exponent >>= 1;
    }
    return result;
}

// Rounds towards minus infinity; a division by zero gives zero, as on the CPU.
template <typename T>
__device__ __forceinline__ T floor_divide(T a, T b) {
    if (b == 0) return 0;
    if (b == -1) return -a;
    T quotient = a / b;
    return quotient - (a % b != 0 && (a < 0) != (b < 0));
}

template <typename T>
__device__ __forceinline__ T integer_binary(int operation, T a, T b) {
    switch (operation) {
        case 0: return a + b;
        case 1: return a - b;
        case 2: return a * b;
        case 3: return floor_divide<T>(a, b);
        case 4: return a > b ? a : b;
        case 5: return a < b ? a : b;
        default: return integer_power<T>(a, b);
    }
}
__device__ __forceinline__ int binary(int operation, int a, int b) { return integer_binary<int>(operation, a, b); }
__device__ __forceinline__ i64 binary(int operation, i64 a, i64 b) { return integer_binary<i64>(operation, a, b); }

template <typename T>
__device__ __forceinline__ u8 compared(int operation, T a, T b) {
    switch (operation) {
        case 0: return a == b;
        case 1: return a != b;
        case 2: return a < b;
        case 3: return a <= b;
        case 4: return a > b;
        default: return a >= b;
    }
}

// Where the operands of element i lie: `shape` and the strides are in the result's order, slowest first.
struct Broadcast {
    int rank;
    u32 shape[8];
    i64 a[8];
    i64 b[8];
    i64 c[8];
};

__device__ __forceinline__ void locate(const Broadcast& plan, u32 i, i64& a, i64& b, i64& c) {
    a = b = c = 0;
    for (int d = plan.rank - 1; d >= 0; d--) {
        u32 rest = i / plan.shape[d];
        u32 index = i - rest * plan.shape[d];
        i = rest;
        a += index * plan.a[d];
        b += index * plan.b[d];
        c += index * plan.c[d];
    }
}

extern "C" __global__ void binary_flat_f32(int operation, float* out, const float* a, const float* b, i64 count) {
    GRID_STRIDE(i, count) out[i] = binary(operation, a[i], b[i]);
}

#define BINARY_KERNELS(suffix, T)                                                                                     \
    extern "C" __global__ void binary_##suffix(                                                                       \
        int operation, T* out, const T* a, const T* b, Broadcast plan, i64 count) {                                   \
        GRID_STRIDE(i, count) {                                                                                       \
            i64 x, y, z;                                                                                              \
            locate(plan, (u32)i, x, y, z);                                                                            \
            out[i] = binary(operation, a[x], b[y]);                                                                   \
        }                                                                                                             \
    }                                                                                                                 \
    extern "C" __global__ void compare_##suffix(                                                                      \
        int operation, u8* out, const T* a, const T* b, Broadcast plan, i64 count) {                                  \
        GRID_STRIDE(i, count) {                                                                                       \
            i64 x, y, z;                                                                                              \
            locate(plan, (u32)i, x, y, z);                                                                            \
            out[i] = compared<T>(operation, a[x], b[y]);                                                              \
        }                                                                                                             \
    }                                                                                                                 \
    extern "C" __global__ void binary_scalar_##suffix(                                                                \
        int operation, T* out, const T* x, T scalar, int is_scalar_first, i64 count) {                                \
        GRID_STRIDE(i, count)                                                                                         \
        out[i] = is_scalar_first ? binary(operation, scalar, x[i]) : binary(operation, x[i], scalar);                 \
    }

BINARY_KERNELS(f32, float)
BINARY_KERNELS(i32, int)
BINARY_KERNELS(i64, i64)

#define SELECT_KERNEL(bits, T)                                                                                  \
    extern "C" __global__ void select_##bits(                                                                   \
        T* out, const u8* condition, const T* a, const T* b, Broadcast plan, i64 count) {                       \
        GRID_STRIDE(i, count) {                                                                                 \
            i64 x, y, z;                                                                                        \
            locate(plan, (u32)i, x, y, z);                                                                      \
            out[i] = condition[z] ? a[x] : b[y];                                                                \
        }                                                                                                       \
    }

SELECT_KERNEL(8, u8)
SELECT_KERNEL(16, u16)
SELECT_KERNEL(32, u32)
SELECT_KERNEL(64, i64)

extern "C" __global__ void linear_combination_f32(
    float* out, float alpha, const float* x, float beta, const float* y, i64 count) {
    GRID_STRIDE(i, count) out[i] = alpha * x[i] + beta * y[i];
}
