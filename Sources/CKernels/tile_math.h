// Small matrix products on tiles that sit in the caches: six rows by sixteen columns at a time in registers.
#pragma once
#include <stddef.h>
#include <string.h>

#include "parallel.h"

enum { TK_TILE_ROWS = 6, TK_TILE_COLUMNS = 16 };

typedef float tk_sixteen __attribute__((ext_vector_type(16)));
typedef float tk_octet __attribute__((ext_vector_type(8)));

// Defines NAME: c (6 x WIDTH) = or += a (6 x depth) b (depth x WIDTH).
// Element (i, k) of a lies at i * a_row + k * a_step; rows of b and c are b_row and c_row apart.
#define TK_DEFINE_BLOCK(NAME, VECTOR)                                                                        \
    TK_INLINE void NAME(float *c, size_t c_row, const float *a, size_t a_row, size_t a_step, const float *b, \
                        size_t b_row, size_t depth, bool accumulate) {                                       \
        VECTOR sums[TK_TILE_ROWS];                                                                           \
        _Pragma("clang loop unroll(full)") for (int i = 0; i < TK_TILE_ROWS; i++) {                          \
            sums[i] = 0.0f;                                                                                  \
            if (accumulate) memcpy(&sums[i], c + (size_t)i * c_row, sizeof(VECTOR));                         \
        }                                                                                                    \
        _Pragma("clang loop unroll_count(2)") for (size_t k = 0; k < depth; k++) {                           \
            VECTOR line;                                                                                     \
            memcpy(&line, b + k * b_row, sizeof(VECTOR));                                                    \
            _Pragma("clang loop unroll(full)") for (int i = 0; i < TK_TILE_ROWS; i++) {                      \
                const VECTOR factor = a[(size_t)i * a_row + k * a_step];                                     \
                sums[i] = factor * line + sums[i];                                                           \
            }                                                                                                \
        }                                                                                                    \
        _Pragma("clang loop unroll(full)") for (int i = 0; i < TK_TILE_ROWS; i++) {                          \
            memcpy(c + (size_t)i * c_row, &sums[i], sizeof(VECTOR));                                         \
        }                                                                                                    \
    }

TK_DEFINE_BLOCK(tk_block_6x16, tk_sixteen)
TK_DEFINE_BLOCK(tk_block_6x8, tk_octet)

// c (rows x columns) = or += a (rows x depth) b (depth x columns). `rows` is rounded up to a multiple of 6 and those
// rows of a and c must exist; `columns` is a multiple of 8. b comes in panels of 16 columns (the last may have 8), each
// `b_panel` floats after the one before, rows b_row apart.
TK_INLINE void tk_tile_product(float *c, size_t c_row, const float *a, size_t a_row, size_t a_step, const float *b,
                               size_t b_row, size_t b_panel, size_t rows, size_t columns, size_t depth,
                               bool accumulate) {
    for (size_t column = 0; column < columns; column += TK_TILE_COLUMNS) {
        const float *panel = b + column / TK_TILE_COLUMNS * b_panel;
        if (columns - column >= TK_TILE_COLUMNS) {
            for (size_t row = 0; row < rows; row += TK_TILE_ROWS) {
                tk_block_6x16(c + row * c_row + column, c_row, a + row * a_row, a_row, a_step, panel, b_row, depth,
                              accumulate);
            }
        } else {
            for (size_t row = 0; row < rows; row += TK_TILE_ROWS) {
                tk_block_6x8(c + row * c_row + column, c_row, a + row * a_row, a_row, a_step, panel, b_row, depth,
                             accumulate);
            }
        }
    }
}

// out: (all_rows, width) dense. Its first `rows` rows and `columns` columns are scale x, with rows of x `x_row` apart;
// the rest is 0.
TK_INLINE void tk_tile_copy(float *restrict out, size_t width, const float *restrict x, ptrdiff_t x_row, size_t rows,
                            size_t all_rows, size_t columns, float scale) {
    for (size_t row = 0; row < all_rows; row++) {
        const float *line = x + (ptrdiff_t)row * x_row;
        const size_t filled = row < rows ? columns : 0;
        for (size_t i = 0; i < filled; i++) out[row * width + i] = scale * line[i];
        for (size_t i = filled; i < width; i++) out[row * width + i] = 0.0f;
    }
}

// Panels of sixteen rows of x, transposed: out[panel][i][r] = x[16 panel + r][i]; missing rows are 0.
TK_INLINE void tk_tile_transpose(float *restrict out, const float *restrict x, ptrdiff_t x_row, size_t rows,
                                 size_t columns) {
    for (size_t first = 0; first < rows; first += TK_TILE_COLUMNS) {
        float *panel = out + first * columns;
        const size_t present = rows - first < TK_TILE_COLUMNS ? rows - first : TK_TILE_COLUMNS;
        for (size_t i = 0; i < columns; i++) {
            float *line = panel + i * TK_TILE_COLUMNS;
            for (size_t r = 0; r < present; r++) line[r] = x[(ptrdiff_t)(first + r) * x_row + (ptrdiff_t)i];
            for (size_t r = present; r < TK_TILE_COLUMNS; r++) line[r] = 0.0f;
        }
    }
}
