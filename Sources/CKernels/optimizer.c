// Fused optimiser steps: one pass over parameters, moments and, when asked, their moving average.
#include "include/tk_optimizer.h"

#include "parallel.h"
#include "vector_math.h"

enum { GRAIN = 16384 };

typedef struct adam_context {
    float *p_out, *m_out, *v_out, *ema_out;
    const float *p, *m, *v, *ema, *g;
    const tk_adam *settings;
} adam_context;

TK_INLINE void adam_range(const adam_context *c, size_t begin, size_t end, bool decoupled, bool average) {
    const tk_adam *s = c->settings;
    const float beta1 = 1.0f - s->beta1, beta2 = s->beta2, fresh = 1.0f - s->beta2, epsilon = s->epsilon;
    const float decay = s->weight_decay, shrink = 1.0f - s->learning_rate * s->weight_decay;
    const float step = (float)(s->learning_rate / s->bias_correction1);
    const float correction = (float)__builtin_elementwise_sqrt(s->bias_correction2);
    const float keep = s->ema_decay, blend = 1.0f - s->ema_decay;
    float *p_out = c->p_out, *m_out = c->m_out, *v_out = c->v_out, *ema_out = c->ema_out;
    const float *ps = c->p, *ms = c->m, *vs = c->v, *emas = c->ema, *gs = c->g;
    TK_SIMD for (size_t i = begin; i < end; i++) {
        float p = ps[i], g = gs[i];
        if (decoupled) {
            p *= shrink;
        } else {
            g += decay * p;
        }
        const float m = ms[i] + beta1 * (g - ms[i]);
        const float v = beta2 * vs[i] + fresh * g * g;
        p -= step * (m / (tk_sqrt(v) / correction + epsilon));
        p_out[i] = p;
        m_out[i] = m;
        v_out[i] = v;
        if (average) ema_out[i] = keep * emas[i] + blend * p;
    }
}

TK_KERNEL static void adam_body(void *context, size_t begin, size_t end, size_t thread) {
    const adam_context *c = context;
    (void)thread;
    const bool average = c->ema_out != NULL;
    if (c->settings->decoupled && average) {
        adam_range(c, begin, end, true, true);
    } else if (c->settings->decoupled) {
        adam_range(c, begin, end, true, false);
    } else if (average) {
        adam_range(c, begin, end, false, true);
    } else {
        adam_range(c, begin, end, false, false);
    }
}

void tk_adam_step_f32(float *p_out, float *m_out, float *v_out, float *ema_out, const float *p, const float *m,
                      const float *v, const float *ema, const float *g, size_t n, const tk_adam *settings) {
    adam_context context = {p_out, m_out, v_out, ema_out, p, m, v, ema, g, settings};
    tk_parallel_for(n, GRAIN, adam_body, &context);
}
