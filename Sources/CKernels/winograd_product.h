// Register-blocked products of Winograd's domain. Every sum runs over the depth in order with one multiply-add a step,
// whatever the block, so that the blocking does not show in the bits.
#pragma once
#include "winograd_math.h"

// Rows of the largest block: 14 rows of 32 columns fill 28 of AVX-512's 32 registers, 6 rows of 16 columns 12 of AVX's
// 16 or 24 of NEON's 32.
enum { TK_ROWS_WIDE = 14, TK_ROWS_NARROW = 6 };

// Whether there are 32 registers of sixteen floats.
static inline bool tk_has_wide_registers(void) {
#if defined(__x86_64__) && defined(__linux__)
    __builtin_cpu_init();
    return __builtin_cpu_supports("x86-64-v4");
#else
    return false;
#endif
}

// sums (rows x 16 vectors) += a (rows x depth) b (depth x 16 vectors). Element (i, k) of a lies at i * a_row +
// k * a_step, row k of b at k * b_step. `ahead` walks `ahead_step` bytes for each k over memory that is needed next.
TK_INLINE void tk_accumulate(tk_sixteen *sums, const int rows, const int vectors, const float *a, const size_t a_row,
                             const size_t a_step, const float *b, const size_t b_step, size_t depth, const char **ahead,
                             size_t ahead_step) {
    _Pragma("clang loop unroll_count(2)") for (size_t k = 0; k < depth; k++) {
        tk_sixteen line[2];
        TK_UNROLL for (int j = 0; j < vectors; j++) line[j] = tk_load(b + k * b_step + j * TK_LANES);
        if (ahead) {
            __builtin_prefetch(*ahead, 0, 2);
            *ahead += ahead_step;
        }
        TK_UNROLL for (int i = 0; i < rows; i++) {
            const tk_sixteen factor = a[(size_t)i * a_row + k * a_step];
            TK_UNROLL for (int j = 0; j < vectors; j++) {
                sums[i * vectors + j] = factor * line[j] + sums[i * vectors + j];
            }
        }
    }
}

// Sums over channels are started afresh every 128 steps, those over tiles every 256, and then added up: long chains of
// rounding cost accuracy. Weights that are made on the fly are made for one chain at a time.
enum { TK_CHAIN = 128, TK_TILE_CHAIN = 256 };

// c (rows x 16 vectors, rows c_row apart) = or += a b. a: (depth / 16, rows, 16), the last may be cut short; row k of b
// lies at k * b_step.
TK_INLINE void tk_product_block(float *c, size_t c_row, const float *a, const float *b, size_t b_step, size_t depth,
                                bool accumulates, const int rows, const int vectors, const char *ahead,
                                size_t ahead_step) {
    for (size_t start = 0; start < depth; start += TK_CHAIN) {
        tk_sixteen sums[TK_ROWS_WIDE * 2];
        TK_UNROLL for (int i = 0; i < rows * vectors; i++) sums[i] = 0.0f;
        size_t left = tk_least(depth - start, TK_CHAIN);
        for (; left >= TK_LANES; left -= TK_LANES) {
            tk_accumulate(sums, rows, vectors, a, TK_LANES, 1, b, b_step, TK_LANES, &ahead, ahead_step);
            a += rows * TK_LANES;
            b += TK_LANES * b_step;
        }
        tk_accumulate(sums, rows, vectors, a, TK_LANES, 1, b, b_step, left, &ahead, ahead_step);
        TK_UNROLL for (int i = 0; i < rows; i++) {
            TK_UNROLL for (int j = 0; j < vectors; j++) {
                float *line = c + (size_t)i * c_row + j * TK_LANES;
                tk_store(line, start || accumulates ? tk_load(line) + sums[i * vectors + j] : sums[i * vectors + j]);
            }
        }
    }
}
