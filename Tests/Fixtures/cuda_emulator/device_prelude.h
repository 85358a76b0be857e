// The host-side meaning of the CUDA language: put in front of every kernel source before it is compiled as C++.
// Like NVRTC it offers no standard header and no fixed-width integer names; size_t and the vector types are built in.

#define CUDA_EMULATOR 1
#define __device__
#define __host__
#define __constant__
#define __managed__
#define __global__ __emulator_kernel_marker__
#define __shared__ __emulator_shared_marker__
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __align__(n) __attribute__((aligned(n)))
#define __launch_bounds__(...)
#define __grid_constant__

typedef decltype(sizeof(0)) size_t;
typedef decltype((char *)0 - (char *)0) ptrdiff_t;
typedef EmulatorIndex uint3;

struct dim3 {
    unsigned x, y, z;
    dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
    dim3(uint3 v) : x(v.x), y(v.y), z(v.z) {}
    operator uint3() const { return uint3{x, y, z}; }
};

#define EMULATOR_EXPORT extern "C" __attribute__((visibility("default")))
static EmulatorState emulator_state;
EMULATOR_EXPORT EmulatorState *emulator_locate_state() { return &emulator_state; }

// __shared__ variables become static and thread-local, which lets the driver find them all and fill them before a block.
static thread_local char emulator_shared_marker;
EMULATOR_EXPORT void *emulator_locate_shared() {
    *(volatile char *)&emulator_shared_marker = 0;
    return &emulator_shared_marker;
}

#define threadIdx (emulator_state.thread)
#define blockIdx (emulator_state.block)
#define blockDim (emulator_state.blockSize)
#define gridDim (emulator_state.gridSize)
static const int warpSize = 32;

inline void *emulator_dynamic_shared() { return emulator_state.dynamicShared; }

// Calling a kernel with the parameters that cuLaunchKernel was given.

template <int...> struct emulator_indices {};
template <int N, int... I> struct emulator_count : emulator_count<N - 1, N - 1, I...> {};
template <int... I> struct emulator_count<0, I...> {
    typedef emulator_indices<I...> type;
};
template <typename... A, int... I>
inline void emulator_call(void (*kernel)(A...), void **parameters, emulator_indices<I...>) {
    kernel(*(A *)parameters[I]...);
}
template <typename... A> inline void emulator_call(void (*kernel)(A...), void **parameters) {
    emulator_call(kernel, parameters, typename emulator_count<sizeof...(A)>::type());
}

// Vector types.

#define EMULATOR_VECTORS(T, NAME, A2, A4)                                                            \
    struct NAME##1 { T x; };                                                                          \
    struct __align__(A2) NAME##2 { T x, y; };                                                         \
    struct __align__(A4) NAME##4 { T x, y, z, w; };                                                   \
    inline NAME##1 make_##NAME##1(T x) { return NAME##1{x}; }                                         \
    inline NAME##2 make_##NAME##2(T x, T y) { return NAME##2{x, y}; }                                 \
    inline NAME##4 make_##NAME##4(T x, T y, T z, T w) { return NAME##4{x, y, z, w}; }
#define EMULATOR_VECTOR3(T, NAME)                                                                     \
    struct NAME##3 { T x, y, z; };                                                                    \
    inline NAME##3 make_##NAME##3(T x, T y, T z) { return NAME##3{x, y, z}; }
EMULATOR_VECTORS(signed char, char, 2, 4)
EMULATOR_VECTORS(unsigned char, uchar, 2, 4)
EMULATOR_VECTORS(short, short, 4, 8)
EMULATOR_VECTORS(unsigned short, ushort, 4, 8)
EMULATOR_VECTORS(int, int, 8, 16)
EMULATOR_VECTORS(unsigned, uint, 8, 16)
EMULATOR_VECTORS(float, float, 8, 16)
EMULATOR_VECTORS(double, double, 16, 16)
EMULATOR_VECTORS(long long, longlong, 16, 16)
EMULATOR_VECTORS(unsigned long long, ulonglong, 16, 16)
EMULATOR_VECTOR3(unsigned char, uchar)
EMULATOR_VECTOR3(int, int)
EMULATOR_VECTOR3(float, float)
EMULATOR_VECTOR3(double, double)
inline uint3 make_uint3(unsigned x, unsigned y, unsigned z) { return uint3{x, y, z}; }

// Barriers and warp collectives.

inline void __syncthreads() { emulator_state.syncBlock(); }
inline void __syncwarp(unsigned mask = 0xffffffffu) {
    emulator_state.collective(emulator_sync_warp, mask, 0, 32, 0);
}
inline void __threadfence() {}
inline void __threadfence_block() {}

#define EMULATOR_SHUFFLE(NAME, KIND)                                                                  \
    template <typename T> inline T NAME(unsigned mask, T value, int operand, int width = 32) {       \
        static_assert(sizeof(T) == 4 || sizeof(T) == 8, "a shuffle moves 4 or 8 bytes");             \
        unsigned long long bits = 0;                                                                  \
        __builtin_memcpy(&bits, &value, sizeof(T));                                                   \
        bits = emulator_state.collective(KIND, mask, operand, width, bits);                           \
        __builtin_memcpy(&value, &bits, sizeof(T));                                                   \
        return value;                                                                                 \
    }
EMULATOR_SHUFFLE(__shfl_sync, emulator_shuffle_index)
EMULATOR_SHUFFLE(__shfl_xor_sync, emulator_shuffle_xor)
EMULATOR_SHUFFLE(__shfl_up_sync, emulator_shuffle_up)
EMULATOR_SHUFFLE(__shfl_down_sync, emulator_shuffle_down)

inline unsigned __ballot_sync(unsigned mask, int predicate) {
    return (unsigned)emulator_state.collective(emulator_ballot, mask, 0, 32, predicate != 0);
}
inline int __any_sync(unsigned mask, int predicate) { return __ballot_sync(mask, predicate) != 0; }
inline int __all_sync(unsigned mask, int predicate) { return __ballot_sync(mask, !predicate) == 0; }

// Memory. Threads take turns only at barriers and collectives, so plain operations are atomic.

template <typename T> inline T __ldg(const T *p) { return *p; }
template <typename T> inline T __ldcs(const T *p) { return *p; }
template <typename T> inline void __stcs(T *p, T value) { *p = value; }

#define EMULATOR_ATOMIC(NAME, T, EXPRESSION)                                                          \
    inline T NAME(T *p, T value) { T old = *p; *p = (T)(EXPRESSION); return old; }
#define EMULATOR_ATOMIC_INTEGERS(NAME, EXPRESSION)                                                    \
    EMULATOR_ATOMIC(NAME, int, EXPRESSION)                                                            \
    EMULATOR_ATOMIC(NAME, unsigned, EXPRESSION)                                                       \
    EMULATOR_ATOMIC(NAME, unsigned long long, EXPRESSION)
EMULATOR_ATOMIC_INTEGERS(atomicAdd, old + value)
EMULATOR_ATOMIC(atomicAdd, float, old + value)
EMULATOR_ATOMIC(atomicAdd, double, old + value)
EMULATOR_ATOMIC(atomicSub, int, old - value)
EMULATOR_ATOMIC(atomicSub, unsigned, old - value)
EMULATOR_ATOMIC_INTEGERS(atomicMin, old < value ? old : value)
EMULATOR_ATOMIC_INTEGERS(atomicMax, old > value ? old : value)
EMULATOR_ATOMIC_INTEGERS(atomicAnd, old & value)
EMULATOR_ATOMIC_INTEGERS(atomicOr, old | value)
EMULATOR_ATOMIC_INTEGERS(atomicXor, old ^ value)
EMULATOR_ATOMIC_INTEGERS(atomicExch, value)
EMULATOR_ATOMIC(atomicExch, float, value)
template <typename T> inline T atomicCAS(T *p, T compare, T value) {
    T old = *p;
    if (old == compare) *p = value;
    return old;
}

// Bits and conversions.

#define EMULATOR_BITS(NAME, FROM, TO)                                                                 \
    inline TO NAME(FROM value) { TO result; __builtin_memcpy(&result, &value, sizeof result); return result; }
EMULATOR_BITS(__float_as_uint, float, unsigned)
EMULATOR_BITS(__float_as_int, float, int)
EMULATOR_BITS(__uint_as_float, unsigned, float)
EMULATOR_BITS(__int_as_float, int, float)
EMULATOR_BITS(__double_as_longlong, double, long long)
EMULATOR_BITS(__longlong_as_double, long long, double)

extern "C" {
#define EMULATOR_UNARY(NAME) float NAME##f(float); double NAME(double);
#define EMULATOR_BINARY(NAME) float NAME##f(float, float); double NAME(double, double);
#define EMULATOR_UNARY_FUNCTIONS(F)                                                                   \
    F(exp) F(exp2) F(expm1) F(log) F(log2) F(log10) F(log1p) F(sqrt) F(cbrt) F(sin) F(cos) F(tan)     \
    F(asin) F(acos) F(atan) F(sinh) F(cosh) F(tanh) F(erf) F(erfc) F(lgamma) F(tgamma) F(fabs)        \
    F(floor) F(ceil) F(trunc) F(round) F(rint) F(nearbyint)
#define EMULATOR_BINARY_FUNCTIONS(F) F(pow) F(fmod) F(atan2) F(hypot) F(fmin) F(fmax) F(copysign) F(fdim)
EMULATOR_UNARY_FUNCTIONS(EMULATOR_UNARY)
EMULATOR_BINARY_FUNCTIONS(EMULATOR_BINARY)
float fmaf(float, float, float);
double fma(double, double, double);
float ldexpf(float, int);
void sincosf(float, float *, float *);
long lrintf(float);
int printf(const char *, ...);
}
#define EMULATOR_UNARY_OVERLOAD(NAME) inline float NAME(float x) { return NAME##f(x); }
#define EMULATOR_BINARY_OVERLOAD(NAME) inline float NAME(float x, float y) { return NAME##f(x, y); }
EMULATOR_UNARY_FUNCTIONS(EMULATOR_UNARY_OVERLOAD)
EMULATOR_BINARY_FUNCTIONS(EMULATOR_BINARY_OVERLOAD)
inline float fma(float x, float y, float z) { return fmaf(x, y, z); }

inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
inline double rsqrt(double x) { return 1.0 / sqrt(x); }
inline float rsqrt(float x) { return rsqrtf(x); }
inline float exp10f(float x) { return powf(10.0f, x); }
inline float normcdff(float x) { return 0.5f * erfcf(-x * 0.70710678f); }
inline float __expf(float x) { return expf(x); }
inline float __logf(float x) { return logf(x); }
inline float __log2f(float x) { return log2f(x); }
inline float __sinf(float x) { return sinf(x); }
inline float __cosf(float x) { return cosf(x); }
inline float __powf(float x, float y) { return powf(x, y); }
inline float __fdividef(float x, float y) { return x / y; }
inline float __fmaf_rn(float x, float y, float z) { return fmaf(x, y, z); }
inline float __fadd_rn(float x, float y) { return x + y; }
inline float __fsub_rn(float x, float y) { return x - y; }
inline float __fmul_rn(float x, float y) { return x * y; }
inline float __fdiv_rn(float x, float y) { return x / y; }
inline float __fsqrt_rn(float x) { return sqrtf(x); }
inline float __frsqrt_rn(float x) { return rsqrtf(x); }
inline float __frcp_rn(float x) { return 1.0f / x; }
inline float __saturatef(float x) { return x > 0.0f ? (x < 1.0f ? x : 1.0f) : 0.0f; }

template <typename T> inline bool isnan(T x) { return x != x; }
template <typename T> inline bool isinf(T x) { return __builtin_isinf(x); }
template <typename T> inline bool isfinite(T x) { return __builtin_isfinite(x); }
inline bool signbit(float x) { return __float_as_int(x) < 0; }
inline int abs(int x) { return x < 0 ? -x : x; }
inline long long llabs(long long x) { return x < 0 ? -x : x; }
inline float abs(float x) { return fabsf(x); }
inline double abs(double x) { return fabs(x); }

inline float min(float a, float b) { return fminf(a, b); }
inline float max(float a, float b) { return fmaxf(a, b); }
inline double min(double a, double b) { return fmin(a, b); }
inline double max(double a, double b) { return fmax(a, b); }
template <typename T> struct emulator_value { typedef T type; };
template <typename T> struct emulator_value<T &> { typedef T type; };
#define EMULATOR_COMMON(A, B) typename emulator_value<decltype(true ? A() : B())>::type
template <typename A, typename B> inline EMULATOR_COMMON(A, B) min(A a, B b) {
    EMULATOR_COMMON(A, B) x = a, y = b;
    return y < x ? y : x;
}
template <typename A, typename B> inline EMULATOR_COMMON(A, B) max(A a, B b) {
    EMULATOR_COMMON(A, B) x = a, y = b;
    return x < y ? y : x;
}

// Out-of-range and NaN floats saturate as on the device; in C++ the plain cast would be undefined.
inline int emulator_to_int(float x) {
    return x != x ? 0 : x >= 2147483648.0f ? 2147483647 : x < -2147483648.0f ? -2147483647 - 1 : (int)x;
}
inline unsigned emulator_to_uint(float x) {
    return !(x > 0.0f) ? 0u : x >= 4294967296.0f ? 4294967295u : (unsigned)x;
}
inline int __float2int_rn(float x) { return emulator_to_int(rintf(x)); }
inline int __float2int_rz(float x) { return emulator_to_int(truncf(x)); }
inline int __float2int_rd(float x) { return emulator_to_int(floorf(x)); }
inline int __float2int_ru(float x) { return emulator_to_int(ceilf(x)); }
inline unsigned __float2uint_rn(float x) { return emulator_to_uint(rintf(x)); }
inline unsigned __float2uint_rz(float x) { return emulator_to_uint(truncf(x)); }
inline float __int2float_rn(int x) { return (float)x; }
inline float __uint2float_rn(unsigned x) { return (float)x; }
inline float __ll2float_rn(long long x) { return (float)x; }
inline float __double2float_rn(double x) { return (float)x; }

inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
inline int __clz(int x) { return x ? __builtin_clz((unsigned)x) : 32; }
inline int __clzll(long long x) { return x ? __builtin_clzll((unsigned long long)x) : 64; }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)(((unsigned long long)a * b) >> 32); }
inline int __mulhi(int a, int b) { return (int)(((long long)a * b) >> 32); }
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
    return (unsigned long long)(((unsigned __int128)a * b) >> 64);
}
inline int __mul24(int a, int b) { return (int)((unsigned)(a << 8 >> 8) * (unsigned)(b << 8 >> 8)); }
inline void __trap() { __builtin_trap(); }

// Half precision without cuda_fp16.h, for sources that use inline PTX on the device.
inline float emulator_half_to_float(unsigned short h) {
    unsigned sign = (unsigned)(h & 0x8000u) << 16, rest = h & 0x7fffu;
    if (rest >= 0x7c00u) return __uint_as_float(sign | 0x7f800000u | (rest & 0x3ffu) << 13);
    float magnitude = __uint_as_float(rest << 13) * 0x1p112f;
    return __uint_as_float(sign | __float_as_uint(magnitude));
}
inline unsigned short emulator_float_to_half(float x) {
    unsigned bits = __float_as_uint(x), sign = bits >> 16 & 0x8000u, rest = bits & 0x7fffffffu;
    if (rest > 0x7f800000u) return (unsigned short)(sign | 0x7e00u | (rest >> 13 & 0x3ffu));
    if (rest >= 0x477ff000u) return (unsigned short)(sign | 0x7c00u);
    if (rest < 0x38800000u) // subnormal: adding a half rounds to the 2^-24 grid
        return (unsigned short)(sign | (__float_as_uint(__uint_as_float(rest) + 0.5f) - 0x3f000000u));
    rest += 0xfffu + (rest >> 13 & 1u);
    return (unsigned short)(sign | ((rest - 0x38000000u) >> 13));
}
