// Products of bfloat16 tiles, summed in fp32: on tile registers where the processor has them (AMX), else by its dot
// products of pairs (AVX512_BF16).
//
// A left operand is rows of numbers. A right one is tiles of 32 rows by 16 columns, each line the pairs of rows of every
// column: (row / 2, column, row % 2). So a line of a tile times a pair of a row is one instruction.
#pragma once
#include "amx.h"

#if TK_HAS_AMX_CODE

#include <stdbool.h>

typedef __bf16 bfloat;

enum { TK_SIDE = 16, TK_DEPTH = 32, TK_TILE = TK_SIDE * TK_DEPTH };

// The right operand: tiles side by side are `apart`, tiles of the next 32 rows `step`.
typedef struct tk_right {
    const bfloat *tiles;
    size_t apart, step;
} tk_right;

#define TK_EACH(INDEX, COUNT) _Pragma("clang loop unroll(full)") for (size_t INDEX = 0; INDEX < (COUNT); INDEX++)

// Defines NAME: sums (8, 16 TILES and, of a half, 8 more), rows `sum_row` apart, = or += 8 rows of `left` by `pairs` lines
// of the tiles.
#define TK_DEFINE_DOTS(NAME, TILES, HAS_HALF)                                                                        \
    TK_AMX static inline void NAME(float *sums, size_t sum_row, const bfloat *left, size_t left_row, tk_right right, \
                                   size_t pairs, bool accumulates) {                                                 \
        __m512 c[8][TILES];                                                                                          \
        __m256 half[8];                                                                                              \
        TK_EACH (row, 8) {                                                                                           \
            float *line = sums + row * sum_row;                                                                      \
            TK_EACH (tile, TILES) {                                                                                  \
                c[row][tile] = accumulates ? _mm512_loadu_ps(line + tile * TK_SIDE) : _mm512_setzero_ps();           \
            }                                                                                                        \
            if (HAS_HALF) half[row] = accumulates ? _mm256_loadu_ps(line + TILES * TK_SIDE) : _mm256_setzero_ps();   \
        }                                                                                                            \
        for (size_t first = 0; first < pairs; first += TK_SIDE) {                                                    \
            const bfloat *tiles = right.tiles + first / TK_SIDE * right.step, *a = left + 2 * first;                 \
            const size_t lines = pairs - first < TK_SIDE ? pairs - first : TK_SIDE;                                  \
            for (size_t line = 0; line < lines; line++) {                                                            \
                const bfloat *from = tiles + line * TK_DEPTH;                                                        \
                __m512bh b[TILES];                                                                                   \
                __m256bh last;                                                                                       \
                TK_EACH (tile, TILES) b[tile] = (__m512bh)_mm512_loadu_si512(from + tile * right.apart);             \
                if (HAS_HALF) last = (__m256bh)_mm256_loadu_si256((const __m256i *)(from + TILES * right.apart));    \
                TK_EACH (row, 8) {                                                                                   \
                    int word;                                                                                        \
                    memcpy(&word, a + row * left_row + 2 * line, sizeof word);                                       \
                    const __m512i pair = _mm512_set1_epi32(word);                                                    \
                    TK_EACH (tile, TILES) c[row][tile] = _mm512_dpbf16_ps(c[row][tile], (__m512bh)pair, b[tile]);    \
                    if (HAS_HALF) {                                                                                  \
                        half[row] = _mm256_dpbf16_ps(half[row], (__m256bh)_mm512_castsi512_si256(pair), last);       \
                    }                                                                                                \
                }                                                                                                    \
            }                                                                                                        \
        }                                                                                                            \
        TK_EACH (row, 8) {                                                                                           \
            float *line = sums + row * sum_row;                                                                      \
            TK_EACH (tile, TILES) _mm512_storeu_ps(line + tile * TK_SIDE, c[row][tile]);                             \
            if (HAS_HALF) _mm256_storeu_ps(line + TILES * TK_SIDE, half[row]);                                       \
        }                                                                                                            \
    }

TK_DEFINE_DOTS(tk_dots_one, 1, false)
TK_DEFINE_DOTS(tk_dots_two, 2, false)
TK_DEFINE_DOTS(tk_dots_two_and_half, 2, true)
TK_DEFINE_DOTS(tk_dots_three, 3, false)

// sums (rows, columns) = or += rows of `left` by `pairs` lines of the tiles. `rows` and `columns` are multiples of 8; sums
// have room for whole tiles, whose columns beyond are those of the right operand or are left as they are.
TK_AMX static inline void tk_dots(float *sums, size_t sum_row, const bfloat *left, size_t left_row, size_t rows,
                                  tk_right right, size_t columns, size_t pairs, bool accumulates) {
    while (columns > 0) {
        // Two or three tiles at a time: one alone would wait for its operands.
        const bool has_half = columns == 40;
        const size_t all = (columns + TK_SIDE - 1) / TK_SIDE;
        const size_t tiles = all == 4 || columns == 72 ? 2 : all < 3 ? all : 3;
        for (size_t row = 0; row < rows; row += 8) {
            float *c = sums + row * sum_row;
            const bfloat *a = left + row * left_row;
            if (has_half) {
                tk_dots_two_and_half(c, sum_row, a, left_row, right, pairs, accumulates);
            } else if (tiles == 3) {
                tk_dots_three(c, sum_row, a, left_row, right, pairs, accumulates);
            } else if (tiles == 2) {
                tk_dots_two(c, sum_row, a, left_row, right, pairs, accumulates);
            } else {
                tk_dots_one(c, sum_row, a, left_row, right, pairs, accumulates);
            }
        }
        if (columns <= tiles * TK_SIDE) break;
        columns -= tiles * TK_SIDE;
        sums += tiles * TK_SIDE;
        right.tiles += tiles * right.apart;
    }
}

// sums (32, 32) = or += 32 rows of `left` by two tiles side by side, `depth` numbers deep. On tile registers the depth
// is rounded up to a multiple of 32, which both operands fill with zeros.
TK_AMX static inline void tk_square(float *sums, size_t sum_row, const bfloat *left, size_t left_row, tk_right right,
                                    size_t depth, bool accumulates, bool has_tiles) {
    if (!has_tiles) {
        tk_dots(sums, sum_row, left, left_row, 2 * TK_SIDE, right, 2 * TK_SIDE, (depth + 1) / 2, accumulates);
        return;
    }
    const size_t stride = left_row * sizeof *left, line = sum_row * sizeof *sums;
    const bfloat *others = left + TK_SIDE * left_row;
    float *below = sums + TK_SIDE * sum_row;
    if (accumulates) {
        _tile_loadd(0, sums, line);
        _tile_loadd(1, sums + TK_SIDE, line);
        _tile_loadd(2, below, line);
        _tile_loadd(3, below + TK_SIDE, line);
    } else {
        _tile_zero(0), _tile_zero(1), _tile_zero(2), _tile_zero(3);
    }
    for (size_t k = 0; k < depth; k += TK_DEPTH, right.tiles += right.step) {
        _tile_loadd(6, right.tiles, 64);
        _tile_loadd(4, left + k, stride);
        _tile_dpbf16ps(0, 4, 6);
        _tile_loadd(7, right.tiles + right.apart, 64);
        _tile_dpbf16ps(1, 4, 7);
        _tile_loadd(5, others + k, stride);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    _tile_stored(0, sums, line);
    _tile_stored(1, sums + TK_SIDE, line);
    _tile_stored(2, below, line);
    _tile_stored(3, below + TK_SIDE, line);
}

#endif
