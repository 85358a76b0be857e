// The kernels that test.cpp compiles and launches, in CUDA C++ as NVRTC takes it.

typedef unsigned int uint32_t;
extern "C" __global__ void add(const float* __restrict__ a, const float* __restrict__ b, float* c, const long long n) {
    long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) c[i] = __ldg(a + i) + b[i];
}
static __device__ __forceinline__ float warp_sum(float x) {
    #pragma unroll
    for (int offset = 16; offset > 0; offset >>= 1) x += __shfl_down_sync(0xffffffffu, x, offset);
    return x;
}
extern "C" __global__ void __launch_bounds__(256) block_sum(const float* in, float* out) {
    __shared__ float partial[32];
    float x = warp_sum(in[blockIdx.x * blockDim.x + threadIdx.x]);
    if (threadIdx.x % warpSize == 0) partial[threadIdx.x / 32] = x;
    __syncthreads();
    if (threadIdx.x < 32) {
        x = threadIdx.x < blockDim.x / 32 ? partial[threadIdx.x] : 0.0f;
        for (int m = 16; m > 0; m >>= 1) x += __shfl_xor_sync(0xffffffffu, x, m);
        if (threadIdx.x == 0) out[blockIdx.x] = x;
    }
}
extern "C" __global__ void shared_is_fresh(float* out) {
    __shared__ float cell[2];
    out[blockIdx.x] = cell[1];
    cell[1] = 1.0f;
    __syncthreads();
}
extern "C" __global__ void transpose(const float* in, float* out, int width, int height) {
    __shared__ float tile[16][17];
    int x = blockIdx.x * 16 + threadIdx.x, y = blockIdx.y * 16 + threadIdx.y;
    if (x < width && y < height) tile[threadIdx.y][threadIdx.x] = in[y * width + x];
    __syncthreads();
    x = blockIdx.y * 16 + threadIdx.x; y = blockIdx.x * 16 + threadIdx.y;
    if (x < height && y < width) out[y * height + x] = tile[threadIdx.x][threadIdx.y];
}
extern "C" __global__ void reverse(const int* in, int* out) {
#ifdef CUDA_EMULATOR
    int* shared = (int*)emulator_dynamic_shared();
#else
    extern __shared__ int shared[];
#endif
    shared[threadIdx.x] = in[threadIdx.x];
    __syncthreads();
    out[threadIdx.x] = shared[blockDim.x - 1 - threadIdx.x];
}
template <typename T> __device__ void rotate_body(const T* in, T* out) {
    extern __shared__ __align__(16) unsigned char bytes[];
    __shared__ alignas(16) T copy[64], first;
    static __shared__ __align__(8) int unused;
    T* shared = (T*)bytes;
    if (threadIdx.x == 0) first = in[0];
    shared[threadIdx.x] = copy[threadIdx.x] = in[threadIdx.x];
    __syncthreads();
    out[threadIdx.x] = threadIdx.x + 1 < blockDim.x ? shared[threadIdx.x + 1] : first + T(0) * copy[0];
}
extern "C" __global__ void rotate_i32(const int* in, int* out) { rotate_body<int>(in, out); }
extern "C" __global__ void rotate_f32(const float* in, float* out) { rotate_body<float>(in, out); }
template <typename T> struct Half_of { static __device__ T apply(T x) { return x / T(2); } };
template <typename T> struct Negated { static __device__ T apply(T x) { return -x; } };
template <typename T, typename Operation> __device__ void map_body(const T* in, T* out, int n) {
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) out[i] = Operation::apply(in[i]);
}
#define MAP(NAME, OPERATION, SUFFIX, T) \
    extern "C" __global__ void NAME##_##SUFFIX(const T* in, T* out, int n) { map_body<T, OPERATION<T>>(in, out, n); }
#define MAP_ALL(NAME, OPERATION) MAP(NAME, OPERATION, f32, float) MAP(NAME, OPERATION, i32, int)
MAP_ALL(half, Half_of) MAP_ALL(negate, Negated)
template <typename T> __global__ void unnamed(T* p) { *p = T(SCALE); }
extern "C" { __global__ void scaled(float* p) { p[threadIdx.x] = SCALE * max(1, 2.0f) * min(threadIdx.x, 3); } }
extern "C" __global__ void count(int* counter, unsigned* ballots) {
    atomicAdd(counter, 1);
    unsigned bits = __ballot_sync(0xffffffffu, threadIdx.x & 1);
    double d = __shfl_sync(0xffffffffu, (double)threadIdx.x, 5, 8);
    if (threadIdx.x == 12) { ballots[0] = bits; ballots[1] = (unsigned)d; }
}
extern "C" __global__ void nothing(float* out) { if (threadIdx.x == 0) out[blockIdx.x & 1023] = rsqrtf(4.0f); }
extern "C" __global__ void bad_shuffle(float* out) {
    if (threadIdx.x == 3) return;
    out[threadIdx.x] = __shfl_xor_sync(0xffffffffu, 1.0f, 1);
}
extern "C" __global__ void bad_divergence(float* out) {
    if (threadIdx.x < 16) __syncthreads();
    out[threadIdx.x] = warp_sum(1.0f);
}
extern "C" __global__ void halves(const float* in, float* out, int n) {
    int i = threadIdx.x;
#ifdef CUDA_EMULATOR
    if (i < n) out[i] = emulator_half_to_float(emulator_float_to_half(in[i]));
#endif
}
