// Sixteen floats at a time, whatever the width of the processor's registers. They go by address, since not every
// instruction set passes them in registers.
#pragma once
#include <string.h>

#include "parallel.h"

enum { LANES = 16 };

typedef float lanes __attribute__((vector_size(64), aligned(4)));

TK_INLINE void load_lanes(lanes *out, const float *x) { memcpy(out, x, sizeof *out); }

#define FOLDED(V, ...) (__builtin_shufflevector(V, V, __VA_ARGS__))

// Halves are added until one number is left.
TK_INLINE float lane_sum(const lanes *total) {
    const lanes v = *total;
    typedef float four __attribute__((vector_size(16)));
    const four even = FOLDED(v, 0, 1, 2, 3) + FOLDED(v, 8, 9, 10, 11);
    const four odd = FOLDED(v, 4, 5, 6, 7) + FOLDED(v, 12, 13, 14, 15);
    const four sum = even + odd;
    return (sum[0] + sum[2]) + (sum[1] + sum[3]);
}

#undef FOLDED

// Adds lanes that are 1, 2, 4 or 8 apart, of `a` into one half of the places and of `b` into the other.
#define MERGED(A, B, FIRST, SECOND) (FIRST(A, B) + SECOND(A, B))
#define APART_1(A, B) __builtin_shufflevector(A, B, 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30)
#define APART_1_(A, B) __builtin_shufflevector(A, B, 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31)
#define APART_2(A, B) __builtin_shufflevector(A, B, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29)
#define APART_2_(A, B) __builtin_shufflevector(A, B, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31)
#define APART_4(A, B) __builtin_shufflevector(A, B, 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27)
#define APART_4_(A, B) __builtin_shufflevector(A, B, 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31)
#define APART_8(A, B) __builtin_shufflevector(A, B, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23)
#define APART_8_(A, B) __builtin_shufflevector(A, B, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31)

// The sums of sixteen vectors, one a lane; overwrites the vectors.
TK_INLINE void lane_sums(lanes *out, lanes v[LANES]) {
    for (size_t i = 0; i < 8; i++) v[i] = MERGED(v[2 * i], v[2 * i + 1], APART_1, APART_1_);
    for (size_t i = 0; i < 4; i++) v[i] = MERGED(v[2 * i], v[2 * i + 1], APART_2, APART_2_);
    for (size_t i = 0; i < 2; i++) v[i] = MERGED(v[2 * i], v[2 * i + 1], APART_4, APART_4_);
    *out = MERGED(v[0], v[1], APART_8, APART_8_);
}

#undef MERGED
#undef APART_1
#undef APART_1_
#undef APART_2
#undef APART_2_
#undef APART_4
#undef APART_4_
#undef APART_8
#undef APART_8_
