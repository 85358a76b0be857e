// Softmax and its logarithm over the last axis.
#include "include/tk_softmax.h"

#include <math.h>

#include "parallel.h"
#include "reduction_math.h"
#include "vector_math.h"

enum { GRAIN = 8192 };

typedef struct softmax_context {
    float *out;
    const float *x, *y;
    size_t cols;
} softmax_context;

TK_DEFINE_SUM(sum_of_exp, tk_exp(x[i] - shift))

TK_KERNEL static void softmax_body(void *context, size_t begin, size_t end, size_t thread) {
    const softmax_context *c = context;
    (void)thread;
    for (size_t row = begin; row < end; row++) {
        const float *x = c->x + row * c->cols;
        float *out = c->out + row * c->cols;
        const float largest = tk_run_max(x, c->cols);
        TK_SIMD for (size_t i = 0; i < c->cols; i++) out[i] = tk_exp(x[i] - largest);
        const float scale = 1.0f / tk_run_sum(out, out, 0.0f, c->cols);
        for (size_t i = 0; i < c->cols; i++) out[i] *= scale;
    }
}

void tk_softmax_f32(float *out, const float *x, size_t rows, size_t cols) {
    softmax_context context = {.out = out, .x = x, .cols = cols};
    tk_parallel_for(rows, GRAIN / (cols + 1) + 1, softmax_body, &context);
}

TK_KERNEL static void softmax_backward_body(void *context, size_t begin, size_t end, size_t thread) {
    const softmax_context *c = context;
    (void)thread;
    for (size_t row = begin; row < end; row++) {
        const float *dy = c->x + row * c->cols, *y = c->y + row * c->cols;
        float *dx = c->out + row * c->cols;
        const float sum = tk_run_dot(dy, y, 0.0f, c->cols);
        TK_SIMD for (size_t i = 0; i < c->cols; i++) dx[i] = y[i] * (dy[i] - sum);
    }
}

void tk_softmax_backward_f32(float *dx, const float *dy, const float *y, size_t rows, size_t cols) {
    softmax_context context = {dx, dy, y, cols};
    tk_parallel_for(rows, GRAIN / (cols + 1) + 1, softmax_backward_body, &context);
}

TK_KERNEL static void log_softmax_body(void *context, size_t begin, size_t end, size_t thread) {
    const softmax_context *c = context;
    (void)thread;
    for (size_t row = begin; row < end; row++) {
        const float *x = c->x + row * c->cols;
        float *out = c->out + row * c->cols;
        const float largest = tk_run_max(x, c->cols);
        const float log_sum = tk_log(sum_of_exp(x, x, largest, c->cols));
        TK_SIMD for (size_t i = 0; i < c->cols; i++) out[i] = x[i] - largest - log_sum;
    }
}

void tk_log_softmax_f32(float *out, const float *x, size_t rows, size_t cols) {
    softmax_context context = {.out = out, .x = x, .cols = cols};
    tk_parallel_for(rows, GRAIN / (cols + 1) + 1, log_softmax_body, &context);
}

TK_KERNEL static void log_softmax_backward_body(void *context, size_t begin, size_t end, size_t thread) {
    const softmax_context *c = context;
    (void)thread;
    for (size_t row = begin; row < end; row++) {
        const float *dy = c->x + row * c->cols, *y = c->y + row * c->cols;
        float *dx = c->out + row * c->cols;
        const float sum = tk_run_sum(dy, dy, 0.0f, c->cols);
        TK_SIMD for (size_t i = 0; i < c->cols; i++) dx[i] = dy[i] - tk_exp(y[i]) * sum;
    }
}

void tk_log_softmax_backward_f32(float *dx, const float *dy, const float *y, size_t rows, size_t cols) {
    softmax_context context = {dx, dy, y, cols};
    tk_parallel_for(rows, GRAIN / (cols + 1) + 1, log_softmax_backward_body, &context);
}
