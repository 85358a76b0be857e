// What attention's forward and backward in bfloat16 share: operands rounded and packed, exponentials.
#pragma once
#include <math.h>

#include "attention_math.h"
#include "tile_products.h"

#if TK_HAS_AMX_CODE

enum { SIDE = TK_SIDE, PAIRS = TK_DEPTH };

TK_AMX static inline void round16(bfloat *out, const float *x, size_t count, float scale) {
    const __mmask16 mask = count >= 16 ? 0xffff : (__mmask16)((1u << count) - 1);
    const __m512 values = _mm512_mul_ps(_mm512_maskz_loadu_ps(mask, x), _mm512_set1_ps(scale));
    const __m256bh rounded = _mm512_cvtneps_pbh(values);
    memcpy(out, &rounded, 32);
}

// Rows of x, scaled and rounded, zeros after `columns` and after `rows`: (all_rows, width).
TK_AMX static inline void round_rows(bfloat *out, const float *x, ptrdiff_t row, size_t rows, size_t all_rows,
                                     size_t columns, size_t width, float scale) {
    for (size_t i = 0; i < all_rows; i++) {
        for (size_t j = 0; j < width; j += 16) {
            const size_t count = i < rows && j < columns ? columns - j : 0;
            round16(out + i * width + j, x + (count ? (ptrdiff_t)i * row + (ptrdiff_t)j : 0), count, scale);
        }
    }
}

TK_AMX static inline void pack_keys(bfloat *out, const float *k, ptrdiff_t row, size_t keys, size_t all_keys,
                                    size_t columns, size_t depth) {
    bfloat line[32];
    for (size_t key = 0; key < all_keys; key++) {
        bfloat *block = out + key / SIDE * SIDE * depth + key % SIDE * 2;
        for (size_t j = 0; j < depth; j += 16) {
            const size_t count = key < keys && j < columns ? columns - j : 0;
            round16(line, k + (count ? (ptrdiff_t)key * row + (ptrdiff_t)j : 0), count, 1.0f);
            for (size_t pair = 0; pair < 8; pair++) memcpy(block + (j / 2 + pair) * PAIRS, line + pair * 2, 4);
        }
    }
}

TK_AMX static inline void pack_values(bfloat *out, const float *v, ptrdiff_t row, size_t keys, size_t all_keys,
                                      size_t columns, size_t width) {
    const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                                           21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    bfloat lines[32];
    for (size_t key = 0; key < all_keys; key += 2) {
        for (size_t j = 0; j < width; j += SIDE) {
            for (size_t i = 0; i < 2; i++) {
                const size_t count = key + i < keys && j < columns ? columns - j : 0;
                round16(lines + i * SIDE, v + (count ? (ptrdiff_t)(key + i) * row + (ptrdiff_t)j : 0), count, 1.0f);
            }
            const __m512i mixed = _mm512_permutexvar_epi16(order, _mm512_loadu_si512(lines));
            bfloat *tile = out + (key / PAIRS * (width / SIDE) + j / SIDE) * (SIDE * PAIRS);
            _mm512_storeu_si512(tile + key % PAIRS / 2 * PAIRS, mixed);
        }
    }
}

// 2^x, sixteen at a time: a cubic in what x is above its floor, by which `scalef` raises it. A cubic would not do for
// fp32, but its error, 1e-4, is below bfloat16's 4e-3.
TK_AMX static inline __m512 exp2_lanes(__m512 x) {
    const __m512 r = _mm512_reduce_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
    __m512 p = _mm512_fmadd_ps(_mm512_set1_ps(0.078024828f), r, _mm512_set1_ps(0.22606674f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.69583366f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.99992522f));
    return _mm512_scalef_ps(p, x);
}

#endif
