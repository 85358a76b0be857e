// Unary elementwise functions, and the fused scale, clamp and bias loops.
#include "include/tk_elementwise.h"
#include "parallel.h"
#include "vector_math.h"

enum { GRAIN = 16384 };

typedef struct unary_context {
    tk_unary_op op;
    float *out;
    const float *x;
} unary_context;

#define EACH(OP, EXPRESSION)                                \
    case OP:                                                \
        TK_SIMD for (size_t i = begin; i < end; i++) {      \
            const float x = xs[i];                          \
            out[i] = (EXPRESSION);                          \
        }                                                   \
        break;

TK_KERNEL static void unary_body(void *context, size_t begin, size_t end, size_t thread) {
    const unary_context *c = context;
    (void)thread;
    float *out = c->out;
    const float *xs = c->x;
    switch (c->op) {
        EACH(TK_NEGATE, -x)
        EACH(TK_ABS, tk_abs(x))
        EACH(TK_EXP, tk_exp(x))
        EACH(TK_LOG, tk_log(x))
        EACH(TK_SQRT, tk_sqrt(x))
        EACH(TK_RSQRT, 1.0f / tk_sqrt(x))
        EACH(TK_RECIPROCAL, 1.0f / x)
        EACH(TK_SQUARE, x * x)
        EACH(TK_SIN, tk_sin(x))
        EACH(TK_COS, tk_cos(x))
        EACH(TK_TANH, tk_tanh(x))
        EACH(TK_ERF, tk_erf(x))
        EACH(TK_SIGMOID, tk_sigmoid(x))
        EACH(TK_SILU, tk_silu(x))
        EACH(TK_GELU, tk_gelu(x))
        EACH(TK_GELU_TANH, tk_gelu_tanh(x))
        EACH(TK_QUICK_GELU, x * tk_sigmoid(1.702f * x))
        EACH(TK_RELU, x < 0.0f ? 0.0f : x)
        EACH(TK_SOFTPLUS, tk_softplus(x))
        EACH(TK_FLOOR, __builtin_elementwise_floor(x))
        EACH(TK_CEIL, __builtin_elementwise_ceil(x))
        EACH(TK_ROUND, __builtin_elementwise_rint(x))
        EACH(TK_SIGN, x > 0.0f ? 1.0f : x < 0.0f ? -1.0f : x == 0.0f ? 0.0f : x)
    }
}

#undef EACH

void tk_unary_f32(tk_unary_op op, float *out, const float *x, size_t n) {
    unary_context context = {op, out, x};
    tk_parallel_for(n, GRAIN, unary_body, &context);
}

typedef struct unary_backward_context {
    tk_unary_op op;
    float *dx;
    const float *dy, *x, *y;
} unary_backward_context;

#define EACH_X(OP, SLOPE)                                   \
    case OP:                                                \
        TK_SIMD for (size_t i = begin; i < end; i++) {      \
            const float x = xs[i];                          \
            dx[i] = dy[i] * (SLOPE);                        \
        }                                                   \
        break;
#define EACH_Y(OP, SLOPE)                                   \
    case OP:                                                \
        TK_SIMD for (size_t i = begin; i < end; i++) {      \
            const float y = ys[i];                          \
            dx[i] = dy[i] * (SLOPE);                        \
        }                                                   \
        break;

TK_KERNEL static void unary_backward_body(void *context, size_t begin, size_t end, size_t thread) {
    const unary_backward_context *c = context;
    (void)thread;
    float *dx = c->dx;
    const float *dy = c->dy, *xs = c->x, *ys = c->y;
    switch (c->op) {
        EACH_X(TK_ABS, x > 0.0f ? 1.0f : x < 0.0f ? -1.0f : 0.0f)
        EACH_Y(TK_EXP, y)
        EACH_X(TK_LOG, 1.0f / x)
        EACH_Y(TK_SQRT, 0.5f / y)
        EACH_Y(TK_RSQRT, -0.5f * y * y * y)
        EACH_Y(TK_RECIPROCAL, -y * y)
        EACH_X(TK_SQUARE, 2.0f * x)
        EACH_X(TK_SIN, tk_cos(x))
        EACH_X(TK_COS, -tk_sin(x))
        EACH_Y(TK_TANH, 1.0f - y * y)
        EACH_X(TK_ERF, 1.12837917f * tk_exp(-x * x))
        EACH_Y(TK_SIGMOID, y * (1.0f - y))
        EACH_X(TK_SILU, tk_silu_slope(x))
        EACH_X(TK_GELU, tk_gelu_slope(x))
        EACH_X(TK_GELU_TANH, tk_gelu_tanh_slope(x))
        case TK_QUICK_GELU:
            TK_SIMD for (size_t i = begin; i < end; i++) dx[i] = dy[i] * tk_silu_slope(1.702f * xs[i]);
            break;
        EACH_X(TK_RELU, x > 0.0f ? 1.0f : 0.0f)
        EACH_X(TK_SOFTPLUS, tk_sigmoid(x))
        case TK_NEGATE:
            TK_SIMD for (size_t i = begin; i < end; i++) dx[i] = -dy[i];
            break;
        case TK_FLOOR:
        case TK_CEIL:
        case TK_ROUND:
        case TK_SIGN:
            for (size_t i = begin; i < end; i++) dx[i] = 0.0f;
            break;
    }
}

#undef EACH_X
#undef EACH_Y

void tk_unary_backward_f32(tk_unary_op op, float *dx, const float *dy, const float *x, const float *y, size_t n) {
    unary_backward_context context = {op, dx, dy, x, y};
    tk_parallel_for(n, GRAIN, unary_backward_body, &context);
}

bool tk_unary_backward_reads_output(tk_unary_op op) {
    return op == TK_EXP || op == TK_SQRT || op == TK_RSQRT || op == TK_RECIPROCAL || op == TK_TANH || op == TK_SIGMOID;
}

typedef struct linear_context {
    float *out;
    const float *x, *y;
    float a, b;
    size_t cols;
} linear_context;

TK_KERNEL static void axpby_body(void *context, size_t begin, size_t end, size_t thread) {
    const linear_context *c = context;
    (void)thread;
    float *out = c->out;
    const float *x = c->x, *y = c->y;
    const float a = c->a, b = c->b;
    TK_SIMD for (size_t i = begin; i < end; i++) out[i] = a * x[i] + b * y[i];
}

void tk_axpby_f32(float *out, float alpha, const float *x, float beta, const float *y, size_t n) {
    linear_context context = {.out = out, .x = x, .y = y, .a = alpha, .b = beta};
    tk_parallel_for(n, GRAIN, axpby_body, &context);
}

TK_KERNEL static void scale_add_body(void *context, size_t begin, size_t end, size_t thread) {
    const linear_context *c = context;
    (void)thread;
    float *out = c->out;
    const float *x = c->x;
    const float a = c->a, b = c->b;
    TK_SIMD for (size_t i = begin; i < end; i++) out[i] = a * x[i] + b;
}

void tk_scale_add_f32(float *out, const float *x, float scale, float offset, size_t n) {
    linear_context context = {.out = out, .x = x, .a = scale, .b = offset};
    tk_parallel_for(n, GRAIN, scale_add_body, &context);
}

TK_KERNEL static void clamp_body(void *context, size_t begin, size_t end, size_t thread) {
    const linear_context *c = context;
    (void)thread;
    float *out = c->out;
    const float *xs = c->x;
    const float low = c->a, high = c->b;
    TK_SIMD for (size_t i = begin; i < end; i++) {
        float x = xs[i];
        x = x < low ? low : x;
        out[i] = x > high ? high : x;
    }
}

void tk_clamp_f32(float *out, const float *x, float low, float high, size_t n) {
    linear_context context = {.out = out, .x = x, .a = low, .b = high};
    tk_parallel_for(n, GRAIN, clamp_body, &context);
}

TK_KERNEL static void clamp_backward_body(void *context, size_t begin, size_t end, size_t thread) {
    const linear_context *c = context;
    (void)thread;
    float *dx = c->out;
    const float *dy = c->y, *x = c->x;
    const float low = c->a, high = c->b;
    TK_SIMD for (size_t i = begin; i < end; i++) dx[i] = x[i] >= low && x[i] <= high ? dy[i] : 0.0f;
}

void tk_clamp_backward_f32(float *dx, const float *dy, const float *x, float low, float high, size_t n) {
    linear_context context = {.out = dx, .x = x, .y = dy, .a = low, .b = high};
    tk_parallel_for(n, GRAIN, clamp_backward_body, &context);
}

TK_KERNEL static void bias_add_body(void *context, size_t begin, size_t end, size_t thread) {
    const linear_context *c = context;
    (void)thread;
    const float *bias = c->y;
    for (size_t row = begin; row < end; row++) {
        float *out = c->out + row * c->cols;
        const float *x = c->x + row * c->cols;
        TK_SIMD for (size_t i = 0; i < c->cols; i++) out[i] = x[i] + bias[i];
    }
}

void tk_bias_add_f32(float *out, const float *x, const float *bias, size_t rows, size_t cols) {
    linear_context context = {.out = out, .x = x, .y = bias, .cols = cols};
    tk_parallel_for(rows, cols ? GRAIN / cols + 1 : 1, bias_add_body, &context);
}
