// Inline sums over a contiguous run, with several partial sums so that they vectorise and round evenly. Runs are cut
// into blocks whose sums are added one by one, so the error stays near that of the block.
#pragma once
#include <stddef.h>

#include "parallel.h"

enum { TK_SUM_LANES = 32, TK_SUM_BLOCK = 2048 };

// Defines `float NAME(const float *x, const float *y, float shift, size_t n)`: the sum of TERM over i.
// TERM may use x[i], y[i] and shift.
#define TK_DEFINE_SUM(NAME, TERM)                                                                       \
    TK_INLINE float NAME(const float *x, const float *y, float shift, size_t n) {                       \
        (void)x, (void)y, (void)shift;                                                                  \
        float total = 0.0f;                                                                             \
        for (size_t block = 0; block < n; block += TK_SUM_BLOCK) {                                      \
            const size_t end = n - block < TK_SUM_BLOCK ? n : block + TK_SUM_BLOCK;                     \
            float lanes[TK_SUM_LANES] = {0};                                                            \
            size_t first = block;                                                                       \
            for (; first + TK_SUM_LANES <= end; first += TK_SUM_LANES) {                                \
                for (size_t lane = 0; lane < TK_SUM_LANES; lane++) {                                    \
                    const size_t i = first + lane;                                                      \
                    lanes[lane] += (TERM);                                                              \
                }                                                                                       \
            }                                                                                           \
            for (size_t i = first; i < end; i++) lanes[i - first] += (TERM);                            \
            for (size_t width = TK_SUM_LANES / 2; width > 0; width /= 2) {                              \
                for (size_t lane = 0; lane < width; lane++) lanes[lane] += lanes[lane + width];         \
            }                                                                                           \
            total += lanes[0];                                                                          \
        }                                                                                               \
        return total;                                                                                   \
    }

TK_DEFINE_SUM(tk_run_sum, x[i])
TK_DEFINE_SUM(tk_run_dot, x[i] * y[i])
TK_DEFINE_SUM(tk_run_squares, (x[i] - shift) * (x[i] - shift))

// Keeps the larger; once a NaN, always a NaN.
TK_INLINE float tk_keep_larger(float kept, float value) {
    return value > kept || value != value ? value : kept;
}

// Largest value of a run, -infinity when empty; NaN if any is NaN.
TK_INLINE float tk_run_max(const float *x, size_t n) {
    float lanes[TK_SUM_LANES];
    for (size_t lane = 0; lane < TK_SUM_LANES; lane++) lanes[lane] = -__builtin_inff();
    size_t first = 0;
    for (; first + TK_SUM_LANES <= n; first += TK_SUM_LANES) {
        for (size_t lane = 0; lane < TK_SUM_LANES; lane++) lanes[lane] = tk_keep_larger(lanes[lane], x[first + lane]);
    }
    for (size_t i = first; i < n; i++) lanes[i - first] = tk_keep_larger(lanes[i - first], x[i]);
    for (size_t width = TK_SUM_LANES / 2; width > 0; width /= 2) {
        for (size_t lane = 0; lane < width; lane++) lanes[lane] = tk_keep_larger(lanes[lane], lanes[lane + width]);
    }
    return lanes[0];
}
