// Attention forward: tiles of queries against tiles of keys with a running maximum and sum.
//
// One item is a tile of queries of one head. A thread packs the keys and values of a head when it first meets it, and
// keeps them for the head's other tiles. Scores live in base 2: the queries carry scale * log2(e).
#include "include/tk_attention.h"

#include <math.h>

#include "attention_math.h"
#include "parallel.h"
#include "reduction_math.h"
#include "tile_math.h"
#include "vector_math.h"

enum { QUERY_TILE = 96 };

typedef struct forward_context {
    const tk_attention_shape *shape;
    float *out, *lse;
    const float *q, *k, *v;
    float *scratch;
    size_t per_thread;
} forward_context;

// Keys to a tile: the tile's keys and values together stay in the second-level cache.
static inline size_t key_tile(const tk_attention_shape *shape) {
    const size_t wide = shape->head_dimension > shape->value_dimension ? shape->head_dimension : shape->value_dimension;
    const size_t tile = wide <= 160 ? 256 : wide <= 320 ? 128 : 64;
    const size_t keys = round_up(shape->keys, TK_TILE_COLUMNS);
    return keys < tile ? keys : tile;
}

// Where each part of a thread's scratch begins, in floats; `end` is its size.
typedef struct forward_scratch {
    size_t keys, values, queries, scores, sums, maximum, total, end;
} forward_scratch;

static inline forward_scratch forward_layout(const tk_attention_shape *shape) {
    const size_t tile = key_tile(shape), keys = tile ? round_up(shape->keys, tile) : 0;
    forward_scratch at;
    at.keys = 0;
    at.values = at.keys + round_up(keys * shape->head_dimension, 16);
    at.queries = at.values + round_up(keys * round_up(shape->value_dimension, 8), 16);
    at.scores = at.queries + round_up(QUERY_TILE * shape->head_dimension, 16);
    at.sums = at.scores + QUERY_TILE * tile;
    at.maximum = at.sums + QUERY_TILE * round_up(shape->value_dimension, 8);
    at.total = at.maximum + QUERY_TILE;
    at.end = at.total + QUERY_TILE;
    return at;
}

// Values of a head, by key tiles, each in panels of 16 columns: out[tile][panel][key][column].
TK_INLINE void pack_values(float *restrict out, const float *restrict v, ptrdiff_t row, size_t keys, size_t tile,
                           size_t columns) {
    const size_t width = round_up(columns, 8);
    for (size_t key = 0; key < keys; key++) {
        float *base = out + key / tile * tile * width;
        const float *x = v + (ptrdiff_t)key * row;
        for (size_t column = 0; column < width; column += TK_TILE_COLUMNS) {
            const size_t span = width - column < TK_TILE_COLUMNS ? width - column : TK_TILE_COLUMNS;
            float *line = base + column * tile + key % tile * span;
            for (size_t i = 0; i < span; i++) line[i] = column + i < columns ? x[column + i] : 0.0f;
        }
    }
}

// sums (rows x width) += p (rows x keys) v for one key tile; panels of v are dense.
TK_INLINE void add_values(float *sums, size_t width, const float *p, size_t tile, const float *v, size_t rows,
                          size_t keys) {
    for (size_t column = 0; column < width; column += TK_TILE_COLUMNS) {
        const float *panel = v + column * tile;
        for (size_t row = 0; row < rows; row += TK_TILE_ROWS) {
            if (width - column >= TK_TILE_COLUMNS) {
                tk_block_6x16(sums + row * width + column, width, p + row * tile, tile, 1, panel, 16, keys, true);
            } else {
                tk_block_6x8(sums + row * width + column, width, p + row * tile, tile, 1, panel, 8, keys, true);
            }
        }
    }
}

// Turns one row of scores into exp2(score - maximum), after raising the maximum; returns the sum of the row.
// `correction` is the factor for what was summed under the old maximum.
TK_INLINE float exponentiate(float *scores, size_t keys, float *maximum, float *correction) {
    float largest = tk_run_max(scores, keys);
    largest = largest > *maximum ? largest : *maximum;
    if (largest == -INFINITY) {  // every key so far is hidden
        for (size_t i = 0; i < keys; i++) scores[i] = 0.0f;
        *correction = 1.0f;
        return 0.0f;
    }
    *correction = tk_exp2_nonpositive(*maximum - largest);
    *maximum = largest;
    float sum = 0.0f;
    {
#pragma clang fp reassociate(on)
        for (size_t i = 0; i < keys; i++) {
            const float p = tk_exp2_nonpositive(scores[i] - largest);
            scores[i] = p;
            sum += p;
        }
    }
    return sum;
}

TK_KERNEL static void forward_body(void *context, size_t begin, size_t end, size_t thread) {
    const forward_context *c = context;
    const tk_attention_shape *s = c->shape;
    const forward_scratch at = forward_layout(s);
    float *scratch = c->scratch + thread * c->per_thread;
    float *keys = scratch + at.keys, *values = scratch + at.values, *queries = scratch + at.queries;
    float *scores = scratch + at.scores, *sums = scratch + at.sums;
    float *maximum = scratch + at.maximum, *total = scratch + at.total;
    const size_t tiles = (s->queries + QUERY_TILE - 1) / QUERY_TILE, tile = key_tile(s);
    const size_t depth = s->head_dimension, width = round_up(s->value_dimension, 8);
    size_t packed = SIZE_MAX;
    for (; begin < end; begin++) {
        const size_t head_index = begin / tiles, batch = head_index / s->heads, head = head_index % s->heads;
        const size_t first = begin % tiles * QUERY_TILE;
        const size_t rows = s->queries - first < QUERY_TILE ? s->queries - first : QUERY_TILE;
        if (packed != head_index) {
            packed = head_index;
            tk_tile_transpose(keys, at_head(c->k, s->k, batch, head), s->k.t, s->keys, depth);
            pack_values(values, at_head(c->v, s->v, batch, head), s->v.t, s->keys, tile, s->value_dimension);
        }
        tk_tile_copy(queries, depth, at_head(c->q, s->q, batch, head) + (ptrdiff_t)first * s->q.t, s->q.t, rows,
                     round_up(rows, TK_TILE_ROWS), depth, s->scale * LOG2_E);
        for (size_t row = 0; row < rows; row++) {
            maximum[row] = -INFINITY;
            total[row] = 0.0f;
        }
        for (size_t i = 0; i < round_up(rows, TK_TILE_ROWS) * width; i++) sums[i] = 0.0f;
        for (size_t key = 0; key < s->keys; key += tile) {
            if (visible_keys(s, first + rows - 1) <= key) break;
            const size_t present = s->keys - key < tile ? s->keys - key : tile;
            tk_tile_product(scores, tile, queries, depth, 1, keys + key * depth, TK_TILE_COLUMNS,
                            TK_TILE_COLUMNS * depth, rows, round_up(present, TK_TILE_COLUMNS), depth, false);
            for (size_t row = 0; row < rows; row++) {
                float *line = scores + row * tile;
                add_mask(line, s, batch, head, first + row, key, present, -INFINITY);
                float correction;
                const float sum = exponentiate(line, present, &maximum[row], &correction);
                total[row] = total[row] * correction + sum;
                if (correction != 1.0f) {
                    for (size_t i = 0; i < width; i++) sums[row * width + i] *= correction;
                }
            }
            for (size_t i = rows * tile; i < round_up(rows, TK_TILE_ROWS) * tile; i++) scores[i] = 0.0f;
            add_values(sums, width, scores, tile, values + key * width, rows, present);
        }
        for (size_t row = 0; row < rows; row++) {
            float *out = (float *)at_head(c->out, s->out, batch, head) + (ptrdiff_t)(first + row) * s->out.t;
            const float scale = total[row] > 0.0f || total[row] != total[row] ? 1.0f / total[row] : 0.0f;
            for (size_t i = 0; i < s->value_dimension; i++) out[i] = sums[row * width + i] * scale;
            if (c->lse) {
                c->lse[head_index * s->queries + first + row] =
                    total[row] > 0.0f ? maximum[row] * LN_2 + tk_log(total[row]) : -INFINITY;
            }
        }
    }
}

size_t tk_attention_forward_scratch(const tk_attention_shape *shape) {
    return forward_layout(shape).end * (size_t)omp_get_max_threads();
}

void tk_attention_forward_f32(float *out, float *lse, const float *q, const float *k, const float *v,
                              const tk_attention_shape *shape, float *scratch) {
    forward_context context = {shape, out, lse, q, k, v, scratch, forward_layout(shape).end};
    const size_t tiles = (shape->queries + QUERY_TILE - 1) / QUERY_TILE;
    tk_parallel_for(shape->batch * shape->heads * tiles, 1, forward_body, &context);
}
