// Runs the threads of a block as fibers on one OS thread, switching only at barriers and warp collectives.
#include "fibers.h"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sys/mman.h>
#include <vector>

namespace {

constexpr size_t stackSize = 64 * 1024;
constexpr size_t guardSize = 64 * 1024;
constexpr unsigned warpWidth = 32;

enum class Wait : uint8_t { ready, block, warp, exited };

struct Fiber;

struct Thread {
    EmulatorIndex index;
    Wait wait;
    int kind, source;
    unsigned mask;
    unsigned long long value, result;
    Fiber *fiber;
};

// Switching between stacks.

#if defined(__x86_64__) && !defined(EMULATOR_UCONTEXT)
using Context = void *;
extern "C" void emulator_switch(void **save, void *target);
asm(R"(
.text
.hidden emulator_switch
.globl emulator_switch
.type emulator_switch, @function
emulator_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
.size emulator_switch, .-emulator_switch
)");
inline void switchContext(Context &from, Context &to) { emulator_switch(&from, to); }
void prepareContext(Context &context, char *stack, void (*entry)()) {
    void **top = reinterpret_cast<void **>(stack + stackSize);
    *--top = nullptr; // where a caller's return address would be; keeps the ABI's alignment
    *--top = reinterpret_cast<void *>(entry);
    for (int i = 0; i < 6; ++i) *--top = nullptr;
    context = top;
}
#else
} // namespace
#include <ucontext.h>
namespace {
using Context = ucontext_t;
inline void switchContext(Context &from, Context &to) { swapcontext(&from, &to); }
void prepareContext(Context &context, char *stack, void (*entry)()) {
    getcontext(&context);
    context.uc_stack.ss_sp = stack;
    context.uc_stack.ss_size = stackSize;
    context.uc_link = nullptr;
    makecontext(&context, entry, 0);
}
#endif

struct Fiber {
    Context context;
    unsigned thread = 0;
    bool idle = true;
};

// The block being run. Launches are serialised by the driver, so one is enough.

EmulatorState *state;
KernelEntry entryPoint;
void **arguments;
const char *kernel;
Thread threads[1024];
EmulatorIndex threadsShape;
unsigned threadCount, nextThread, startLimit, liveThreads, parkedThreads;
bool anyWaited;
Context scheduler;
Fiber *current;
std::vector<Fiber *> idleFibers;

[[noreturn]] void fail(unsigned thread, const char *what, unsigned other, const char *otherState) {
    const EmulatorIndex &t = threads[thread].index, &b = state->block;
    std::fprintf(stderr,
                 "CUDA emulator: kernel %s, block (%u, %u, %u), thread (%u, %u, %u): %s: lane %u of its warp %s\n",
                 kernel, b.x, b.y, b.z, t.x, t.y, t.z, what, other, otherState);
    std::abort();
}

void fiberMain() {
    for (;;) {
        while (nextThread < startLimit) {
            Thread &thread = threads[nextThread];
            current->thread = nextThread++;
            thread.fiber = current;
            thread.wait = Wait::ready;
            state->thread = thread.index;
            entryPoint(arguments);
            threads[current->thread].wait = Wait::exited;
            --liveThreads;
        }
        Fiber *self = current;
        self->idle = true;
        switchContext(self->context, scheduler);
    }
}

Fiber *takeFiber() {
    if (!idleFibers.empty()) {
        Fiber *fiber = idleFibers.back();
        idleFibers.pop_back();
        return fiber;
    }
    // An inaccessible page range below the stack turns an overflow into a fault.
    void *memory = mmap(nullptr, guardSize + stackSize, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED || mprotect(memory, guardSize, PROT_NONE) != 0) {
        std::fprintf(stderr, "CUDA emulator: no memory for the stack of a thread of kernel %s\n", kernel);
        std::abort();
    }
    Fiber *fiber = new Fiber;
    prepareContext(fiber->context, static_cast<char *>(memory) + guardSize, fiberMain);
    return fiber;
}

void resume(Fiber *fiber) {
    current = fiber;
    fiber->idle = false;
    switchContext(scheduler, fiber->context);
    if (fiber->idle) idleFibers.push_back(fiber);
}

void park(Wait wait) {
    Fiber *self = current;
    threads[self->thread].wait = wait;
    ++parkedThreads;
    anyWaited = true;
    switchContext(self->context, scheduler);
    --parkedThreads;
    state->thread = threads[self->thread].index;
}

void syncBlock() { park(Wait::block); }

int sourceLane(int kind, int lane, int operand, int width) {
    int first = lane & ~(width - 1), end = first + width;
    switch (kind) {
    case emulator_shuffle_index: return first | (operand & (width - 1));
    case emulator_shuffle_xor: return (lane ^ operand) < end ? lane ^ operand : lane;
    case emulator_shuffle_up: return lane - operand >= first ? lane - operand : lane;
    case emulator_shuffle_down: return lane + operand < end ? lane + operand : lane;
    default: return lane;
    }
}

unsigned long long collective(int kind, unsigned mask, int operand, int width, unsigned long long value) {
    unsigned id = current->thread;
    int lane = id % warpWidth;
    Thread &thread = threads[id];
    if (!(mask >> lane & 1)) fail(id, "a warp collective's mask leaves out the calling lane", lane, "called it");
    thread.kind = kind;
    thread.mask = mask;
    thread.source = sourceLane(kind, lane, operand, width);
    thread.value = value;
    park(Wait::warp);
    return thread.result;
}

const char *const collectiveNames[] = {"__syncwarp",      "__shfl_sync",       "__shfl_xor_sync",
                                       "__shfl_up_sync", "__shfl_down_sync", "a warp vote"};

// Completes the collective at which thread `id` waits. No thread of the warp can run when this is called,
// so a lane that should take part and is elsewhere would never come.
void completeCollective(unsigned first, unsigned last, unsigned id) {
    const int kind = threads[id].kind;
    const unsigned mask = threads[id].mask;
    const char *name = collectiveNames[kind];
    unsigned present = 0, ballot = 0;
    for (unsigned t = first; t < last; ++t) {
        unsigned lane = t - first;
        if (!(mask >> lane & 1) || threads[t].wait == Wait::exited) continue;
        if (threads[t].wait == Wait::block) fail(id, name, lane, "waits at __syncthreads");
        if (threads[t].kind != kind) fail(id, name, lane, "waits at a different collective");
        if (threads[t].mask != mask) fail(id, name, lane, "passed a different mask");
        present |= 1u << lane;
        if (threads[t].value) ballot |= 1u << lane;
    }
    for (unsigned t = first; t < last; ++t) {
        if (!(present >> (t - first) & 1)) continue;
        unsigned source = threads[t].source;
        if (!(present >> source & 1)) fail(t, name, source, "is read but has exited, does not exist or is not in the mask");
        threads[t].result = kind == emulator_ballot ? ballot : threads[first + source].value;
        threads[t].wait = Wait::ready;
    }
}

void advanceWarp(unsigned first, unsigned last) {
    startLimit = last;
    while (nextThread < last) resume(takeFiber());
    while (parkedThreads > 0) {
        bool completed = false;
        for (unsigned t = first; t < last; ++t) {
            if (threads[t].wait == Wait::warp) {
                completeCollective(first, last, t);
                completed = true;
            }
        }
        bool ran = false;
        for (unsigned t = first; t < last; ++t) {
            if (threads[t].wait == Wait::ready) {
                resume(threads[t].fiber);
                ran = true;
            }
        }
        if (!completed && !ran) return;
    }
}

} // namespace

bool emulatorRunBlock(EmulatorState *launch, KernelEntry entry, void **parameters, const char *kernelName) {
    const EmulatorIndex shape = launch->blockSize;
    if (shape.x != threadsShape.x || shape.y != threadsShape.y || shape.z != threadsShape.z) {
        threadsShape = shape;
        threadCount = 0;
        for (unsigned z = 0; z < shape.z; ++z)
            for (unsigned y = 0; y < shape.y; ++y)
                for (unsigned x = 0; x < shape.x; ++x) threads[threadCount++].index = {x, y, z};
    }
    state = launch;
    entryPoint = entry;
    arguments = parameters;
    kernel = kernelName;
    state->syncBlock = syncBlock;
    state->collective = collective;
    nextThread = 0;
    liveThreads = threadCount;
    parkedThreads = 0;
    anyWaited = false;
    for (;;) {
        for (unsigned first = 0; first < threadCount; first += warpWidth)
            advanceWarp(first, first + warpWidth < threadCount ? first + warpWidth : threadCount);
        if (liveThreads == 0) return anyWaited;
        // Every live thread waits at __syncthreads, as exited threads do not count.
        for (unsigned t = 0; t < threadCount; ++t)
            if (threads[t].wait == Wait::block) threads[t].wait = Wait::ready;
    }
}
