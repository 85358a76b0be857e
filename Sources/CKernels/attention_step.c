// Attention of one query a row over the keys of all tokens so far, which stay where they are. Heads that share keys are
// answered together, so that keys and values are read once for all of them. A head's numbers do not depend on how many
// others are answered with it.
#include "include/tk_matvec.h"
#include "lanes.h"
#include "reduction_math.h"
#include "vector_math.h"

// MOST_HEADS, SLICE: heads that are answered together, and vectors of a value that are summed up together, at most: their
// sums stay in registers. AHEAD: tokens that are fetched ahead, for between the keys of a head lie those of the others.
enum { MOST_HEADS = 4, SLICE = 4, AHEAD = 16 };

typedef struct step_context {
    float *out, *lse, *scratch;
    const float *q, *k, *v;
    const tk_attention_step_shape *shape;
} step_context;

// Up to sixteen numbers, and zeros.
TK_INLINE void load_some(lanes *out, const float *x, size_t count) {
    *out = (lanes){0};
    memcpy(out, x, count * sizeof(float));
}

// scores[head][token] = q[head] · k[token] for up to sixteen tokens.
TK_INLINE void score_tokens(float *restrict scores, size_t keys, const float *restrict q, ptrdiff_t q_h,
                            const float *restrict k, ptrdiff_t k_t, size_t depth, size_t heads, size_t tokens) {
    lanes products[MOST_HEADS][LANES];
    for (size_t t = 0; t < LANES; t++) {
        const float *key = k + (ptrdiff_t)(t < tokens ? t : 0) * k_t;
        lanes sums[MOST_HEADS] = {{0}};
        size_t i = 0;
        for (; i + LANES <= depth; i += LANES) {
            lanes part;
            __builtin_prefetch(key + AHEAD * k_t + i);
            load_lanes(&part, key + i);
            for (size_t h = 0; h < heads; h++) {
                lanes query;
                load_lanes(&query, q + (ptrdiff_t)h * q_h + i);
                sums[h] += query * part;
            }
        }
        if (i < depth) {
            lanes part;
            load_some(&part, key + i, depth - i);
            for (size_t h = 0; h < heads; h++) {
                lanes query;
                load_some(&query, q + (ptrdiff_t)h * q_h + i, depth - i);
                sums[h] += query * part;
            }
        }
        for (size_t h = 0; h < heads; h++) products[h][t] = sums[h];
    }
    for (size_t h = 0; h < heads; h++) {
        lanes sum;
        lane_sums(&sum, products[h]);
        memcpy(scores + h * keys, &sum, tokens * sizeof(float));
    }
}

// Scores become exponentials less the largest.
TK_INLINE void exponentials(float *restrict scores, float *largest, float *total, const float *restrict mask,
                            const tk_attention_step_shape *s) {
    if (s->soft_cap > 0.0f) {
        const float scale = s->scale / s->soft_cap;
        TK_SIMD for (size_t t = 0; t < s->keys; t++) scores[t] = s->soft_cap * tk_tanh(scores[t] * scale);
    } else {
        TK_SIMD for (size_t t = 0; t < s->keys; t++) scores[t] *= s->scale;
    }
    if (mask) {
        for (size_t t = 0; t < s->keys; t++) scores[t] += mask[(ptrdiff_t)t * s->mask_k];
    }
    const float most = tk_run_max(scores, s->keys);  // a NaN spreads
    float sum = 0.0f;
    if (most != -INFINITY) {
#pragma clang fp reassociate(on)
        for (size_t t = 0; t < s->keys; t++) {
            const float p = tk_exp(scores[t] - most);
            scores[t] = p;
            sum += p;
        }
    }
    *largest = most;
    *total = sum;
}

// out[head][channel] = factor[head] Σ p[head][token] v[token][channel], for `vectors` vectors of channels.
TK_INLINE void read_values(float *restrict out, const float *restrict p, const float *restrict v, const float *factors,
                           const tk_attention_step_shape *s, size_t heads, size_t vectors) {
    lanes sums[MOST_HEADS][SLICE] = {{{0}}};
    for (size_t t = 0; t < s->keys; t++, v += s->v_t) {
        for (size_t i = 0; i < vectors; i++) {
            lanes part;
            __builtin_prefetch(v + AHEAD * s->v_t + LANES * i);
            load_lanes(&part, v + LANES * i);
            for (size_t h = 0; h < heads; h++) sums[h][i] += p[h * s->keys + t] * part;
        }
    }
    for (size_t h = 0; h < heads; h++) {
        for (size_t i = 0; i < vectors; i++) {
            const lanes result = sums[h][i] * factors[h];
            memcpy(out + h * s->head_dimension + LANES * i, &result, sizeof result);
        }
    }
}

// The answers of some heads of one row, from `first` on, that share keys.
TK_INLINE void answer(const step_context *c, size_t first, size_t heads, float *restrict scores) {
    const tk_attention_step_shape *s = c->shape;
    const size_t depth = s->head_dimension, group = s->heads / s->key_heads;
    const ptrdiff_t batch = (ptrdiff_t)(first / s->heads), head = (ptrdiff_t)(first % s->heads);
    const ptrdiff_t shared = head / (ptrdiff_t)group;
    const float *q = c->q + batch * s->q_b + head * s->q_h;
    const float *k = c->k + batch * s->k_b + shared * s->k_h;
    const float *v = c->v + batch * s->v_b + shared * s->v_h;
    float *out = c->out + first * depth;
    for (size_t t = 0; t < s->keys; t += LANES) {
        const size_t tokens = s->keys - t < LANES ? s->keys - t : LANES;
        score_tokens(scores + t, s->keys, q, s->q_h, k + (ptrdiff_t)t * s->k_t, s->k_t, depth, heads, tokens);
    }
    float factors[MOST_HEADS] = {0};
    for (size_t h = 0; h < heads; h++) {
        float largest, total;
        exponentials(scores + h * s->keys, &largest, &total, s->mask ? s->mask + batch * s->mask_b : NULL, s);
        factors[h] = total > 0.0f ? 1.0f / total : total;  // none is 0, and a NaN spreads
        if (c->lse) c->lse[first + h] = total > 0.0f ? largest + tk_log(total) : -INFINITY;
        if (total == 0.0f) memset(scores + h * s->keys, 0, s->keys * sizeof(float));
    }
    size_t i = 0;
    for (; i + SLICE * LANES <= depth; i += SLICE * LANES) read_values(out + i, scores, v + i, factors, s, heads, SLICE);
    for (; i + LANES <= depth; i += LANES) read_values(out + i, scores, v + i, factors, s, heads, 1);
    for (; i < depth; i++) {
        for (size_t h = 0; h < heads; h++) {
            float sum = 0.0f;
            for (size_t t = 0; t < s->keys; t++) sum += scores[h * s->keys + t] * v[(ptrdiff_t)t * s->v_t + (ptrdiff_t)i];
            out[h * depth + i] = sum * factors[h];
        }
    }
}

TK_KERNEL static void step_body(void *context, size_t begin, size_t end, size_t thread) {
    const step_context *c = context;
    const tk_attention_step_shape *s = c->shape;
    const size_t group = s->heads / s->key_heads;
    float *scores = c->scratch + thread * MOST_HEADS * s->keys;
    while (begin < end) {
        const size_t sharing = group - begin % s->heads % group;
        const size_t heads = sharing < end - begin ? sharing : end - begin;
        switch (heads) {
            case 1: answer(c, begin, 1, scores); begin += 1; break;
            case 2: answer(c, begin, 2, scores); begin += 2; break;
            case 3: answer(c, begin, 3, scores); begin += 3; break;
            default: answer(c, begin, MOST_HEADS, scores); begin += MOST_HEADS;
        }
    }
}

size_t tk_attention_step_scratch(const tk_attention_step_shape *shape) {
    return MOST_HEADS * shape->keys * (size_t)omp_get_max_threads();
}

void tk_attention_step_f32(float *out, float *lse, const float *q, const float *k, const float *v,
                           const tk_attention_step_shape *shape, float *scratch) {
    step_context context = {out, lse, scratch, q, k, v, shape};
    tk_parallel_for(shape->batch * shape->heads, 1, step_body, &context);
}

void tk_attention_step_heads_f32(float *out, float *lse, const float *q, const float *k, const float *v,
                                 const tk_attention_step_shape *shape, size_t first, size_t count, size_t thread,
                                 float *scratch) {
    step_context context = {out, lse, scratch, q, k, v, shape};
    step_body(&context, first, first + count, thread);
}
