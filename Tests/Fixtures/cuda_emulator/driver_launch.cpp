// The part of the emulated libcuda.so.1 that loads modules, launches kernels and keeps streams and events.
#include "driver_state.h"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <link.h>
#include <unistd.h>

namespace {

// The bounds of the thread-local block of one loaded module, for the calling thread.
struct SharedSearch {
    ElfW(Addr) base;
    size_t size;
    char *data;
};

int findShared(dl_phdr_info *info, size_t, void *context) {
    SharedSearch *search = static_cast<SharedSearch *>(context);
    if (info->dlpi_addr != search->base) return 0;
    for (int i = 0; i < info->dlpi_phnum; ++i) {
        if (info->dlpi_phdr[i].p_type != PT_TLS) continue;
        search->size = info->dlpi_phdr[i].p_memsz;
        search->data = static_cast<char *>(info->dlpi_tls_data);
    }
    return 1;
}

bool writeAll(int file, const char *bytes, size_t size) {
    while (size > 0) {
        ssize_t written = write(file, bytes, size);
        if (written <= 0) return false;
        bytes += written;
        size -= size_t(written);
    }
    return true;
}

// Dynamic shared memory: room for the largest request and a guard after it.
alignas(1024) char dynamicShared[sharedLimit + guard];

} // namespace

EMULATED CUresult cuStreamCreate(CUstream *stream, unsigned flags) {
    ENTER_CONTEXT();
    if (!stream || flags > 1) return CUDA_ERROR_INVALID_VALUE;
    *stream = new CUstream_st{flags};
    return CUDA_SUCCESS;
}
EMULATED CUresult cuStreamDestroy_v2(CUstream stream) {
    ENTER_CONTEXT();
    if (!stream) return CUDA_ERROR_INVALID_HANDLE;
    delete stream;
    return CUDA_SUCCESS;
}
EMULATED CUresult cuStreamSynchronize(CUstream) { ENTER_CONTEXT(); return checkAllocations(), CUDA_SUCCESS; }

EMULATED CUresult cuEventCreate(CUevent *event, unsigned) {
    ENTER_CONTEXT();
    *event = new CUevent_st;
    return CUDA_SUCCESS;
}
EMULATED CUresult cuEventRecord(CUevent event, CUstream) {
    ENTER_CONTEXT();
    if (!event) return CUDA_ERROR_INVALID_HANDLE;
    event->time = std::chrono::steady_clock::now();
    event->recorded = true;
    return CUDA_SUCCESS;
}
EMULATED CUresult cuEventSynchronize(CUevent event) {
    ENTER_CONTEXT();
    return event ? (checkAllocations(), CUDA_SUCCESS) : CUDA_ERROR_INVALID_HANDLE;
}
EMULATED CUresult cuEventElapsedTime(float *milliseconds, CUevent start, CUevent end) {
    ENTER_CONTEXT();
    if (!start || !end || !start->recorded || !end->recorded) return CUDA_ERROR_INVALID_HANDLE;
    *milliseconds = std::chrono::duration<float, std::milli>(end->time - start->time).count();
    return CUDA_SUCCESS;
}
EMULATED CUresult cuEventDestroy_v2(CUevent event) {
    ENTER_CONTEXT();
    if (!event) return CUDA_ERROR_INVALID_HANDLE;
    delete event;
    return CUDA_SUCCESS;
}

EMULATED CUresult cuModuleLoadData(CUmodule *module, const void *image) {
    ENTER_CONTEXT();
    if (!module || !image) return CUDA_ERROR_INVALID_VALUE;
    EmulatedImageHeader header;
    if (std::memcmp(image, EMULATED_IMAGE_MAGIC, sizeof header.magic) != 0) return CUDA_ERROR_INVALID_IMAGE;
    std::memcpy(&header, image, sizeof header);

    const char *directory = std::getenv("TMPDIR");
    std::string path = std::string(directory && *directory ? directory : "/tmp") + "/cuda_emulator_XXXXXX";
    int file = mkstemp(&path[0]);
    if (file < 0) return CUDA_ERROR_UNKNOWN;
    bool written = writeAll(file, static_cast<const char *>(image) + sizeof header, header.size);
    close(file);
    void *library = written ? dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL) : nullptr;
    unlink(path.c_str());
    if (!library) {
        const char *reason = written ? dlerror() : "cannot write the temporary file";
        std::fprintf(stderr, "CUDA emulator: cannot load a module: %s\n", reason);
        return CUDA_ERROR_INVALID_IMAGE;
    }

    auto locateState = reinterpret_cast<EmulatorState *(*)()>(dlsym(library, "emulator_locate_state"));
    auto locateShared = reinterpret_cast<void *(*)()>(dlsym(library, "emulator_locate_shared"));
    link_map *map = nullptr;
    if (!locateState || !locateShared || dlinfo(library, RTLD_DI_LINKMAP, &map) != 0) {
        dlclose(library);
        return CUDA_ERROR_INVALID_IMAGE;
    }
    CUmodule loaded = new CUmod_st;
    loaded->library = library;
    loaded->state = locateState();
    loaded->locateShared = locateShared;
    char *marker = static_cast<char *>(locateShared());
    SharedSearch search = {map->l_addr, 0, nullptr};
    dl_iterate_phdr(findShared, &search);
    if (search.data && search.size > 1) {
        loaded->sharedSize = search.size;
        loaded->markerOffset = size_t(marker - search.data);
    }
    *module = loaded;
    return CUDA_SUCCESS;
}

EMULATED CUresult cuModuleUnload(CUmodule module) {
    ENTER_CONTEXT();
    if (!module) return CUDA_ERROR_INVALID_HANDLE;
    dlclose(module->library);
    delete module;
    return CUDA_SUCCESS;
}

EMULATED CUresult cuModuleGetFunction(CUfunction *function, CUmodule module, const char *name) {
    ENTER_CONTEXT();
    if (!function || !name) return CUDA_ERROR_INVALID_VALUE;
    if (!module) return CUDA_ERROR_INVALID_HANDLE;
    void *entry = dlsym(module->library, (std::string("emulator_launch_") + name).c_str());
    if (!entry) return CUDA_ERROR_NOT_FOUND;
    CUfunc_st &known = module->functions[name];
    known.name = name;
    known.entry = reinterpret_cast<KernelEntry>(entry);
    known.module = module;
    *function = &known;
    return CUDA_SUCCESS;
}

EMULATED CUresult cuFuncSetAttribute(CUfunction function, int attribute, int value) {
    constexpr int maxDynamicSharedSize = 8, preferredSharedCarveout = 9;
    ENTER_CONTEXT();
    if (!function) return CUDA_ERROR_INVALID_HANDLE;
    if (attribute == preferredSharedCarveout) return CUDA_SUCCESS;
    if (attribute != maxDynamicSharedSize || value < 0 || size_t(value) > sharedLimit) return CUDA_ERROR_INVALID_VALUE;
    function->dynamicSharedLimit = size_t(value) > defaultSharedLimit ? size_t(value) : defaultSharedLimit;
    return CUDA_SUCCESS;
}

EMULATED CUresult cuLaunchKernel(CUfunction function, unsigned gridX, unsigned gridY, unsigned gridZ, unsigned blockX,
                                 unsigned blockY, unsigned blockZ, unsigned sharedBytes, CUstream, void **parameters,
                                 void **extra) {
    ENTER_CONTEXT();
    if (!function) return CUDA_ERROR_INVALID_HANDLE;
    if (!gridX || !gridY || !gridZ || !blockX || !blockY || !blockZ) return CUDA_ERROR_INVALID_VALUE;
    if (gridX > 2147483647u || gridY > 65535 || gridZ > 65535) return CUDA_ERROR_INVALID_VALUE;
    if (blockX > 1024 || blockY > 1024 || blockZ > 64) return CUDA_ERROR_INVALID_VALUE;
    if (uint64_t(blockX) * blockY * blockZ > 1024) return CUDA_ERROR_INVALID_VALUE;
    if (sharedBytes > function->dynamicSharedLimit || sharedBytes > sharedLimit) return CUDA_ERROR_INVALID_VALUE;
    if (extra) return CUDA_ERROR_NOT_SUPPORTED;

    lastKernel = function->name;
    CUmodule module = function->module;
    char *shared = module->sharedSize ? static_cast<char *>(module->locateShared()) - module->markerOffset : nullptr;
    EmulatorState *state = module->state;
    state->gridSize = {gridX, gridY, gridZ};
    state->blockSize = {blockX, blockY, blockZ};
    state->dynamicShared = dynamicShared;
    std::memset(dynamicShared + sharedBytes, canary, guard);
    // Only threads that wait for each other can share memory, so other kernels' blocks skip the refill.
    bool refill = true;
    for (unsigned z = 0; z < gridZ; ++z)
        for (unsigned y = 0; y < gridY; ++y)
            for (unsigned x = 0; x < gridX; ++x) {
                state->block = {x, y, z};
                if (refill && shared) std::memset(shared, fresh, module->sharedSize);
                std::memset(dynamicShared, fresh, sharedBytes);
                refill = emulatorRunBlock(state, function->entry, parameters, function->name.c_str());
                if (sharedBytes) checkCanary(dynamicShared + sharedBytes, guard, "after the dynamic shared memory,", sharedBytes);
            }
    return CUDA_SUCCESS;
}
