// What the two halves of the emulated driver share: the handles' contents, the lock and the guard bytes.
#pragma once
#include "driver_types.h"
#include "fibers.h"

#include <chrono>
#include <map>
#include <mutex>
#include <string>

constexpr size_t totalMemory = size_t(8) << 30;
constexpr size_t guard = 256;
constexpr unsigned char canary = 0xA5, fresh = 0xFF;
constexpr size_t defaultSharedLimit = 48 * 1024, sharedLimit = 227 * 1024;

// The handles' contents; the tags are those of the real API.
struct CUctx_st { int retained = 0; };
struct CUstream_st { unsigned flags; };
struct CUevent_st { std::chrono::steady_clock::time_point time; bool recorded = false; };
struct CUfunc_st {
    std::string name;
    KernelEntry entry;
    CUmodule module;
    size_t dynamicSharedLimit = defaultSharedLimit;
};
struct CUmod_st {
    void *library;
    EmulatorState *state;
    void *(*locateShared)();
    size_t sharedSize = 0, markerOffset = 0; // of the __shared__ variables of all kernels together
    std::map<std::string, CUfunc_st> functions;
};

extern std::recursive_mutex driverMutex;
extern bool driverInitialised;
extern CUctx_st primaryContext;
extern thread_local CUcontext currentContext;
extern std::string lastKernel;

// Aborts, with a message that names the size and the last kernel, unless all the guard bytes are intact.
void checkCanary(const char *bytes, size_t count, const char *side, size_t size);
void checkAllocations();

// Every entry point holds the lock to its end, and most need a context that is current on the calling thread.
#define ENTER()                                                                                       \
    std::lock_guard<std::recursive_mutex> lock(driverMutex);                                          \
    if (!driverInitialised) return CUDA_ERROR_NOT_INITIALIZED
#define ENTER_CONTEXT()                                                                               \
    ENTER();                                                                                          \
    if (!currentContext || primaryContext.retained == 0) return CUDA_ERROR_INVALID_CONTEXT
