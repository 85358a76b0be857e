// Checks the three emulated libraries through dlopen, as a backend would use them: emulator_test FOLDER KERNELS
#include "driver_types.h"

#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

static int failures = 0;
#define CHECK(condition)                                                                              \
    do {                                                                                              \
        if (!(condition)) { ++failures; std::printf("%s:%d: failed: %s\n", __FILE__, __LINE__, #condition); } \
    } while (0)

static void *driver, *nvrtc, *cublas;
template <typename... A> static int call(void *library, const char *name, A... arguments) {
    void *symbol = dlsym(library, name);
    if (!symbol) { std::printf("missing symbol %s\n", name); std::exit(1); }
    return reinterpret_cast<int (*)(A...)>(symbol)(arguments...);
}

static double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

static int compile(const char *source, std::string &image, std::string &log) {
    void *program = nullptr;
    CHECK(call(nvrtc, "nvrtcCreateProgram", &program, source, "kernels.cu", 0, (void *)nullptr, (void *)nullptr) == 0);
    const char *options[] = {"--gpu-architecture=sm_90", "-DSCALE=3.0f", "--use_fast_math", "--std=c++17"};
    int result = call(nvrtc, "nvrtcCompileProgram", program, 4, (const char *const *)options);
    size_t size = 0;
    CHECK(call(nvrtc, "nvrtcGetProgramLogSize", program, &size) == 0);
    log.resize(size);
    CHECK(call(nvrtc, "nvrtcGetProgramLog", program, &log[0]) == 0);
    if (result == 0) {
        CHECK(call(nvrtc, "nvrtcGetCUBINSize", program, &size) == 0);
        image.resize(size);
        CHECK(call(nvrtc, "nvrtcGetCUBIN", program, &image[0]) == 0);
    }
    CHECK(call(nvrtc, "nvrtcDestroyProgram", &program) == 0 && !program);
    return result;
}

template <typename T> struct Buffer {
    CUdeviceptr pointer = 0;
    size_t count;
    explicit Buffer(size_t count) : count(count) { CHECK(call(driver, "cuMemAlloc_v2", &pointer, count * sizeof(T)) == 0); }
    explicit Buffer(const std::vector<T> &values) : Buffer(values.size()) {
        CHECK(call(driver, "cuMemcpyHtoDAsync_v2", pointer, (const void *)values.data(), count * sizeof(T), (void *)nullptr) == 0);
    }
    ~Buffer() { CHECK(call(driver, "cuMemFree_v2", pointer) == 0); }
    std::vector<T> values() const {
        std::vector<T> result(count);
        CHECK(call(driver, "cuMemcpyDtoH_v2", (void *)result.data(), pointer, count * sizeof(T)) == 0);
        return result;
    }
};

static CUmodule module;
struct Shape { unsigned x = 1, y = 1, z = 1; };
static CUfunction function(const char *name) {
    CUfunction found = nullptr;
    CHECK(call(driver, "cuModuleGetFunction", &found, module, name) == 0);
    return found;
}
template <typename... A> static int launch(const char *name, Shape grid, Shape block, unsigned shared, A... arguments) {
    void *parameters[] = {&arguments...};
    return call(driver, "cuLaunchKernel", function(name), grid.x, grid.y, grid.z, block.x, block.y, block.z, shared,
                (CUstream) nullptr, (void **)parameters, (void **)nullptr);
}

// Whether the action aborts with the text on its standard error.
static bool aborts(const char *text, const std::function<void()> &action) {
    int ends[2];
    if (pipe(ends) != 0) return false;
    std::fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], 2);
        close(ends[0]);
        action();
        _exit(0);
    }
    close(ends[1]);
    std::string message;
    char bytes[512];
    for (ssize_t n; (n = read(ends[0], bytes, sizeof bytes)) > 0;) message.append(bytes, size_t(n));
    close(ends[0]);
    int status = 0;
    waitpid(child, &status, 0);
    std::printf("  %s", message.c_str());
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT && message.find(text) != std::string::npos;
}

static void testKernels() {
    const int n = 1000;
    std::vector<float> a(n), b(n);
    for (int i = 0; i < n; ++i) a[i] = i, b[i] = 0.5f * i;
    Buffer<float> da(a), db(b), dc(n);
    CHECK(std::isnan(dc.values()[7]));
    CHECK(launch("add", {4}, {256}, 0, da.pointer, db.pointer, dc.pointer, (long long)n) == 0);
    auto c = dc.values();
    for (int i = 0; i < n; ++i) CHECK(c[i] == 1.5f * i);

    Buffer<float> ones(std::vector<float>(256 * 50, 1.0f)), sums(50);
    CHECK(launch("block_sum", {50}, {256}, 0, ones.pointer, sums.pointer) == 0);
    for (float sum : sums.values()) CHECK(sum == 256.0f);
    CHECK(launch("shared_is_fresh", {50}, {64}, 0, sums.pointer) == 0);
    auto fresh = sums.values(); // the block's first thread sees the fill, its last thread the first one's write
    CHECK(fresh[0] == 1.0f);
    CHECK(launch("shared_is_fresh", {50}, {1}, 0, sums.pointer) == 0);
    for (float value : sums.values()) CHECK(std::isnan(value));

    const int width = 45, height = 23;
    std::vector<float> image(width * height);
    for (size_t i = 0; i < image.size(); ++i) image[i] = i;
    Buffer<float> in(image), out(image.size());
    CHECK(launch("transpose", {3, 2}, {16, 16}, 0, in.pointer, out.pointer, width, height) == 0);
    auto turned = out.values();
    for (int y = 0; y < height; ++y)
        for (int x = 0; x < width; ++x) CHECK(turned[x * height + y] == image[y * width + x]);

    std::vector<int> numbers(1000);
    for (int i = 0; i < 1000; ++i) numbers[i] = i;
    Buffer<int> from(numbers), to(1000);
    CHECK(launch("reverse", {1}, {1000}, 4000, from.pointer, to.pointer) == 0);
    CHECK(to.values()[0] == 999 && to.values()[999] == 0);
    CHECK(launch("reverse", {1}, {1000}, 60000, from.pointer, to.pointer) == 1);
    CHECK(call(driver, "cuFuncSetAttribute", function("reverse"), 8, 100000) == 0);
    CHECK(launch("reverse", {1}, {1000}, 60000, from.pointer, to.pointer) == 0);
    CHECK(call(driver, "cuFuncSetAttribute", function("reverse"), 8, 228 * 1024) == 1);
    CHECK(launch("reverse", {1}, {1025}, 0, from.pointer, to.pointer) == 1);
    CHECK(launch("reverse", {0}, {32}, 0, from.pointer, to.pointer) == 1);
    CHECK(launch("reverse", {1, 65536}, {32}, 0, from.pointer, to.pointer) == 1);

    CHECK(launch("rotate_i32", {1}, {64}, 256, from.pointer, to.pointer) == 0);
    CHECK(to.values()[0] == 1 && to.values()[62] == 63 && to.values()[63] == 0);
    CHECK(launch("half_f32", {2}, {64}, 0, da.pointer, dc.pointer, n) == 0);
    CHECK(dc.values()[999] == 499.5f);
    CHECK(launch("negate_i32", {2}, {64}, 0, from.pointer, to.pointer, 1000) == 0);
    CHECK(to.values()[999] == -999);
    CHECK(launch("scaled", {1}, {8}, 0, dc.pointer) == 0);
    CHECK(dc.values()[2] == 12.0f && dc.values()[7] == 18.0f);

    Buffer<int> counter(std::vector<int>{0});
    Buffer<unsigned> ballots(2);
    CHECK(launch("count", {3}, {64}, 0, counter.pointer, ballots.pointer) == 0);
    CHECK(counter.values()[0] == 192 && ballots.values()[0] == 0xaaaaaaaau && ballots.values()[1] == 13);

    std::vector<float> values = {1.0f, 65504.0f, 65520.0f, 1e-7f, 6e-8f, 0.1f, -2.5f, 1e9f, 6.1e-5f, 3e-8f};
    std::vector<float> expected = values;
    Buffer<float> exact(values), rounded(values.size());
    CHECK(launch("halves", {1}, {32}, 0, exact.pointer, rounded.pointer, (int)values.size()) == 0);
    for (size_t i = 0; i < values.size(); ++i) CHECK(rounded.values()[i] == (float)(_Float16)expected[i]);

    CUfunction missing;
    CHECK(call(driver, "cuModuleGetFunction", &missing, module, "unnamed") == 500);
    std::thread([&] { // __shared__ variables on another OS thread
        CUcontext context = nullptr;
        CHECK(call(driver, "cuDevicePrimaryCtxRetain", &context, 0) == 0 && call(driver, "cuCtxSetCurrent", context) == 0);
        CHECK(launch("block_sum", {50}, {256}, 0, ones.pointer, sums.pointer) == 0);
        for (float sum : sums.values()) CHECK(sum == 256.0f);
        CHECK(launch("shared_is_fresh", {50}, {1}, 0, sums.pointer) == 0);
        for (float value : sums.values()) CHECK(std::isnan(value));
    }).join();
    std::thread([] { CUdeviceptr p; CHECK(call(driver, "cuMemAlloc_v2", &p, size_t(4)) == 201); }).join();
    CHECK(call(driver, "cuMemsetD32Async", dc.pointer, 0x3f800000u, size_t(n), (void *)nullptr) == 0);
    CHECK(dc.values()[n - 1] == 1.0f);
    CHECK(call(driver, "cuMemsetD16Async", dc.pointer, (unsigned short)1, size_t(2 * n + 1), (void *)nullptr) == 1);
    CHECK(call(driver, "cuStreamSynchronize", (void *)nullptr) == 0);

    CHECK(aborts("allocation of 4000 bytes (guard byte 0 of 256); last kernel launched: add", [&] {
        launch("add", {4}, {256}, 0, da.pointer, db.pointer, dc.pointer + 4, (long long)n);
        call(driver, "cuStreamSynchronize", (void *)nullptr);
    }));
    CHECK(aborts("__shfl_xor_sync", [&] { launch("bad_shuffle", {1}, {32}, 0, dc.pointer); }));
    CHECK(aborts("waits at __syncthreads", [&] { launch("bad_divergence", {1}, {32}, 0, dc.pointer); }));
    CHECK(aborts("dynamic shared memory", [&] { launch("reverse", {1}, {1000}, 3996, from.pointer, to.pointer); }));

    double start = now();
    Buffer<float> sink(1024);
    CHECK(launch("nothing", {300000}, {256}, 0, sink.pointer) == 0);
    std::printf("300000 blocks x 256 trivial threads: %.2f s\n", now() - start);
    Buffer<float> many(std::vector<float>(256 * 4000, 1.0f)), manySums(4000);
    start = now();
    CHECK(launch("block_sum", {4000}, {256}, 0, many.pointer, manySums.pointer) == 0);
    std::printf("4000 blocks x 256 threads, 6 shuffles and a barrier each: %.2f s\n", now() - start);
}

static float sample(unsigned &seed) { seed = seed * 1664525u + 1013904223u; return float(int(seed >> 24)) / 64.0f - 2.0f; }

// Values are multiples of 1/64 below 2, so half and bfloat16 hold them exactly or nearly; outputs are compared loosely.
static void testProducts() {
    void *handle = nullptr;
    CHECK(call(cublas, "cublasCreate_v2", &handle) == 0);
    CHECK(call(cublas, "cublasSetStream_v2", handle, (void *)nullptr) == 0 && call(cublas, "cublasSetMathMode", handle, 0) == 0);
    unsigned seed = 1;
    const int m = 37, n = 29, k = 53, batches = 3;
    for (int type : {0, 2, 14})
        for (int ta = 0; ta < 2; ++ta)
            for (int tb = 0; tb < 2; ++tb)
                for (float beta : {0.0f, 0.5f}) {
                    const int lda = (ta ? k : m) + 3, ldb = (tb ? n : k) + 5, ldc = m + 7;
                    const long long sa = (long long)lda * (ta ? m : k) + 11, sb = (long long)ldb * (tb ? k : n) + 1, sc = (long long)ldc * n + 2;
                    std::vector<float> a(sa * batches), b(sb * batches), c(sc * batches);
                    std::vector<_Float16> ah(a.size()), bh(b.size());
                    std::vector<uint16_t> ab(a.size()), bb(b.size());
                    auto bfloat = [](float &x) { uint32_t u; std::memcpy(&u, &x, 4); u &= 0xffff0000u; std::memcpy(&x, &u, 4); return uint16_t(u >> 16); };
                    for (size_t i = 0; i < a.size(); ++i) { a[i] = sample(seed); ah[i] = a[i]; if (type == 14) ab[i] = bfloat(a[i]); }
                    for (size_t i = 0; i < b.size(); ++i) { b[i] = sample(seed); bh[i] = b[i]; if (type == 14) bb[i] = bfloat(b[i]); }
                    for (float &x : c) x = beta == 0.0f ? NAN : sample(seed);
                    std::vector<float> before = c;
                    const void *pa = type == 0 ? (void *)a.data() : type == 2 ? (void *)ah.data() : (void *)ab.data();
                    const void *pb = type == 0 ? (void *)b.data() : type == 2 ? (void *)bh.data() : (void *)bb.data();
                    const float alpha = 1.25f;
                    CHECK(call(cublas, "cublasGemmStridedBatchedEx", handle, ta, tb, m, n, k, (const void *)&alpha, pa, type, lda, sa, pb,
                               type, ldb, sb, (const void *)&beta, (void *)c.data(), 0, ldc, sc, batches, 68, -1) == 0);
                    for (int batch = 0; batch < batches; ++batch)
                        for (int j = 0; j < n; ++j)
                            for (int i = 0; i < m; ++i) {
                                double sum = 0;
                                for (int p = 0; p < k; ++p)
                                    sum += double(a[batch * sa + (ta ? i * lda + p : p * lda + i)]) * b[batch * sb + (tb ? p * ldb + j : j * ldb + p)];
                                size_t at = batch * sc + j * ldc + i;
                                double expected = alpha * sum + (beta != 0.0f ? beta * before[at] : 0.0);
                                if (!(std::fabs(c[at] - expected) < 1e-3)) { CHECK(!"product"); return; }
                            }
                    CHECK(std::memcmp(&c[m], &before[m], 7 * sizeof(float)) == 0);
                    if (type != 2) continue;
                    std::vector<_Float16> ch(sc);
                    const float none = 0.0f;
                    CHECK(call(cublas, "cublasGemmEx", handle, ta, tb, m, n, k, (const void *)&alpha, pa, 2, lda, pb, 2, ldb,
                               (const void *)&none, (void *)ch.data(), 2, ldc, 77, -1) == 0);
                    if (beta == 0.0f) CHECK(ch[5 * ldc + 4] == (_Float16)c[5 * ldc + 4]);
                }
    const float one = 1.0f, zero = 0.0f;
    const int size = 1024;
    std::vector<float> a(size * size, 0.5f), b(size * size, 2.0f), c(size * size, NAN);
    double start = now();
    CHECK(call(cublas, "cublasGemmEx", handle, 0, 1, size, size, size, (const void *)&one, (const void *)a.data(), 0, size,
               (const void *)b.data(), 0, size, (const void *)&zero, (void *)c.data(), 0, size, 68, -1) == 0);
    std::printf("fp32 product of %d: %.3f s, %.1f GFLOP/s\n", size, now() - start, 2e-9 * size * size * size / (now() - start));
    CHECK(c[12345] == 1024.0f);
    CHECK(call(cublas, "cublasGemmEx", handle, 0, 0, 8, 8, 8, (const void *)&one, (const void *)a.data(), 0, 7, (const void *)b.data(),
               0, 8, (const void *)&zero, (void *)c.data(), 0, 8, 68, -1) == 7);
    CHECK(call(cublas, "cublasDestroy_v2", handle) == 0);
}

int main(int count, char **words) {
    if (count != 3) return std::printf("usage: %s FOLDER KERNELS\n", words[0]), 1;
    const std::string folder = words[1];
    std::ifstream file(words[2]);
    const std::string kernels((std::istreambuf_iterator<char>(file)), {});
    auto open = [&](const char *name) {
        void *library = dlopen((folder + "/" + name).c_str(), RTLD_NOW | RTLD_LOCAL);
        if (!library) { std::printf("%s\n", dlerror()); std::exit(1); }
        return library;
    };
    driver = open("libcuda.so.1");
    nvrtc = open("libnvrtc.so");
    cublas = open("libcublas.so");

    int number = 0;
    CHECK(call(driver, "cuDeviceGetCount", &number) == 3);
    CHECK(call(driver, "cuInit", 0u) == 0);
    CHECK(call(driver, "cuDeviceGetCount", &number) == 0 && number == 1);
    CHECK(call(driver, "cuDeviceGetAttribute", &number, 75, 0) == 0 && number == 9);
    CUcontext context = nullptr;
    CHECK(call(driver, "cuDevicePrimaryCtxRetain", &context, 0) == 0);
    CHECK(call(driver, "cuCtxSetCurrent", context) == 0);
    const char *text = nullptr;
    CHECK(call(driver, "cuGetErrorName", 1, &text) == 0 && std::string(text) == "CUDA_ERROR_INVALID_VALUE");

    std::string image, log;
    CHECK(compile("// a comment\nextern \"C\" __global__ void broken(float* x) {\n    x[0] = missing;\n}\n", image, log) == 6);
    CHECK(log.find("kernels.cu(3): error: ") != std::string::npos);
    std::printf("  %s\n", log.c_str());
    double start = now();
    int result = compile(kernels.c_str(), image, log);
    std::printf("compiling the test's kernels: %.2f s\n", now() - start);
    if (result != 0) { std::printf("%s\n", log.c_str()); return 1; }
    CHECK(call(driver, "cuModuleLoadData", &module, (const void *)image.data()) == 0);
    CUstream stream = nullptr;
    CHECK(call(driver, "cuStreamCreate", &stream, 1u) == 0);
    testKernels();
    testProducts();
    CHECK(call(driver, "cuStreamDestroy_v2", stream) == 0);
    CHECK(call(driver, "cuModuleUnload", module) == 0);
    CHECK(call(driver, "cuDevicePrimaryCtxRelease_v2", 0) == 0);
    std::printf(failures ? "%d checks failed\n" : "all checks passed\n", failures);
    return failures != 0;
}
