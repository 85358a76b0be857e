// What every kernel file begins with. NVRTC brings no headers, so all of it is spelt out here.

typedef long long i64;
typedef unsigned int u32;
typedef unsigned short u16;
typedef unsigned char u8;

#ifdef CUDA_EMULATOR
#define DYNAMIC_SHARED(type, name) type* name = (type*)emulator_dynamic_shared()
#else
#define DYNAMIC_SHARED(type, name)                              \
    extern __shared__ __align__(16) unsigned char shared_bytes[]; \
    type* name = (type*)shared_bytes
#endif

// Visits 0 ..< count with all threads of the grid.
#define GRID_STRIDE(i, count) \
    for (i64 i = blockIdx.x * (i64)blockDim.x + threadIdx.x; i < (count); i += (i64)gridDim.x * blockDim.x)

#define POSITIVE_INFINITY __int_as_float(0x7f800000)
#define LARGEST_FLOAT 3.402823466e+38f

__device__ __forceinline__ float warp_sum(float x) {
    for (int distance = 16; distance > 0; distance /= 2) x += __shfl_xor_sync(0xffffffffu, x, distance);
    return x;
}

__device__ __forceinline__ float warp_max(float x) {
    for (int distance = 16; distance > 0; distance /= 2) x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, distance));
    return x;
}

// The sum over a block of whole warps, in every thread. `shared` holds 32 floats and is free again afterwards.
__device__ __forceinline__ float block_sum(float x, float* shared) {
    int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, warps = blockDim.x >> 5;
    x = warp_sum(x);
    if (lane == 0) shared[warp] = x;
    __syncthreads();
    x = warp_sum(lane < warps ? shared[lane] : 0.0f);
    __syncthreads();
    return x;
}

__device__ __forceinline__ float block_max(float x, float* shared) {
    int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, warps = blockDim.x >> 5;
    x = warp_max(x);
    if (lane == 0) shared[warp] = x;
    __syncthreads();
    x = warp_max(lane < warps ? shared[lane] : -POSITIVE_INFINITY);
    __syncthreads();
    return x;
}

__device__ __forceinline__ float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }

__device__ __forceinline__ float widen_bfloat16(u16 bits) { return __uint_as_float((u32)bits << 16); }

// Rounds to the nearest, halves to even.
__device__ __forceinline__ u16 narrow_bfloat16(float x) {
    u32 bits = __float_as_uint(x);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return (u16)((bits >> 16) | 0x40);
    return (u16)((bits + 0x7fffu + ((bits >> 16) & 1)) >> 16);
}

#ifdef CUDA_EMULATOR
__device__ __forceinline__ float widen_float16(u16 bits) {
    _Float16 half;
    __builtin_memcpy(&half, &bits, 2);
    return (float)half;
}
__device__ __forceinline__ u16 narrow_float16(float x) {
    _Float16 half = (_Float16)x;
    u16 bits;
    __builtin_memcpy(&bits, &half, 2);
    return bits;
}
#else
__device__ __forceinline__ float widen_float16(u16 bits) {
    float x;
    asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(bits));
    return x;
}
__device__ __forceinline__ u16 narrow_float16(float x) {
    u16 bits;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(x));
    return bits;
}
#endif
