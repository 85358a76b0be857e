// Products of a few vectors with a matrix: every weight is read once, so memory sets the pace.
#include "include/tk_matvec.h"

#include "half_math.h"

enum { GRAIN = 16 };

typedef struct matvec_context {
    float *y;
    const float *x, *bias;
    const void *w;
    size_t m, n, k;
} matvec_context;

// Defines the product with weights of one type; WIDEN makes a float of a weight.
#define MATVEC(NAME, TYPE, WIDEN)                                                                            \
    TK_KERNEL static void NAME##_body(void *context, size_t begin, size_t end, size_t thread) {              \
        const matvec_context *c = context;                                                                   \
        (void)thread;                                                                                        \
        for (size_t row = begin; row < end; row++) {                                                         \
            const TYPE *restrict w = (const TYPE *)c->w + row * c->k;                                        \
            for (size_t i = 0; i < c->m; i++) {                                                              \
                const float *restrict x = c->x + i * c->k;                                                   \
                float sum = 0.0f;                                                                            \
                {                                                                                            \
                    _Pragma("clang fp reassociate(on)")                                                      \
                    for (size_t j = 0; j < c->k; j++) sum += x[j] * WIDEN(w[j]);                             \
                }                                                                                            \
                c->y[i * c->n + row] = c->bias ? sum + c->bias[row] : sum;                                   \
            }                                                                                                \
        }                                                                                                    \
    }                                                                                                        \
    void NAME(float *y, const float *x, const TYPE *w, const float *bias, size_t m, size_t n, size_t k) {    \
        matvec_context context = {y, x, bias, w, m, n, k};                                                   \
        tk_parallel_for(n, GRAIN, NAME##_body, &context);                                                    \
    }

MATVEC(tk_matvec_f32, float, )
MATVEC(tk_matvec_f16, uint16_t, tk_widen_f16)
MATVEC(tk_matvec_bf16, uint16_t, tk_widen_bf16)
