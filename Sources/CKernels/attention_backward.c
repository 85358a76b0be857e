// Attention backward by recomputation in tiles.
//
// With P = exp(scale q k^T + mask - lse) and delta = sum of dout out over each query's row:
//
//     dv = P^T dout      dS = P (dout v^T - delta)      dq = scale dS k      dk = scale dS^T q
//
// One item is a group of key tiles of one head: dk and dv have a single owner, dq is summed over key tiles in order.
// With few heads the keys are cut into groups (by shape alone), each with its own part of dq, added in order.
#include <math.h>

#include "attention_math.h"
#include "include/tk_attention.h"
#include "parallel.h"
#include "reduction_math.h"
#include "tile_math.h"
#include "vector_math.h"

enum {
    TILE = 96,      // queries and keys to a tile
    LEAST_ITEMS = 8 // items to a batch row, where there are tiles enough
};

typedef struct backward_context {
    const tk_attention_shape *shape;
    tk_attention_strides dk_strides, dv_strides;
    float *dq, *dk, *dv;
    const float *dout, *q, *k, *v, *out, *lse;
    float *partial_dq;  // (batch, head, group, padded query, padded depth), only with several groups
    float *scratch;
    size_t per_thread, groups;
} backward_context;

// Where each part of a thread's scratch begins, in floats. Widths are padded to a multiple of 8, queries to tiles.
typedef struct backward_scratch {
    size_t queries, douts, dq, delta, lse;                 // of a whole head
    size_t keys_by_column, values_by_column, keys, dk, dv;  // of a key tile
    size_t p, ds, end;
} backward_scratch;

static inline backward_scratch backward_layout(const tk_attention_shape *s) {
    const size_t depth = round_up(s->head_dimension, 8), width = round_up(s->value_dimension, 8);
    const size_t queries = round_up(s->queries, TILE);
    backward_scratch at;
    at.queries = 0;
    at.douts = at.queries + queries * depth;
    at.dq = at.douts + queries * width;
    at.delta = at.dq + queries * depth;
    at.lse = at.delta + queries;
    at.keys_by_column = at.lse + queries;
    at.values_by_column = at.keys_by_column + TILE * depth;
    at.keys = at.values_by_column + TILE * width;
    at.dk = at.keys + TILE * depth;
    at.dv = at.dk + TILE * depth;
    at.p = at.dv + TILE * width;
    at.ds = at.p + TILE * TILE;
    at.end = at.ds + TILE * TILE;
    return at;
}

static inline size_t key_tiles(const tk_attention_shape *s) {
    return (s->keys + TILE - 1) / TILE;
}

static inline size_t key_groups(const tk_attention_shape *s) {
    const size_t wanted = (LEAST_ITEMS + s->heads - 1) / s->heads, tiles = key_tiles(s);
    return wanted < tiles ? wanted : tiles ? tiles : 1;
}

static inline size_t partial_size(const tk_attention_shape *s) {
    return round_up(s->queries, TILE) * round_up(s->head_dimension, 8);
}

// P and dS of one pair of tiles, from scores (in base 2) in p and dout v^T in ds.
TK_INLINE void score_gradients(float *restrict p, float *restrict ds, const tk_attention_shape *s, size_t batch,
                               size_t head, size_t query, size_t key, size_t rows, size_t present, const float *lse,
                               const float *delta) {
    for (size_t row = 0; row < TILE; row++) {
        float *restrict line = p + row * TILE, *restrict gradient = ds + row * TILE;
        size_t filled = row < rows ? present : 0;
        if (filled) add_mask(line, s, batch, head, query + row, key, present, -INFINITY);
        const float shift = lse[row], mean = delta[row];
        for (size_t i = 0; i < filled; i++) {
            const float value = tk_exp2_nonpositive(line[i] - shift);
            line[i] = value;
            gradient[i] = value * (gradient[i] - mean);
        }
        for (size_t i = filled; i < TILE; i++) line[i] = gradient[i] = 0.0f;
    }
}

TK_KERNEL static void backward_body(void *context, size_t begin, size_t end, size_t thread) {
    const backward_context *c = context;
    const tk_attention_shape *s = c->shape;
    const backward_scratch at = backward_layout(s);
    float *scratch = c->scratch + thread * c->per_thread;
    float *queries = scratch + at.queries, *douts = scratch + at.douts, *delta = scratch + at.delta;
    float *lse = scratch + at.lse, *keys = scratch + at.keys, *p = scratch + at.p, *ds = scratch + at.ds;
    float *dk = scratch + at.dk, *dv = scratch + at.dv;
    const size_t depth = round_up(s->head_dimension, 8), width = round_up(s->value_dimension, 8);
    const size_t padded = round_up(s->queries, TILE), tiles = key_tiles(s);
    size_t packed = SIZE_MAX;
    for (; begin < end; begin++) {
        const size_t head_index = begin / c->groups, group = begin % c->groups;
        const size_t batch = head_index / s->heads, head = head_index % s->heads;
        float *dq = c->groups > 1 ? c->partial_dq + begin * padded * depth : scratch + at.dq;
        memset(dq, 0, padded * depth * sizeof *dq);
        if (packed != head_index) {
            packed = head_index;
            const float *dout = at_head(c->dout, s->out, batch, head), *out = at_head(c->out, s->out, batch, head);
            tk_tile_copy(queries, depth, at_head(c->q, s->q, batch, head), s->q.t, s->queries, padded,
                         s->head_dimension, s->scale * LOG2_E);
            tk_tile_copy(douts, width, dout, s->out.t, s->queries, padded, s->value_dimension, 1.0f);
            for (size_t i = 0; i < s->queries; i++) {
                const ptrdiff_t row = (ptrdiff_t)i * s->out.t;
                const float kept = c->lse[head_index * s->queries + i];
                delta[i] = tk_run_dot(dout + row, out + row, 0.0f, s->value_dimension);
                lse[i] = kept == -INFINITY ? INFINITY : kept * LOG2_E;  // no key seen: P = 0
            }
        }
        for (size_t tile = group * tiles / c->groups; tile < (group + 1) * tiles / c->groups; tile++) {
            const size_t key = tile * TILE, present = s->keys - key < TILE ? s->keys - key : TILE;
            const float *k = at_head(c->k, s->k, batch, head) + (ptrdiff_t)key * s->k.t;
            const float *v = at_head(c->v, s->v, batch, head) + (ptrdiff_t)key * s->v.t;
            tk_tile_transpose(scratch + at.keys_by_column, k, s->k.t, present, s->head_dimension);
            tk_tile_transpose(scratch + at.values_by_column, v, s->v.t, present, s->value_dimension);
            tk_tile_copy(keys, depth, k, s->k.t, present, TILE, s->head_dimension, 1.0f);
            memset(dk, 0, TILE * depth * sizeof *dk);
            memset(dv, 0, TILE * width * sizeof *dv);
            const size_t columns = round_up(present, TK_TILE_COLUMNS);
            for (size_t query = 0; query < s->queries; query += TILE) {
                const size_t rows = s->queries - query < TILE ? s->queries - query : TILE;
                if (visible_keys(s, query + rows - 1) <= key) continue;
                tk_tile_product(p, TILE, queries + query * depth, depth, 1, scratch + at.keys_by_column, 16,
                                16 * s->head_dimension, rows, columns, s->head_dimension, false);
                tk_tile_product(ds, TILE, douts + query * width, width, 1, scratch + at.values_by_column, 16,
                                16 * s->value_dimension, rows, columns, s->value_dimension, false);
                score_gradients(p, ds, s, batch, head, query, key, rows, present, lse + query, delta + query);
                tk_tile_product(dv, width, p, 1, TILE, douts + query * width, width, 16, present, width, rows, true);
                tk_tile_product(dk, depth, ds, 1, TILE, queries + query * depth, depth, 16, present, depth, rows, true);
                tk_tile_product(dq + query * depth, depth, ds, TILE, 1, keys, depth, 16, rows, depth, present, true);
            }
            float *dk_out = (float *)at_head(c->dk, c->dk_strides, batch, head);
            float *dv_out = (float *)at_head(c->dv, c->dv_strides, batch, head);
            for (size_t row = 0; row < present; row++) {
                float *to_k = dk_out + (ptrdiff_t)(key + row) * c->dk_strides.t;
                float *to_v = dv_out + (ptrdiff_t)(key + row) * c->dv_strides.t;
                for (size_t i = 0; i < s->head_dimension; i++) to_k[i] = dk[row * depth + i] * LN_2;
                for (size_t i = 0; i < s->value_dimension; i++) to_v[i] = dv[row * width + i];
            }
        }
        if (c->groups > 1) continue;
        float *dq_out = (float *)at_head(c->dq, s->q, batch, head);
        for (size_t row = 0; row < s->queries; row++) {
            float *to = dq_out + (ptrdiff_t)row * s->q.t;
            for (size_t i = 0; i < s->head_dimension; i++) to[i] = dq[row * depth + i] * s->scale;
        }
    }
}

// dq = scale times the sum of the groups' parts, in order. One item is a query of one head.
TK_KERNEL static void combine_body(void *context, size_t begin, size_t end, size_t thread) {
    const backward_context *c = context;
    (void)thread;
    const tk_attention_shape *s = c->shape;
    const size_t depth = round_up(s->head_dimension, 8), part = partial_size(s);
    for (; begin < end; begin++) {
        const size_t head_index = begin / s->queries, row = begin % s->queries;
        float *to = (float *)at_head(c->dq, s->q, head_index / s->heads, head_index % s->heads) +
                    (ptrdiff_t)row * s->q.t;
        const float *from = c->partial_dq + head_index * c->groups * part + row * depth;
        for (size_t i = 0; i < s->head_dimension; i++) {
            float sum = 0.0f;
            for (size_t group = 0; group < c->groups; group++) sum += from[group * part + i];
            to[i] = sum * s->scale;
        }
    }
}

size_t tk_attention_backward_scratch(const tk_attention_shape *shape) {
    const size_t groups = key_groups(shape);
    const size_t partial = groups > 1 ? shape->batch * shape->heads * groups * partial_size(shape) : 0;
    return partial + backward_layout(shape).end * (size_t)omp_get_max_threads();
}

void tk_attention_backward_f32(float *dq, float *dk, float *dv, const float *dout, const float *q, const float *k,
                               const float *v, const float *out, const float *lse, const tk_attention_shape *shape,
                               const tk_attention_strides *dk_strides, const tk_attention_strides *dv_strides,
                               float *scratch) {
    backward_context context = {
        .shape = shape, .dk_strides = dk_strides ? *dk_strides : shape->k,
        .dv_strides = dv_strides ? *dv_strides : shape->v, .dq = dq, .dk = dk, .dv = dv, .dout = dout, .q = q, .k = k,
        .v = v, .out = out, .lse = lse, .partial_dq = scratch, .per_thread = backward_layout(shape).end,
        .groups = key_groups(shape),
    };
    const size_t heads = shape->batch * shape->heads;
    context.scratch = scratch + (context.groups > 1 ? heads * context.groups * partial_size(shape) : 0);
    tk_parallel_for(heads * context.groups, 1, backward_body, &context);
    if (context.groups > 1) tk_parallel_for(heads * shape->queries, 256, combine_body, &context);
}
