// Inline sums over a contiguous run. The compiler may reorder the additions inside a block into as many partial sums
// as its registers hold; the blocks' sums are added one by one, so the error stays near that of one block. The order is
// fixed for an instruction set and a length.
#pragma once
#include <stddef.h>
#include <string.h>

#include "parallel.h"

enum { TK_SUM_BLOCK = 2048 };

// Defines `float NAME(const float *x, const float *y, float shift, size_t n)`: the sum of TERM over i.
// TERM may use x[i], y[i] and shift.
#define TK_DEFINE_SUM(NAME, TERM)                                                                       \
    TK_INLINE float NAME##_block(const float *x, const float *y, float shift, size_t begin, size_t end) { \
        _Pragma("clang fp reassociate(on) contract(fast)")                                              \
        (void)x, (void)y, (void)shift;                                                                  \
        float sum = 0.0f;                                                                               \
        for (size_t i = begin; i < end; i++) sum += (TERM);                                             \
        return sum;                                                                                     \
    }                                                                                                   \
    TK_INLINE float NAME(const float *x, const float *y, float shift, size_t n) {                       \
        float total = 0.0f;                                                                             \
        for (size_t begin = 0; begin < n; begin += TK_SUM_BLOCK) {                                      \
            const size_t end = n - begin < TK_SUM_BLOCK ? n : begin + TK_SUM_BLOCK;                     \
            total += NAME##_block(x, y, shift, begin, end);                                             \
        }                                                                                               \
        return total;                                                                                   \
    }

TK_DEFINE_SUM(tk_run_sum, x[i])
// The mean of a run is shift + tk_run_differences / n: with a shift among the values, their common part rounds once.
TK_DEFINE_SUM(tk_run_differences, x[i] - shift)
TK_DEFINE_SUM(tk_run_dot, x[i] * y[i])
TK_DEFINE_SUM(tk_run_squares, (x[i] - shift) * (x[i] - shift))

// Keeps the larger; once a NaN, always a NaN.
TK_INLINE float tk_keep_larger(float kept, float value) {
    return value > kept || value != value ? value : kept;
}

typedef float tk_eight __attribute__((ext_vector_type(8)));

// Largest value of a run, -infinity when empty; NaN if any is NaN.
TK_INLINE float tk_run_max(const float *x, size_t n) {
    tk_eight kept[4];
    for (int part = 0; part < 4; part++) kept[part] = -__builtin_inff();
    size_t first = 0;
    for (; first + 32 <= n; first += 32) {
#pragma clang loop unroll(full)
        for (int part = 0; part < 4; part++) {
            tk_eight value;
            memcpy(&value, x + first + 8 * part, sizeof value);
            kept[part] = ((value > kept[part]) | (value != value)) ? value : kept[part];
        }
    }
    float largest = -__builtin_inff();
    for (size_t i = first; i < n; i++) largest = tk_keep_larger(largest, x[i]);
    for (int part = 0; part < 4; part++) {
        for (int lane = 0; lane < 8; lane++) largest = tk_keep_larger(largest, kept[part][lane]);
    }
    return largest;
}
