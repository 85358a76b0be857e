// What attention's forward and backward share: addressing, masks, constants.
#pragma once
#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "include/tk_attention.h"
#include "parallel.h"

#define LOG2_E 1.44269504f
#define LN_2 0.693147181f

TK_INLINE size_t round_up(size_t n, size_t multiple) {
    return (n + multiple - 1) / multiple * multiple;
}

TK_INLINE const float *at_head(const float *x, tk_attention_strides strides, size_t batch, size_t head) {
    return x + (ptrdiff_t)batch * strides.b + (ptrdiff_t)head * strides.h;
}

// How many keys, from the first, a query may see.
TK_INLINE size_t visible_keys(const tk_attention_shape *s, size_t query) {
    if (!s->causal) return s->keys;
    const ptrdiff_t last = (ptrdiff_t)query + (ptrdiff_t)s->keys - (ptrdiff_t)s->queries;
    return last < 0 ? 0 : (size_t)last + 1 < s->keys ? (size_t)last + 1 : s->keys;
}

// Adds the mask (in base 2) to one row of scores for keys `key` ..< key + present and writes `hidden` where the causal
// rule hides them.
TK_INLINE void add_mask(float *scores, const tk_attention_shape *s, size_t batch, size_t head, size_t query, size_t key,
                        size_t present, float hidden) {
    if (s->mask) {
        const float *mask = s->mask + (ptrdiff_t)batch * s->mask_b + (ptrdiff_t)head * s->mask_h +
                            (ptrdiff_t)query * s->mask_q + (ptrdiff_t)key * s->mask_k;
        if (s->mask_k == 1) {
            for (size_t i = 0; i < present; i++) scores[i] += mask[i] * LOG2_E;
        } else {
            for (size_t i = 0; i < present; i++) scores[i] += mask[(ptrdiff_t)i * s->mask_k] * LOG2_E;
        }
    }
    if (s->causal) {
        const size_t visible = visible_keys(s, query);
        for (size_t i = visible > key ? visible - key : 0; i < present; i++) scores[i] = hidden;
    }
}
