// Random streams: PyTorch's CPU generator (mt19937) and its CUDA generator (Philox 4x32-10). The generator's state is a
// plain value: copy it to save it.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct tk_mt19937 {
    uint32_t state[624];
    uint32_t next;       // position in `state`; 624 when a fresh batch is due
    bool has_normal;     // a normal is left over from the pair before (small draws only)
    double normal;
} tk_mt19937;

// Starts the stream of `seed`; only its low 32 bits count, as in torch.manual_seed on the CPU.
void tk_mt19937_seed(tk_mt19937 *generator, uint64_t seed);
uint32_t tk_mt19937_u32(tk_mt19937 *generator);
uint64_t tk_mt19937_u64(tk_mt19937 *generator);  // first draw in the high half

// torch.randn in fp32, times `deviation` plus `mean`. From 16 values on in blocks of 16; below, one by one in double.
void tk_normal_fill_f32(tk_mt19937 *generator, float *out, size_t n, float mean, float deviation);
// torch.rand: 24-bit fp32 and 53-bit double in [low, high).
void tk_uniform_fill_f32(tk_mt19937 *generator, float *out, size_t n, float low, float high);
void tk_uniform_fill_f64(tk_mt19937 *generator, double *out, size_t n, double low, double high);
// torch.randint: low <= out[i] < high, by remainder; 64-bit draws from a range of 2^28 on. high > low.
void tk_randint_fill_i64(tk_mt19937 *generator, int64_t *out, size_t n, int64_t low, int64_t high);
// torch.randperm: a permutation of 0 ..< n.
void tk_randperm_i64(tk_mt19937 *generator, int64_t *out, size_t n);

// torch.randn on CUDA: value i comes from counter (offset, 0, i, 0) and key `seed`; add 1 to `offset` after each call.
void tk_philox_normal_f32(float *out, size_t n, uint64_t seed, uint32_t offset);
// The raw block: ten rounds over the counter, in place.
void tk_philox_4x32(uint32_t counter[4], uint64_t key);
