// The selective scan: every channel is a recurrence of its own over a few states.
#include "include/tk_scan.h"

#include "parallel.h"
#include "vector_math.h"

// Channels that one sum of the gradients of b and c covers: fixed, so that sums do not depend on the threads.
enum { BLOCK = 64, MOST_STATES = 256 };

typedef struct scan_context {
    float *y, *last, *scratch;
    const float *dy, *u, *delta, *a, *b, *c, *d, *initial;
    const tk_scan_shape *shape;
    const tk_scan_gradients *out;
    size_t per_thread;
} scan_context;

TK_KERNEL static void forward_body(void *context, size_t begin, size_t end, size_t thread) {
    const scan_context *k = context;
    const tk_scan_shape *s = k->shape;
    const size_t N = s->states, E = s->channels;
    (void)thread;
    for (; begin < end; begin++) {
        const size_t batch = begin / E, e = begin % E;
        const float *restrict a = k->a + e * N;
        float *restrict h = k->last + begin * N;
        for (size_t n = 0; n < N; n++) h[n] = k->initial ? k->initial[begin * N + n] : 0.0f;
        const float skip = k->d ? k->d[e] : 0.0f;
        for (size_t t = 0; t < s->tokens; t++) {
            const size_t row = batch * s->tokens + t;
            const float delta = k->delta[row * E + e], u = k->u[row * E + e], input = delta * u;
            const float *restrict b = k->b + row * N, *restrict c = k->c + row * N;
            float sum = 0.0f;
            {
#pragma clang fp reassociate(on)
                for (size_t n = 0; n < N; n++) {
                    const float state = tk_exp(delta * a[n]) * h[n] + input * b[n];
                    h[n] = state;
                    sum += state * c[n];
                }
            }
            k->y[row * E + e] = sum + skip * u;
        }
    }
}

void tk_selective_scan_forward_f32(float *y, float *last, const float *u, const float *delta, const float *a,
                                   const float *b, const float *c, const float *d, const float *initial,
                                   const tk_scan_shape *shape) {
    scan_context context = {.y = y, .last = last, .u = u, .delta = delta, .a = a, .b = b, .c = c, .d = d,
                            .initial = initial, .shape = shape};
    tk_parallel_for(shape->batch * shape->channels, 8, forward_body, &context);
}

// One channel of one row: the states are computed again, then gone through backwards. db, dc: (tokens, states), added
// to. states: (tokens + 1, states) of scratch.
TK_INLINE void channel_backward(const scan_context *k, size_t batch, size_t e, float *restrict states,
                                float *restrict db, float *restrict dc, float *restrict da, float *dd) {
    const tk_scan_shape *s = k->shape;
    const size_t N = s->states, E = s->channels, T = s->tokens;
    const float *restrict a = k->a + e * N;
    for (size_t n = 0; n < N; n++) states[n] = k->initial ? k->initial[(batch * E + e) * N + n] : 0.0f;
    for (size_t t = 0; t < T; t++) {
        const size_t row = batch * T + t;
        const float delta = k->delta[row * E + e], input = delta * k->u[row * E + e];
        const float *restrict b = k->b + row * N;
        for (size_t n = 0; n < N; n++) {
            states[(t + 1) * N + n] = tk_exp(delta * a[n]) * states[t * N + n] + input * b[n];
        }
    }
    float lambda[MOST_STATES];
    for (size_t n = 0; n < N; n++) lambda[n] = 0.0f;
    const float skip = k->d ? k->d[e] : 0.0f;
    float skip_sum = 0.0f;
    for (size_t t = T; t-- > 0;) {
        const size_t row = batch * T + t;
        const float delta = k->delta[row * E + e], u = k->u[row * E + e], dy = k->dy[row * E + e];
        const float *restrict b = k->b + row * N, *restrict c = k->c + row * N;
        const float *restrict now = states + (t + 1) * N, *restrict before = states + t * N;
        float du = 0.0f, ddelta = 0.0f;
        {
#pragma clang fp reassociate(on)
            for (size_t n = 0; n < N; n++) {
                const float decay = tk_exp(delta * a[n]), kept = decay * before[n];
                const float l = lambda[n] + dy * c[n];
                dc[t * N + n] += dy * now[n];
                db[t * N + n] += l * delta * u;
                du += l * b[n];
                ddelta += l * (a[n] * kept + b[n] * u);
                da[n] += l * delta * kept;
                lambda[n] = l * decay;
            }
        }
        k->out->u[row * E + e] = skip * dy + delta * du;
        k->out->delta[row * E + e] = ddelta;
        skip_sum += dy * u;
    }
    *dd += skip_sum;
}

TK_KERNEL static void backward_body(void *context, size_t begin, size_t end, size_t thread) {
    const scan_context *k = context;
    const tk_scan_shape *s = k->shape;
    const size_t N = s->states, E = s->channels, T = s->tokens;
    const size_t blocks = (E + BLOCK - 1) / BLOCK, sums = s->batch * T * N;
    float *states = k->scratch + blocks * sums * 2 + thread * k->per_thread;
    for (; begin < end; begin++) {
        float *db = k->scratch + begin * sums * 2, *dc = db + sums;
        for (size_t i = 0; i < 2 * sums; i++) db[i] = 0.0f;
        const size_t stop = (begin + 1) * BLOCK < E ? (begin + 1) * BLOCK : E;
        for (size_t e = begin * BLOCK; e < stop; e++) {
            float *da = k->out->a + e * N, dd = 0.0f;
            for (size_t n = 0; n < N; n++) da[n] = 0.0f;
            for (size_t batch = 0; batch < s->batch; batch++) {
                channel_backward(k, batch, e, states, db + batch * T * N, dc + batch * T * N, da, &dd);
            }
            if (k->d) k->out->d[e] = dd;
        }
    }
}

// Adds up what the blocks found for b and c.
TK_KERNEL static void gather_body(void *context, size_t begin, size_t end, size_t thread) {
    const scan_context *k = context;
    const tk_scan_shape *s = k->shape;
    const size_t blocks = (s->channels + BLOCK - 1) / BLOCK, sums = s->batch * s->tokens * s->states;
    (void)thread;
    for (size_t i = begin; i < end; i++) {
        float db = 0.0f, dc = 0.0f;
        for (size_t block = 0; block < blocks; block++) {
            db += k->scratch[block * sums * 2 + i];
            dc += k->scratch[block * sums * 2 + sums + i];
        }
        k->out->b[i] = db;
        k->out->c[i] = dc;
    }
}

static size_t states_scratch(const tk_scan_shape *s) { return (s->tokens + 1) * s->states + 16; }

size_t tk_selective_scan_backward_scratch(const tk_scan_shape *s) {
    const size_t blocks = (s->channels + BLOCK - 1) / BLOCK;
    return blocks * s->batch * s->tokens * s->states * 2 + states_scratch(s) * (size_t)omp_get_max_threads();
}

void tk_selective_scan_backward_f32(const tk_scan_gradients *out, const float *dy, const float *u, const float *delta,
                                    const float *a, const float *b, const float *c, const float *d,
                                    const float *initial, const tk_scan_shape *shape, float *scratch) {
    scan_context context = {.scratch = scratch, .dy = dy, .u = u, .delta = delta, .a = a, .b = b, .c = c, .d = d,
                            .initial = initial, .shape = shape, .out = out, .per_thread = states_scratch(shape)};
    tk_parallel_for((shape->channels + BLOCK - 1) / BLOCK, 1, backward_body, &context);
    tk_parallel_for(shape->batch * shape->tokens * shape->states, 1024, gather_body, &context);
}
