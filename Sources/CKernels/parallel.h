// One parallel loop for all kernels, over libgomp's own entry point: the calling thread's team, no pragmas.
#pragma once
#include <stddef.h>

// Functions marked TK_KERNEL are compiled once for each instruction set and chosen when the library is loaded. What
// they call must be inlined into them, and a body handed to the parallel loop must itself be marked.
#if defined(__x86_64__) && defined(__linux__)
#define TK_KERNEL __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define TK_KERNEL
#endif
#define TK_INLINE static inline __attribute__((always_inline))

// Before a loop whose iterations are independent even where an output is an input (in place): vectorise without checks.
#define TK_SIMD _Pragma("clang loop vectorize(assume_safety)")

// libgomp's interface, declared here because Swift's clang ships no omp.h.
void GOMP_parallel(void (*body)(void *), void *data, unsigned threads, unsigned flags);
int omp_get_thread_num(void);
int omp_get_num_threads(void);
int omp_get_max_threads(void);

// Does items begin ..< end. `thread` counts from 0 and picks per-thread scratch.
typedef void (*tk_body)(void *context, size_t begin, size_t end, size_t thread);

typedef struct tk_team {
    tk_body body;
    void *context;
    size_t count, chunks;
} tk_team;

static void tk_team_member(void *data) {
    const tk_team *team = data;
    size_t thread = (size_t)omp_get_thread_num(), threads = (size_t)omp_get_num_threads();
    size_t chunks = team->chunks < threads ? team->chunks : threads;
    if (thread >= chunks) return;
    size_t share = team->count / chunks, rest = team->count % chunks;
    size_t begin = thread * share + (thread < rest ? thread : rest);
    size_t end = begin + share + (thread < rest ? 1 : 0);
    if (begin < end) team->body(team->context, begin, end, thread);
}

// Splits 0 ..< count into one contiguous range for each thread, none smaller than about `grain` items; one range runs
// inline. The whole team is always woken, since libgomp would end and restart threads when the team size changed.
static inline void tk_parallel_for(size_t count, size_t grain, tk_body body, void *context) {
    if (count == 0) return;
    size_t chunks = grain > 1 ? count / grain : count;
    size_t threads = (size_t)omp_get_max_threads();
    if (chunks <= 1 || threads <= 1) {
        body(context, 0, count, 0);
        return;
    }
    tk_team team = {body, context, count, chunks < threads ? chunks : threads};
    GOMP_parallel(tk_team_member, &team, 0, 0);
}
