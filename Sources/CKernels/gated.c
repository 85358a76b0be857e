// Gated feed-forward activations.
#include "include/tk_gated.h"

#include "half_math.h"
#include "parallel.h"
#include "vector_math.h"

enum { GRAIN = 8192 };

typedef struct gated_context {
    float *out, *out2;
    uint16_t *rounded;  // instead of out
    const float *dy, *x, *up;
    size_t c;
} gated_context;

TK_INLINE void geglu_line(float *restrict out, const float *restrict hidden, const float *restrict gate, size_t n) {
    TK_SIMD for (size_t i = 0; i < n; i++) out[i] = hidden[i] * tk_gelu(gate[i]);
}

TK_KERNEL static void geglu_body(void *context, size_t begin, size_t end, size_t thread) {
    const gated_context *g = context;
    (void)thread;
    for (size_t row = begin; row < end; row++) {
        const float *restrict hidden = g->x + row * 2 * g->c, *restrict gate = hidden + g->c;
        if (!g->rounded) {
            geglu_line(g->out + row * g->c, hidden, gate, g->c);
            continue;
        }
        for (size_t i = 0; i < g->c; i += TK_LINE) {
            float line[TK_LINE];
            const size_t n = g->c - i < TK_LINE ? g->c - i : TK_LINE;
            geglu_line(line, hidden + i, gate + i, n);
            tk_narrow_line(g->rounded + row * g->c + i, line, n);
        }
    }
}

void tk_geglu_forward_f32(float *out, const float *x, size_t rows, size_t c) {
    gated_context context = {.out = out, .x = x, .c = c};
    tk_parallel_for(rows, GRAIN / (c + 1) + 1, geglu_body, &context);
}

void tk_geglu_forward_bf16(uint16_t *out, const float *x, size_t rows, size_t c) {
    gated_context context = {.rounded = out, .x = x, .c = c};
    tk_parallel_for(rows, GRAIN / (c + 1) + 1, geglu_body, &context);
}

TK_KERNEL static void geglu_backward_body(void *context, size_t begin, size_t end, size_t thread) {
    const gated_context *g = context;
    (void)thread;
    for (size_t row = begin; row < end; row++) {
        const float *restrict hidden = g->x + row * 2 * g->c, *restrict gate = hidden + g->c;
        const float *restrict dy = g->dy + row * g->c;
        float *restrict dhidden = g->out + row * 2 * g->c, *restrict dgate = dhidden + g->c;
        TK_SIMD for (size_t i = 0; i < g->c; i++) {
            const float z = gate[i];
            const float phi = 0.5f * (1.0f + tk_erf(z * 0.707106781f));
            dhidden[i] = dy[i] * z * phi;
            dgate[i] = dy[i] * hidden[i] * (phi + z * 0.398942280f * tk_exp(-0.5f * z * z));
        }
    }
}

void tk_geglu_backward_f32(float *dx, const float *dy, const float *x, size_t rows, size_t c) {
    gated_context context = {.out = dx, .dy = dy, .x = x, .c = c};
    tk_parallel_for(rows, GRAIN / (c + 1) + 1, geglu_backward_body, &context);
}

TK_KERNEL static void swiglu_body(void *context, size_t begin, size_t end, size_t thread) {
    const gated_context *g = context;
    (void)thread;
    const float *gate = g->x, *up = g->up;
    float *out = g->out;
    TK_SIMD for (size_t i = begin; i < end; i++) out[i] = tk_silu(gate[i]) * up[i];
}

void tk_swiglu_forward_f32(float *out, const float *gate, const float *up, size_t n) {
    gated_context context = {.out = out, .x = gate, .up = up};
    tk_parallel_for(n, GRAIN, swiglu_body, &context);
}

TK_KERNEL static void swiglu_backward_body(void *context, size_t begin, size_t end, size_t thread) {
    const gated_context *g = context;
    (void)thread;
    const float *restrict gate = g->x, *restrict up = g->up, *restrict dy = g->dy;
    float *restrict dgate = g->out, *restrict dup = g->out2;
    TK_SIMD for (size_t i = begin; i < end; i++) {
        const float z = gate[i], s = tk_sigmoid(z);
        dup[i] = dy[i] * z * s;
        dgate[i] = dy[i] * up[i] * s * (1.0f + z * (1.0f - s));
    }
}

void tk_swiglu_backward_f32(float *dgate, float *dup, const float *dy, const float *gate, const float *up, size_t n) {
    gated_context context = {.out = dgate, .out2 = dup, .dy = dy, .x = gate, .up = up};
    tk_parallel_for(n, GRAIN, swiglu_backward_body, &context);
}
