// The CUDA driver API's types and result codes, as far as the emulator uses them.
#pragma once
#include <cstddef>

#define EMULATED extern "C" __attribute__((visibility("default")))

typedef int CUresult;
typedef int CUdevice;
typedef unsigned long long CUdeviceptr;
typedef struct CUctx_st *CUcontext;
typedef struct CUmod_st *CUmodule;
typedef struct CUfunc_st *CUfunction;
typedef struct CUstream_st *CUstream;
typedef struct CUevent_st *CUevent;

// The code, the name without its prefix, and the driver's sentence.
#define EMULATED_RESULTS(F)                                                                           \
    F(0, SUCCESS, "no error")                                                                         \
    F(1, ERROR_INVALID_VALUE, "invalid argument")                                                     \
    F(2, ERROR_OUT_OF_MEMORY, "out of memory")                                                        \
    F(3, ERROR_NOT_INITIALIZED, "initialization error")                                               \
    F(100, ERROR_NO_DEVICE, "no CUDA-capable device is detected")                                     \
    F(101, ERROR_INVALID_DEVICE, "invalid device ordinal")                                            \
    F(200, ERROR_INVALID_IMAGE, "device kernel image is invalid")                                     \
    F(201, ERROR_INVALID_CONTEXT, "invalid device context")                                           \
    F(400, ERROR_INVALID_HANDLE, "invalid resource handle")                                           \
    F(500, ERROR_NOT_FOUND, "named symbol not found")                                                 \
    F(600, ERROR_NOT_READY, "device not ready")                                                       \
    F(700, ERROR_ILLEGAL_ADDRESS, "an illegal memory access was encountered")                         \
    F(701, ERROR_LAUNCH_OUT_OF_RESOURCES, "too many resources requested for launch")                  \
    F(719, ERROR_LAUNCH_FAILED, "unspecified launch failure")                                         \
    F(801, ERROR_NOT_SUPPORTED, "operation not supported")                                            \
    F(999, ERROR_UNKNOWN, "unknown error")

#define EMULATED_ENUMERATOR(code, name, sentence) CUDA_##name = code,
enum { EMULATED_RESULTS(EMULATED_ENUMERATOR) };
#undef EMULATED_ENUMERATOR

// What the emulated NVRTC calls a cubin: this header, then the bytes of a host shared object.
struct EmulatedImageHeader {
    char magic[8];
    unsigned long long size;
};
#define EMULATED_IMAGE_MAGIC "EMUCUBIN"
