// Attention of one query a row over the keys of all tokens so far, which stay where they are.
#include "include/tk_matvec.h"
#include "vector_math.h"

typedef struct step_context {
    float *out, *lse, *scratch;
    const float *q, *k, *v;
    const tk_attention_step_shape *shape;
} step_context;

TK_KERNEL static void step_body(void *context, size_t begin, size_t end, size_t thread) {
    const step_context *c = context;
    const tk_attention_step_shape *s = c->shape;
    const size_t depth = s->head_dimension, group = s->heads / s->key_heads;
    float *restrict scores = c->scratch + thread * s->keys;
    for (; begin < end; begin++) {
        const ptrdiff_t batch = (ptrdiff_t)(begin / s->heads), head = (ptrdiff_t)(begin % s->heads);
        const ptrdiff_t shared = head / (ptrdiff_t)group;
        const float *restrict q = c->q + batch * s->q_b + head * s->q_h;
        const float *k = c->k + batch * s->k_b + shared * s->k_h;
        const float *v = c->v + batch * s->v_b + shared * s->v_h;
        float *restrict out = c->out + begin * depth;
        float largest = -INFINITY;
        for (size_t t = 0; t < s->keys; t++) {
            const float *restrict key = k + (ptrdiff_t)t * s->k_t;
            float sum = 0.0f;
            {
#pragma clang fp reassociate(on)
                for (size_t i = 0; i < depth; i++) sum += q[i] * key[i];
            }
            sum *= s->scale;
            if (s->soft_cap > 0.0f) sum = s->soft_cap * tk_tanh(sum / s->soft_cap);
            if (s->mask) sum += s->mask[batch * s->mask_b + (ptrdiff_t)t * s->mask_k];
            scores[t] = sum;
            largest = sum > largest ? sum : largest;
        }
        float total = 0.0f;
        if (largest > -INFINITY) {
#pragma clang fp reassociate(on)
            for (size_t t = 0; t < s->keys; t++) {
                const float p = tk_exp(scores[t] - largest);
                scores[t] = p;
                total += p;
            }
        }
        for (size_t i = 0; i < depth; i++) out[i] = 0.0f;
        if (total > 0.0f) {
            const float scale = 1.0f / total;
            for (size_t t = 0; t < s->keys; t++) {
                const float p = scores[t] * scale;
                const float *restrict value = v + (ptrdiff_t)t * s->v_t;
                for (size_t i = 0; i < depth; i++) out[i] += p * value[i];
            }
        }
        if (c->lse) c->lse[begin] = total > 0.0f ? largest + tk_log(total) : -INFINITY;
    }
}

size_t tk_attention_step_scratch(const tk_attention_step_shape *shape) {
    return shape->keys * (size_t)omp_get_max_threads();
}

void tk_attention_step_f32(float *out, float *lse, const float *q, const float *k, const float *v,
                           const tk_attention_step_shape *shape, float *scratch) {
    step_context context = {out, lse, scratch, q, k, v, shape};
    tk_parallel_for(shape->batch * shape->heads, 1, step_body, &context);
}
