// libcuda.so.1 for machines without a GPU: device memory is guarded host memory and every call is synchronous.
#include "driver_state.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

std::recursive_mutex driverMutex;
bool driverInitialised;
CUctx_st primaryContext;
thread_local CUcontext currentContext;
std::string lastKernel = "none";

namespace {

std::map<CUdeviceptr, size_t> allocations;
size_t allocated;

char *host(CUdeviceptr pointer) { return reinterpret_cast<char *>(pointer); }

void checkAllocation(CUdeviceptr pointer, size_t size) {
    checkCanary(host(pointer) - guard, guard, "before", size);
    checkCanary(host(pointer) + size, guard, "after", size);
}

// Whether the bytes lie inside one live allocation.
bool isDeviceRange(CUdeviceptr pointer, size_t size) {
    auto after = allocations.upper_bound(pointer);
    if (after == allocations.begin()) return false;
    --after;
    size_t offset = pointer - after->first;
    return offset <= after->second && size <= after->second - offset;
}

CUresult copy(void *to, const void *from, size_t size) {
    if (size && (!to || !from)) return CUDA_ERROR_INVALID_VALUE;
    if (size) std::memmove(to, from, size);
    return CUDA_SUCCESS;
}

template <typename T> CUresult fill(CUdeviceptr pointer, T value, size_t count) {
    ENTER_CONTEXT();
    if (count == 0) return CUDA_SUCCESS;
    if (pointer % sizeof(T) != 0 || count > totalMemory || !isDeviceRange(pointer, count * sizeof(T)))
        return CUDA_ERROR_INVALID_VALUE;
    T *elements = reinterpret_cast<T *>(pointer);
    for (size_t i = 0; i < count; ++i) elements[i] = value;
    return CUDA_SUCCESS;
}

} // namespace

void checkCanary(const char *bytes, size_t count, const char *side, size_t size) {
    for (size_t i = 0; i < count; ++i) {
        if (static_cast<unsigned char>(bytes[i]) == canary) continue;
        std::fprintf(stderr,
                     "CUDA emulator: out-of-bounds write %s an allocation of %zu bytes "
                     "(guard byte %zu of %zu); last kernel launched: %s\n",
                     side, size, i, count, lastKernel.c_str());
        std::abort();
    }
}

void checkAllocations() {
    for (const auto &allocation : allocations) checkAllocation(allocation.first, allocation.second);
}

EMULATED CUresult cuInit(unsigned flags) {
    if (flags != 0) return CUDA_ERROR_INVALID_VALUE;
    std::lock_guard<std::recursive_mutex> lock(driverMutex);
    driverInitialised = true;
    return CUDA_SUCCESS;
}

EMULATED CUresult cuDriverGetVersion(int *version) { return version ? (*version = 13000, CUDA_SUCCESS) : CUDA_ERROR_INVALID_VALUE; }

EMULATED CUresult cuGetErrorString(CUresult result, const char **text) {
#define EMULATED_CASE(code, name, sentence) case code: *text = sentence; return CUDA_SUCCESS;
    switch (result) { EMULATED_RESULTS(EMULATED_CASE) }
#undef EMULATED_CASE
    *text = nullptr;
    return CUDA_ERROR_INVALID_VALUE;
}

EMULATED CUresult cuGetErrorName(CUresult result, const char **text) {
#define EMULATED_CASE(code, name, sentence) case code: *text = "CUDA_" #name; return CUDA_SUCCESS;
    switch (result) { EMULATED_RESULTS(EMULATED_CASE) }
#undef EMULATED_CASE
    *text = nullptr;
    return CUDA_ERROR_INVALID_VALUE;
}

// Devices and contexts.

EMULATED CUresult cuDeviceGetCount(int *count) { ENTER(); return *count = 1, CUDA_SUCCESS; }

EMULATED CUresult cuDeviceGet(CUdevice *device, int ordinal) {
    ENTER();
    if (ordinal != 0) return CUDA_ERROR_INVALID_DEVICE;
    *device = 0;
    return CUDA_SUCCESS;
}

EMULATED CUresult cuDeviceGetName(char *name, int length, CUdevice device) {
    ENTER();
    if (device != 0) return CUDA_ERROR_INVALID_DEVICE;
    if (!name || length <= 0) return CUDA_ERROR_INVALID_VALUE;
    std::snprintf(name, size_t(length), "Emulated GPU");
    return CUDA_SUCCESS;
}

EMULATED CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice device) {
    ENTER();
    if (device != 0) return CUDA_ERROR_INVALID_DEVICE;
    *bytes = totalMemory;
    return CUDA_SUCCESS;
}

EMULATED CUresult cuDeviceGetAttribute(int *value, int attribute, CUdevice device) {
    static const std::map<int, int> values = {
        {1, 1024}, {2, 1024}, {3, 1024}, {4, 64},           // threads per block; block x, y, z
        {5, 2147483647}, {6, 65535}, {7, 65535},            // grid x, y, z
        {8, 48 * 1024}, {9, 64 * 1024}, {10, 32},           // shared per block, constant memory, warp size
        {12, 65536}, {13, 1000000}, {16, 4},                // registers, clock in kHz, multiprocessors
        {31, 1}, {36, 1000000}, {37, 256}, {38, 4 << 20},   // concurrent kernels, memory clock, bus, L2
        {39, 2048}, {40, 1}, {41, 1}, {75, 9}, {76, 0},     // threads per multiprocessor; engines; 9.0
        {81, 228 * 1024}, {82, 65536}, {97, 227 * 1024}, {106, 32}, {111, 1024}};
    ENTER();
    if (device != 0) return CUDA_ERROR_INVALID_DEVICE;
    if (!value || attribute <= 0) return CUDA_ERROR_INVALID_VALUE;
    auto found = values.find(attribute);
    *value = found == values.end() ? 0 : found->second;
    return CUDA_SUCCESS;
}

EMULATED CUresult cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device) {
    ENTER();
    if (device != 0) return CUDA_ERROR_INVALID_DEVICE;
    ++primaryContext.retained;
    *context = &primaryContext;
    return CUDA_SUCCESS;
}

EMULATED CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device) {
    ENTER();
    if (device != 0) return CUDA_ERROR_INVALID_DEVICE;
    if (primaryContext.retained == 0) return CUDA_ERROR_INVALID_CONTEXT;
    --primaryContext.retained;
    return CUDA_SUCCESS;
}

EMULATED CUresult cuCtxSetCurrent(CUcontext context) {
    ENTER();
    if (context && context != &primaryContext) return CUDA_ERROR_INVALID_CONTEXT;
    currentContext = context;
    return CUDA_SUCCESS;
}

EMULATED CUresult cuCtxSynchronize() { ENTER_CONTEXT(); return checkAllocations(), CUDA_SUCCESS; }

// Memory.

EMULATED CUresult cuMemGetInfo_v2(size_t *available, size_t *total) {
    ENTER_CONTEXT();
    *available = totalMemory - allocated;
    *total = totalMemory;
    return CUDA_SUCCESS;
}

EMULATED CUresult cuMemAlloc_v2(CUdeviceptr *pointer, size_t size) {
    ENTER_CONTEXT();
    if (!pointer || size == 0) return CUDA_ERROR_INVALID_VALUE;
    if (size > totalMemory - allocated) return CUDA_ERROR_OUT_OF_MEMORY;
    size_t whole = (size + 2 * guard + 255) / 256 * 256;
    char *base = static_cast<char *>(std::aligned_alloc(256, whole));
    if (!base) return CUDA_ERROR_OUT_OF_MEMORY;
    std::memset(base, canary, guard);
    std::memset(base + guard, fresh, size);
    std::memset(base + guard + size, canary, guard);
    *pointer = reinterpret_cast<CUdeviceptr>(base + guard);
    allocations[*pointer] = size;
    allocated += size;
    return CUDA_SUCCESS;
}

EMULATED CUresult cuMemFree_v2(CUdeviceptr pointer) {
    ENTER_CONTEXT();
    if (pointer == 0) return CUDA_SUCCESS;
    auto found = allocations.find(pointer);
    if (found == allocations.end()) return CUDA_ERROR_INVALID_VALUE;
    checkAllocation(found->first, found->second);
    std::memset(host(pointer), fresh, found->second < 4096 ? found->second : 4096);
    std::free(host(pointer) - guard);
    allocated -= found->second;
    allocations.erase(found);
    return CUDA_SUCCESS;
}

EMULATED CUresult cuMemcpyHtoD_v2(CUdeviceptr to, const void *from, size_t size) {
    ENTER_CONTEXT();
    return !size || isDeviceRange(to, size) ? copy(host(to), from, size) : CUDA_ERROR_INVALID_VALUE;
}
EMULATED CUresult cuMemcpyDtoH_v2(void *to, CUdeviceptr from, size_t size) {
    ENTER_CONTEXT();
    return !size || isDeviceRange(from, size) ? copy(to, host(from), size) : CUDA_ERROR_INVALID_VALUE;
}
EMULATED CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void *from, size_t size, CUstream) {
    return cuMemcpyHtoD_v2(to, from, size);
}
EMULATED CUresult cuMemcpyDtoHAsync_v2(void *to, CUdeviceptr from, size_t size, CUstream) {
    return cuMemcpyDtoH_v2(to, from, size);
}
EMULATED CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t size, CUstream) {
    ENTER_CONTEXT();
    if (size && (!isDeviceRange(to, size) || !isDeviceRange(from, size))) return CUDA_ERROR_INVALID_VALUE;
    return copy(host(to), host(from), size);
}
EMULATED CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t count, CUstream) { return fill(to, value, count); }
EMULATED CUresult cuMemsetD16Async(CUdeviceptr to, unsigned short value, size_t count, CUstream) { return fill(to, value, count); }
EMULATED CUresult cuMemsetD32Async(CUdeviceptr to, unsigned value, size_t count, CUstream) { return fill(to, value, count); }

EMULATED CUresult cuMemHostAlloc(void **pointer, size_t size, unsigned) {
    ENTER_CONTEXT();
    if (!pointer || size == 0) return CUDA_ERROR_INVALID_VALUE;
    *pointer = std::aligned_alloc(4096, (size + 4095) / 4096 * 4096);
    return *pointer ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}
EMULATED CUresult cuMemFreeHost(void *pointer) { ENTER_CONTEXT(); return std::free(pointer), CUDA_SUCCESS; }
