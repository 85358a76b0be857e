// The team's size, the thread's number, the chosen instruction set, and the peak rate of multiply-adds.
#include "include/tk_threads.h"

#include <stdint.h>
#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "parallel.h"

void omp_set_num_threads(int count);
void omp_set_dynamic(int dynamic);
int omp_get_thread_limit(void);

// Kernels and compiled primitives count on a team of just this size.
void tk_set_threads(size_t count) {
    const size_t limit = (size_t)omp_get_thread_limit(), most = limit < 4096 ? limit : 4096;
    omp_set_dynamic(0);
    omp_set_num_threads(count < 1 ? 1 : count > most ? (int)most : (int)count);
}

size_t tk_threads(void) {
    return (size_t)omp_get_max_threads();
}

static _Thread_local size_t lane_of_thread = 0;

void tk_set_lane(size_t lane) {
    lane_of_thread = lane;
    tk_set_threads(tk_threads());
}

size_t tk_lane(void) {
    return lane_of_thread;
}

const char *tk_instruction_set(void) {
#if defined(__x86_64__) && defined(__linux__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("x86-64-v4")) return "x86-64-v4";
    if (__builtin_cpu_supports("x86-64-v3")) return "x86-64-v3";
    return "x86-64";
#else
    return "generic";
#endif
}

#if defined(__x86_64__) && defined(__linux__)
enum { UNKNOWN, ABSENT, PRESENT };

bool tk_has_amx(void) {
    static int known = UNKNOWN;  // the answer never changes, so a race writes the same value twice
    if (known == UNKNOWN) {
        enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18, BFLOAT16 = 1 << 22, TILES = 1 << 24 };
        unsigned a = 0, b = 0, c = 0, d = 0;
        const bool exists = __builtin_cpu_supports("x86-64-v4") && __get_cpuid_count(7, 0, &a, &b, &c, &d) &&
                            (d & BFLOAT16) && (d & TILES);
        known = exists && syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0 ? PRESENT : ABSENT;
    }
    return known == PRESENT;
}

bool tk_multiplies_bfloat16(void) {
    static int known = UNKNOWN;
    if (known == UNKNOWN) {
        enum { DOT_PRODUCTS = 1 << 5 };
        unsigned a = 0, b = 0, c = 0, d = 0;
        const bool exists = __builtin_cpu_supports("x86-64-v4") && __get_cpuid_count(7, 1, &a, &b, &c, &d) &&
                            (a & DOT_PRODUCTS);
        known = exists || tk_has_amx() ? PRESENT : ABSENT;
    }
    return known == PRESENT;
}
#else
bool tk_has_amx(void) {
    return false;
}

bool tk_multiplies_bfloat16(void) {
    return false;
}
#endif

enum { PEAK_CHAINS = 12, PEAK_LANES = 8 };

typedef float peak_vector __attribute__((vector_size(4 * PEAK_LANES)));

typedef struct peak_context {
    size_t iterations;
} peak_context;

// Twelve chains of eight lanes: enough to hide a latency of five cycles on two pipes.
TK_KERNEL static void peak_body(void *context, size_t begin, size_t end, size_t thread) {
    const peak_context *c = context;
    (void)thread;
    for (size_t run = begin; run < end; run++) {
        peak_vector sums[PEAK_CHAINS];
        float factor = 0.999f, addend = 1e-3f;
        __asm__ volatile("" : "+m"(factor), "+m"(addend));
        peak_vector factors = factor - (peak_vector){0}, addends = addend - (peak_vector){0};
        for (int i = 0; i < PEAK_CHAINS; i++) sums[i] = (peak_vector){0} + (float)i;
        for (size_t iteration = 0; iteration < c->iterations; iteration++) {
#pragma clang fp contract(fast)
#pragma clang loop unroll(full)
            for (int i = 0; i < PEAK_CHAINS; i++) sums[i] = sums[i] * factors + addends;
        }
        float total = 0;
        for (int i = 0; i < PEAK_CHAINS; i++) {
            for (int lane = 0; lane < PEAK_LANES; lane++) total += sums[i][lane];
        }
        __asm__ volatile("" : : "m"(total));
    }
}

double tk_fma_peak(size_t iterations) {
    peak_context context = {iterations};
    size_t threads = tk_threads();
    tk_parallel_for(threads, 1, peak_body, &context);
    return 2.0 * PEAK_CHAINS * PEAK_LANES * (double)iterations * (double)threads;
}
