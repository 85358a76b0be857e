// Attention backward with products of bfloat16 tiles, by the formulas of attention_backward.c: P, dS and all
// sums in fp32, rounded where a product reads them.
//
// One item is a head. Scores are made the other way round, keys by queries: so each of their rows is what the gradients
// of keys and values read, and pairs of rows are what that of the queries reads.
#include <math.h>

#include "attention_math.h"
#include "attention_tiles.h"
#include "include/tk_attention.h"
#include "include/tk_threads.h"
#include "reduction_math.h"
#include "tile_words.h"

#if TK_HAS_AMX_CODE

enum { BLOCK = 32 };

typedef struct context {
    const tk_attention_shape *shape;
    float *dq, *dk, *dv;
    const float *dout, *q, *k, *v, *out, *lse;
    float *scratch;
    size_t per_thread;
    bool has_tiles;
} context;

// Where each part of a thread's scratch begins, in floats; bfloat16 parts take half a float an element.
typedef struct parts {
    size_t depth, width, queries;  // padded sizes
    // Of a head: queries and gradients as columns and as pairs of rows, sums of dq, (query / 16, depth, 16).
    size_t query_columns, query_pairs, dout_columns, dout_pairs, dq, delta, lse;
    // Of a block of keys: rows, and keys by depth.
    size_t keys, values, key_columns, dk, dv;
    size_t scores, gradients, weights, changes, change_pairs, end;
} parts;

static parts layout(const tk_attention_shape *s) {
    parts at;
    at.depth = round_up(s->head_dimension, PAIRS);
    at.width = round_up(s->value_dimension, PAIRS);
    at.queries = round_up(s->queries, BLOCK);
    at.query_columns = 0;
    at.query_pairs = at.query_columns + at.queries * at.depth / 2;
    at.dout_columns = at.query_pairs + at.queries * at.depth / 2;
    at.dout_pairs = at.dout_columns + at.queries * at.width / 2;
    at.dq = at.dout_pairs + at.queries * at.width / 2;
    at.delta = at.dq + at.queries * at.depth;
    at.lse = at.delta + at.queries;
    at.keys = at.lse + at.queries;
    at.values = at.keys + BLOCK * at.depth / 2;
    at.key_columns = at.values + BLOCK * at.width / 2;
    at.dk = at.key_columns + BLOCK * at.depth / 2;
    at.dv = at.dk + BLOCK * at.depth;
    at.scores = at.dv + BLOCK * at.width;
    at.gradients = at.scores + BLOCK * BLOCK;
    at.weights = at.gradients + BLOCK * BLOCK;
    at.changes = at.weights + BLOCK * BLOCK / 2;
    at.change_pairs = at.changes + BLOCK * BLOCK / 2;
    at.end = round_up(at.change_pairs + BLOCK * BLOCK / 2, 64);
    return at;
}

// out (32, 32) = rows (32 x depth) by two groups of 16 packed columns.
TK_AMX static inline void square(float *out, const bfloat *rows, const bfloat *columns, size_t depth, bool has_tiles) {
    const tk_right right = {columns, SIDE * depth, TK_TILE};
    tk_square(out, BLOCK, rows, depth, right, depth, false, has_tiles);
}

// sums (32 x width) += rows (32 x 32) by 32 packed rows of `width`.
TK_AMX static inline void add_rows(float *sums, const bfloat *rows, const bfloat *pairs, size_t width, bool has_tiles) {
    for (size_t column = 0; column < width; column += BLOCK) {
        const tk_right right = {pairs + column / SIDE * TK_TILE, TK_TILE, 0};
        tk_square(sums + column, width, rows, BLOCK, right, BLOCK, true, has_tiles);
    }
}

// Two groups of 16 queries' sums (depth, 16) += keys by depth (depth x 32) by 32 packed rows of 16 and 16.
TK_AMX static inline void add_columns(float *sums, const bfloat *columns, const bfloat *pairs, size_t depth,
                                      bool has_tiles) {
    float *second = sums + SIDE * depth;
    if (!has_tiles) {
        tk_dots(sums, SIDE, columns, BLOCK, depth, (tk_right){pairs, 0, 0}, SIDE, SIDE, true);
        tk_dots(second, SIDE, columns, BLOCK, depth, (tk_right){pairs + TK_TILE, 0, 0}, SIDE, SIDE, true);
        return;
    }
    _tile_loadd(6, pairs, 64);
    _tile_loadd(7, pairs + TK_TILE, 64);
    for (size_t d = 0; d < depth; d += SIDE) {
        _tile_loadd(4, columns + d * BLOCK, BLOCK * 2);
        _tile_loadd(0, sums + d * SIDE, 64);
        _tile_loadd(1, second + d * SIDE, 64);
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_stored(0, sums + d * SIDE, 64);
        _tile_stored(1, second + d * SIDE, 64);
    }
}

// P and dS of a block, from scores (in base 2) and v dout^T, as rows, and dS as pairs of rows, too.
TK_AMX static inline void score_gradients(bfloat *weights, bfloat *changes, bfloat *pairs, const float *scores,
                                          const float *gradients, const float *lse, const float *delta,
                                          size_t present) {
    const __m512 shifts[2] = {_mm512_loadu_ps(lse), _mm512_loadu_ps(lse + SIDE)};
    const __m512 means[2] = {_mm512_loadu_ps(delta), _mm512_loadu_ps(delta + SIDE)};
    const __m512i low = _mm512_set_epi16(47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40, 8, 39, 7, 38, 6,
                                         37, 5, 36, 4, 35, 3, 34, 2, 33, 1, 32, 0);
    const __m512i high = _mm512_add_epi16(low, _mm512_set1_epi16(SIDE));
    __m512i before = _mm512_setzero_si512();
    for (size_t key = 0; key < BLOCK; key++) {
        __m512 p[2], ds[2];
        for (size_t side = 0; side < 2; side++) {
            const size_t place = key * BLOCK + side * SIDE;
            p[side] = exp2_lanes(_mm512_sub_ps(_mm512_loadu_ps(scores + place), shifts[side]));
            if (key >= present) p[side] = _mm512_setzero_ps();
            ds[side] = _mm512_mul_ps(p[side], _mm512_sub_ps(_mm512_loadu_ps(gradients + place), means[side]));
        }
        const __m512bh row = _mm512_cvtne2ps_pbh(p[1], p[0]);
        memcpy(weights + key * BLOCK, &row, sizeof row);
        const __m512i change = (__m512i)_mm512_cvtne2ps_pbh(ds[1], ds[0]);
        _mm512_storeu_si512(changes + key * BLOCK, change);
        if (key % 2) {
            bfloat *pair = pairs + key / 2 * PAIRS;
            _mm512_storeu_si512(pair, _mm512_permutex2var_epi16(before, low, change));
            _mm512_storeu_si512(pair + TK_TILE, _mm512_permutex2var_epi16(before, high, change));
        }
        before = change;
    }
}

// Keys by depth, from pairs of keys packed as values are.
TK_AMX static inline void turn_keys(bfloat *columns, const float *k, ptrdiff_t row, size_t keys, size_t dimension,
                                    size_t depth) {
    pack_values(columns, k, row, keys, BLOCK, dimension, depth);
    for (size_t d = 0; d < depth; d += SIDE) {
        bfloat *tile = columns + d / SIDE * TK_TILE;
        __m512i words[SIDE];
        for (size_t i = 0; i < SIDE; i++) words[i] = _mm512_loadu_si512(tile + i * PAIRS);
        tk_transpose_words(words);
        for (size_t i = 0; i < SIDE; i++) _mm512_storeu_si512(tile + i * PAIRS, words[i]);
    }
}

TK_AMX static void body(void *data, size_t begin, size_t end, size_t thread) {
    const context *c = data;
    const tk_attention_shape *s = c->shape;
    const parts at = layout(s);
    float *scratch = c->scratch + thread * c->per_thread;
    bfloat *query_columns = (bfloat *)(scratch + at.query_columns), *query_pairs = (bfloat *)(scratch + at.query_pairs);
    bfloat *dout_columns = (bfloat *)(scratch + at.dout_columns), *dout_pairs = (bfloat *)(scratch + at.dout_pairs);
    bfloat *keys = (bfloat *)(scratch + at.keys), *values = (bfloat *)(scratch + at.values);
    bfloat *key_columns = (bfloat *)(scratch + at.key_columns), *weights = (bfloat *)(scratch + at.weights);
    bfloat *changes = (bfloat *)(scratch + at.changes), *change_pairs = (bfloat *)(scratch + at.change_pairs);
    float *scores = scratch + at.scores, *gradients = scratch + at.gradients, *dq = scratch + at.dq;
    float *delta = scratch + at.delta, *lse = scratch + at.lse, *dk = scratch + at.dk, *dv = scratch + at.dv;
    tk_configure_tiles(c->has_tiles);
    for (; begin < end; begin++) {
        const size_t batch = begin / s->heads, head = begin % s->heads;
        const float *q = at_head(c->q, s->q, batch, head), *dout = at_head(c->dout, s->out, batch, head);
        const float *out = at_head(c->out, s->out, batch, head);
        // The forward pass rounds queries after scaling them.
        const ptrdiff_t line = (ptrdiff_t)s->head_dimension;
        for (size_t i = 0; i < s->queries; i++) {
            const float *from = q + (ptrdiff_t)i * s->q.t;
            float *to = dq + (ptrdiff_t)i * line;
            for (size_t d = 0; d < s->head_dimension; d++) to[d] = from[d] * (s->scale * LOG2_E);
        }
        pack_keys(query_columns, dq, line, s->queries, at.queries, s->head_dimension, at.depth);
        pack_values(query_pairs, dq, line, s->queries, at.queries, s->head_dimension, at.depth);
        pack_keys(dout_columns, dout, s->out.t, s->queries, at.queries, s->value_dimension, at.width);
        pack_values(dout_pairs, dout, s->out.t, s->queries, at.queries, s->value_dimension, at.width);
        for (size_t i = 0; i < at.queries; i++) {
            const ptrdiff_t row = (ptrdiff_t)i * s->out.t;
            const bool is_there = i < s->queries;
            delta[i] = is_there ? tk_run_dot(dout + row, out + row, 0.0f, s->value_dimension) : 0.0f;
            lse[i] = is_there ? c->lse[begin * s->queries + i] * LOG2_E : INFINITY;
        }
        memset(dq, 0, at.queries * at.depth * sizeof *dq);
        for (size_t key = 0; key < s->keys; key += BLOCK) {
            const size_t present = s->keys - key < BLOCK ? s->keys - key : BLOCK;
            const float *k = at_head(c->k, s->k, batch, head) + (ptrdiff_t)key * s->k.t;
            const float *v = at_head(c->v, s->v, batch, head) + (ptrdiff_t)key * s->v.t;
            round_rows(keys, k, s->k.t, present, BLOCK, s->head_dimension, at.depth, 1.0f);
            round_rows(values, v, s->v.t, present, BLOCK, s->value_dimension, at.width, 1.0f);
            turn_keys(key_columns, k, s->k.t, present, s->head_dimension, at.depth);
            memset(dk, 0, BLOCK * at.depth * sizeof *dk);
            memset(dv, 0, BLOCK * at.width * sizeof *dv);
            for (size_t query = 0; query < at.queries; query += BLOCK) {
                square(scores, keys, query_columns + query * at.depth, at.depth, c->has_tiles);
                square(gradients, values, dout_columns + query * at.width, at.width, c->has_tiles);
                score_gradients(weights, changes, change_pairs, scores, gradients, lse + query, delta + query, present);
                add_rows(dv, weights, dout_pairs + query * at.width, at.width, c->has_tiles);
                add_rows(dk, changes, query_pairs + query * at.depth, at.depth, c->has_tiles);
                add_columns(dq + query * at.depth, key_columns, change_pairs, at.depth, c->has_tiles);
            }
            float *to_k = (float *)at_head(c->dk, s->k, batch, head) + (ptrdiff_t)key * s->k.t;
            float *to_v = (float *)at_head(c->dv, s->v, batch, head) + (ptrdiff_t)key * s->v.t;
            for (size_t row = 0; row < present; row++, to_k += s->k.t, to_v += s->v.t) {
                for (size_t i = 0; i < s->head_dimension; i++) to_k[i] = dk[row * at.depth + i] * LN_2;
                for (size_t i = 0; i < s->value_dimension; i++) to_v[i] = dv[row * at.width + i];
            }
        }
        float *to = (float *)at_head(c->dq, s->q, batch, head);
        for (size_t i = 0; i < s->queries; i++, to += s->q.t) {
            const float *from = dq + i / SIDE * SIDE * at.depth + i % SIDE;
            for (size_t d = 0; d < s->head_dimension; d++) to[d] = from[d * SIDE] * s->scale;
        }
    }
    tk_release_tiles(c->has_tiles);
}

size_t tk_attention_backward_bf16_scratch(const tk_attention_shape *shape) {
    return layout(shape).end * (size_t)omp_get_max_threads();
}

void tk_attention_backward_bf16(float *dq, float *dk, float *dv, const float *dout, const float *q, const float *k,
                                const float *v, const float *out, const float *lse, const tk_attention_shape *shape,
                                float *scratch) {
    context c = {shape, dq, dk, dv, dout, q, k, v, out, lse, scratch, layout(shape).end, tk_has_amx()};
    tk_parallel_for(shape->batch * shape->heads, 1, body, &c);
}

#else

size_t tk_attention_backward_bf16_scratch(const tk_attention_shape *shape) { (void)shape; return 0; }
void tk_attention_backward_bf16(float *dq, float *dk, float *dv, const float *dout, const float *q, const float *k,
                                const float *v, const float *out, const float *lse, const tk_attention_shape *shape,
                                float *scratch) {
    tk_attention_backward_f32(dq, dk, dv, dout, q, k, v, out, lse, shape, NULL, NULL, scratch);
}

#endif
