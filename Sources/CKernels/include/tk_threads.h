// The team of threads that every kernel of this library uses, and the yardstick for benchmarks.
#pragma once
#include <stdbool.h>
#include <stddef.h>

// Sets how many threads kernels called from this thread use: at least 1, at most OMP_THREAD_LIMIT. Each calling thread
// has its own setting.
void tk_set_threads(size_t count);

// How many threads kernels called from this thread use.
size_t tk_threads(void);

// Numbers the calling thread among the compute threads, from 1; 0, as every thread starts, is none of them. From here on
// its teams are as large as they are asked to be, whatever OMP_DYNAMIC says.
void tk_set_lane(size_t lane);

// The number of the calling thread among the compute threads, 0 for any other.
size_t tk_lane(void);

// The instruction set the kernels were resolved to on this machine: "x86-64-v4", "x86-64-v3", "x86-64" or "generic".
const char *tk_instruction_set(void);

// Whether the processor has bfloat16 tile registers (AMX) and the system lets this process use them. Asks the system once.
bool tk_has_amx(void);

// Whether it multiplies bfloat16 numbers at all: on tile registers or by dot products of pairs (AVX512_BF16).
bool tk_multiplies_bfloat16(void);

// Runs `iterations` rounds of independent fp32 multiply-adds in every thread, touching no memory.
// Returns the floating-point operations done (a multiply-add counts 2); divide by the time it took for the peak rate.
double tk_fma_peak(size_t iterations);
