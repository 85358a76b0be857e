// Rotary position embedding: pairs of channels turn by an angle of the token's position.
#include "include/tk_rotary.h"

#include "parallel.h"

typedef struct rotary_context {
    float *out;
    const float *x, *cosines, *sines;
    const tk_rotary_shape *shape;
} rotary_context;

TK_KERNEL static void rotary_body(void *context, size_t begin, size_t end, size_t thread) {
    const rotary_context *c = context;
    const tk_rotary_shape *s = c->shape;
    (void)thread;
    const float sign = s->reversed ? -1.0f : 1.0f;
    for (; begin < end; begin++) {
        const size_t batch = begin / s->tokens, token = begin % s->tokens;
        const ptrdiff_t row = (ptrdiff_t)batch * s->table_b + (ptrdiff_t)(token * s->pairs);
        const float *restrict cosines = c->cosines + row, *restrict sines = c->sines + row;
        for (size_t head = 0; head < s->heads; head++) {
            const float *restrict x =
                c->x + (ptrdiff_t)batch * s->x_b + (ptrdiff_t)token * s->x_t + (ptrdiff_t)head * s->x_h;
            float *restrict out = c->out + (begin * s->heads + head) * s->head_dimension;
            for (size_t i = 0; i < s->pairs; i++) {
                const float sine = sign * sines[i];
                out[i] = x[i] * cosines[i] - x[i + s->pairs] * sine;
                out[i + s->pairs] = x[i + s->pairs] * cosines[i] + x[i] * sine;
            }
            for (size_t i = 2 * s->pairs; i < s->head_dimension; i++) out[i] = x[i];
        }
    }
}

void tk_rotary_f32(float *out, const float *x, const float *cosines, const float *sines, const tk_rotary_shape *shape) {
    rotary_context context = {out, x, cosines, sines, shape};
    tk_parallel_for(shape->batch * shape->tokens, 8, rotary_body, &context);
}
