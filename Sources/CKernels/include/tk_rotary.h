// Rotary position embedding.
#pragma once
#include <stdbool.h>
#include <stddef.h>

typedef struct tk_rotary_shape {
    size_t batch, tokens, heads, head_dimension;
    // The first 2 * pairs channels of a head turn, the others stay.
    size_t pairs;
    // Strides of x in elements; channels lie without gaps.
    ptrdiff_t x_b, x_t, x_h;
    // 0 where all rows of the batch share one table of (tokens, pairs).
    ptrdiff_t table_b;
    // Turns back: the transpose, for gradients.
    bool reversed;
} tk_rotary_shape;

// out: (batch, tokens, heads, head_dimension). cosines, sines: (batch or 1, tokens, pairs). With c, s of pair i:
// out[i] = x[i] c - x[i + pairs] s;  out[i + pairs] = x[i + pairs] c + x[i] s.
void tk_rotary_f32(float *out, const float *x, const float *cosines, const float *sines, const tk_rotary_shape *shape);
