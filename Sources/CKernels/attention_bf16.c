// Attention forward with products of bfloat16 tiles: fp32 in and out, scores, softmax and sums in fp32.
//
// One item is a tile of queries of one head, as in attention.c. Keys and values of a head are rounded and packed once a
// thread: keys as [key / 16][depth / 2][key % 16][2], values as [key / 32][column / 16][key / 2 % 16][column % 16][2],
// which is how a tile product reads its right operand.
#include <math.h>

#include "attention_math.h"
#include "attention_tiles.h"
#include "include/tk_attention.h"
#include "include/tk_threads.h"
#include "vector_math.h"

#if TK_HAS_AMX_CODE

enum { QUERIES = 64, KEYS = 512 };

typedef struct context_bf16 {
    const tk_attention_shape *shape;
    float *out, *lse;
    const float *q, *k, *v;
    float *scratch;
    size_t per_thread;
    bool has_tiles;
} context_bf16;

// Where each part of a thread's scratch begins, in floats; bfloat16 parts take half a float an element.
typedef struct scratch_bf16 {
    size_t depth, width, keys;  // padded sizes
    size_t packed_keys, packed_values, queries, scores, weights, sums, end;
} scratch_bf16;

static scratch_bf16 layout_bf16(const tk_attention_shape *s) {
    scratch_bf16 at;
    at.depth = round_up(s->head_dimension, PAIRS);
    at.width = round_up(s->value_dimension, SIDE);
    at.keys = round_up(s->keys, PAIRS);
    at.packed_keys = 0;
    at.packed_values = at.packed_keys + at.keys * at.depth / 2;
    at.queries = at.packed_values + at.keys * at.width / 2;
    at.scores = at.queries + QUERIES * at.depth / 2;
    at.weights = at.scores + QUERIES * KEYS;
    at.sums = at.weights + QUERIES * KEYS / 2;
    at.end = round_up(at.sums + QUERIES * at.width, 64);
    return at;
}

// scores (64 x keys, rows KEYS apart) = queries (64 x depth) by packed keys; `count` is a multiple of 32.
TK_AMX static void score_tiles(float *scores, const bfloat *queries, const bfloat *keys, size_t count,
                               const context_bf16 *c, size_t depth) {
    for (size_t key = 0; key < count; key += 2 * SIDE) {
        const tk_right right = {keys + key * depth, SIDE * depth, TK_TILE};
        for (size_t row = 0; row < QUERIES; row += 2 * SIDE) {
            tk_square(scores + row * KEYS + key, KEYS, queries + row * depth, depth, right, c->shape->head_dimension,
                      false, c->has_tiles);
        }
    }
}

// sums (64 x width) += weights (64 x keys, rows KEYS apart) by packed values; `count` is a multiple of 32.
TK_AMX static void value_tiles(float *sums, const bfloat *weights, const bfloat *values, size_t count,
                               const context_bf16 *context, size_t width) {
    const size_t step = width / SIDE * TK_TILE;
    if (!context->has_tiles) {
        const tk_right right = {values, TK_TILE, step};
        tk_dots(sums, width, weights, KEYS, QUERIES, right, round_up(context->shape->value_dimension, 8), count / 2, true);
        return;
    }
    for (size_t column = 0; column < width; column += SIDE) {
        float *c = sums + column;
        _tile_loadd(0, c, width * 4);
        _tile_loadd(1, c + SIDE * width, width * 4);
        _tile_loadd(2, c + 2 * SIDE * width, width * 4);
        _tile_loadd(3, c + 3 * SIDE * width, width * 4);
        for (size_t key = 0; key < count; key += PAIRS) {
            _tile_loadd(7, values + key / PAIRS * step + column / SIDE * TK_TILE, 64);
            _tile_loadd(4, weights + key, KEYS * 2);
            _tile_dpbf16ps(0, 4, 7);
            _tile_loadd(5, weights + SIDE * KEYS + key, KEYS * 2);
            _tile_dpbf16ps(1, 5, 7);
            _tile_loadd(6, weights + 2 * SIDE * KEYS + key, KEYS * 2);
            _tile_dpbf16ps(2, 6, 7);
            _tile_loadd(4, weights + 3 * SIDE * KEYS + key, KEYS * 2);
            _tile_dpbf16ps(3, 4, 7);
        }
        _tile_stored(0, c, width * 4);
        _tile_stored(1, c + SIDE * width, width * 4);
        _tile_stored(2, c + 2 * SIDE * width, width * 4);
        _tile_stored(3, c + 3 * SIDE * width, width * 4);
    }
}

// One row of scores as rounded weights exp2(score - shift). Returns their sum, as they are before rounding. `count` is a
// multiple of 32.
TK_AMX static inline float exponentials(bfloat *weights, const float *scores, size_t count, float shift) {
    const __m512 shifts = _mm512_set1_ps(shift);
    __m512 sum = _mm512_setzero_ps(), other = sum;
    for (size_t i = 0; i < count; i += 32) {
        const __m512 low = exp2_lanes(_mm512_sub_ps(_mm512_loadu_ps(scores + i), shifts));
        const __m512 high = exp2_lanes(_mm512_sub_ps(_mm512_loadu_ps(scores + i + 16), shifts));
        sum = _mm512_add_ps(sum, low);
        other = _mm512_add_ps(other, high);
        const __m512bh rounded = _mm512_cvtne2ps_pbh(high, low);
        memcpy(weights + i, &rounded, 64);
    }
    return _mm512_reduce_add_ps(_mm512_add_ps(sum, other));
}

// `count` is a multiple of 32.
TK_AMX static inline float largest_score(const float *scores, size_t count, float least) {
    __m512 first = _mm512_set1_ps(least), second = first;
    for (size_t i = 0; i < count; i += 32) {
        first = _mm512_max_ps(first, _mm512_loadu_ps(scores + i));
        second = _mm512_max_ps(second, _mm512_loadu_ps(scores + i + 16));
    }
    return _mm512_reduce_max_ps(_mm512_max_ps(first, second));
}

// One row's weights for the next keys, zeros from `present` up to `padded`. Returns their sum; `correction` is the factor
// for older sums.
//
// Any shift near the maximum will do, for bfloat16 rounds great weights as it rounds small ones: once there is one, it is
// kept, and the maximum is looked for again only where weights would leave the range.
TK_AMX static float weigh(bfloat *weights, float *scores, size_t present, size_t padded, float *shift,
                          float *correction) {
    for (size_t i = present; i < padded; i++) scores[i] = -INFINITY;
    *correction = 1.0f;
    if (*shift > -INFINITY) {
        const float sum = exponentials(weights, scores, padded, *shift);
        if (sum < 0x1p80f) return sum;
    }
    const float largest = largest_score(scores, padded, *shift);
    *correction = tk_exp2_nonpositive(*shift - largest);
    *shift = largest;
    return exponentials(weights, scores, padded, largest);
}

TK_AMX static void body_bf16(void *context, size_t begin, size_t end, size_t thread) {
    const context_bf16 *c = context;
    const tk_attention_shape *s = c->shape;
    const scratch_bf16 at = layout_bf16(s);
    float *scratch = c->scratch + thread * c->per_thread;
    bfloat *keys = (bfloat *)(scratch + at.packed_keys), *values = (bfloat *)(scratch + at.packed_values);
    bfloat *queries = (bfloat *)(scratch + at.queries), *weights = (bfloat *)(scratch + at.weights);
    float *scores = scratch + at.scores, *sums = scratch + at.sums;
    float shift[QUERIES], total[QUERIES];
    const size_t tiles = (s->queries + QUERIES - 1) / QUERIES;
    size_t packed = SIZE_MAX;
    tk_configure_tiles(c->has_tiles);
    for (; begin < end; begin++) {
        const size_t head_index = begin / tiles, batch = head_index / s->heads, head = head_index % s->heads;
        const size_t first = begin % tiles * QUERIES;
        const size_t rows = s->queries - first < QUERIES ? s->queries - first : QUERIES;
        if (packed != head_index) {
            packed = head_index;
            pack_keys(keys, at_head(c->k, s->k, batch, head), s->k.t, s->keys, at.keys, s->head_dimension, at.depth);
            pack_values(values, at_head(c->v, s->v, batch, head), s->v.t, s->keys, at.keys, s->value_dimension,
                        at.width);
        }
        round_rows(queries, at_head(c->q, s->q, batch, head) + (ptrdiff_t)first * s->q.t, s->q.t, rows, QUERIES,
                   s->head_dimension, at.depth, s->scale * LOG2_E);
        for (size_t row = 0; row < QUERIES; row++) {
            shift[row] = -INFINITY;
            total[row] = 0.0f;
        }
        memset(sums, 0, QUERIES * at.width * sizeof(float));
        for (size_t key = 0; key < s->keys; key += KEYS) {
            const size_t present = s->keys - key < KEYS ? s->keys - key : KEYS, padded = round_up(present, PAIRS);
            score_tiles(scores, queries, keys + key * at.depth, padded, c, at.depth);
            for (size_t row = 0; row < QUERIES; row++) {
                float correction;
                const float sum =
                    weigh(weights + row * KEYS, scores + row * KEYS, present, padded, &shift[row], &correction);
                total[row] = total[row] * correction + sum;
                if (correction != 1.0f && key > 0) {
                    const __m512 factor = _mm512_set1_ps(correction);
                    for (size_t i = 0; i < at.width; i += 16) {
                        float *x = sums + row * at.width + i;
                        _mm512_storeu_ps(x, _mm512_mul_ps(_mm512_loadu_ps(x), factor));
                    }
                }
            }
            value_tiles(sums, weights, values + key * at.width, padded, c, at.width);
        }
        for (size_t row = 0; row < rows; row++) {
            float *out = (float *)at_head(c->out, s->out, batch, head) + (ptrdiff_t)(first + row) * s->out.t;
            const float scale = 1.0f / total[row];
            for (size_t i = 0; i < s->value_dimension; i++) out[i] = sums[row * at.width + i] * scale;
            if (c->lse) c->lse[head_index * s->queries + first + row] = shift[row] * LN_2 + tk_log(total[row]);
        }
    }
    tk_release_tiles(c->has_tiles);
}

bool tk_attention_forward_bf16_fits(const tk_attention_shape *shape) {
    return tk_multiplies_bfloat16() && !shape->causal && !shape->mask && shape->keys > 0;
}

size_t tk_attention_forward_bf16_scratch(const tk_attention_shape *shape) {
    return layout_bf16(shape).end * (size_t)omp_get_max_threads();
}

void tk_attention_forward_bf16(float *out, float *lse, const float *q, const float *k, const float *v,
                               const tk_attention_shape *shape, float *scratch) {
    context_bf16 context = {shape, out, lse, q, k, v, scratch, layout_bf16(shape).end, tk_has_amx()};
    const size_t tiles = (shape->queries + QUERIES - 1) / QUERIES;
    tk_parallel_for(shape->batch * shape->heads * tiles, 1, body_bf16, &context);
}

#else

bool tk_attention_forward_bf16_fits(const tk_attention_shape *shape) { (void)shape; return false; }
size_t tk_attention_forward_bf16_scratch(const tk_attention_shape *shape) { (void)shape; return 0; }
void tk_attention_forward_bf16(float *out, float *lse, const float *q, const float *k, const float *v,
                               const tk_attention_shape *shape, float *scratch) {
    tk_attention_forward_f32(out, lse, q, k, v, shape, scratch);
}

#endif
