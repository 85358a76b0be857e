// Layer norm and RMS norm over the last axis.
#include "include/tk_norm.h"

#include "half_math.h"
#include "include/tk_reduce.h"
#include "parallel.h"
#include "reduction_math.h"
#include "vector_math.h"

enum {
    GRAIN = 8192,
    ROW_BLOCK = 32,   // rows to a partial sum of the weight gradients, at least
    ROW_BLOCKS = 64,  // and the most partial sums
};

typedef struct norm_context {
    float *out, *mean, *rstd, *partial;
    uint16_t *rounded;  // instead of out
    const float *dy, *x, *weight, *bias, *kept_mean, *kept_rstd;
    size_t n, c, block;
    float epsilon;
} norm_context;

// out = (x - mean) rstd weight + bias over one row; weight and bias may be NULL.
TK_INLINE void affine_row(float *out, const float *x, float mean, float rstd, const float *weight, const float *bias,
                          size_t c) {
    if (weight && bias) {
        TK_SIMD for (size_t i = 0; i < c; i++) out[i] = (x[i] - mean) * rstd * weight[i] + bias[i];
    } else if (weight) {
        TK_SIMD for (size_t i = 0; i < c; i++) out[i] = (x[i] - mean) * rstd * weight[i];
    } else if (bias) {
        TK_SIMD for (size_t i = 0; i < c; i++) out[i] = (x[i] - mean) * rstd + bias[i];
    } else {
        TK_SIMD for (size_t i = 0; i < c; i++) out[i] = (x[i] - mean) * rstd;
    }
}

TK_INLINE void rounded_row(const norm_context *k, size_t row, float mean, float rstd) {
    const float *x = k->x + row * k->c;
    for (size_t i = 0; i < k->c; i += TK_LINE) {
        float line[TK_LINE];
        const size_t n = k->c - i < TK_LINE ? k->c - i : TK_LINE;
        affine_row(line, x + i, mean, rstd, k->weight ? k->weight + i : NULL, k->bias ? k->bias + i : NULL, n);
        tk_narrow_line(k->rounded + row * k->c + i, line, n);
    }
}

TK_KERNEL static void layernorm_body(void *context, size_t begin, size_t end, size_t thread) {
    const norm_context *k = context;
    (void)thread;
    for (size_t row = begin; row < end; row++) {
        const float *x = k->x + row * k->c;
        const float first = k->c ? x[0] : 0.0f;
        const float mean = first + tk_run_differences(x, x, first, k->c) / (float)k->c;
        const float variance = tk_run_squares(x, x, mean, k->c) / (float)k->c;
        const float rstd = 1.0f / tk_sqrt(variance + k->epsilon);
        if (k->rounded) {
            rounded_row(k, row, mean, rstd);
        } else {
            affine_row(k->out + row * k->c, x, mean, rstd, k->weight, k->bias, k->c);
        }
        if (k->mean) k->mean[row] = mean;
        if (k->rstd) k->rstd[row] = rstd;
    }
}

void tk_layernorm_forward_f32(float *out, float *mean, float *rstd, const float *x, const float *weight,
                              const float *bias, size_t n, size_t c, float epsilon) {
    norm_context context = {
        .out = out, .mean = mean, .rstd = rstd, .x = x, .weight = weight, .bias = bias, .n = n, .c = c,
        .epsilon = epsilon,
    };
    tk_parallel_for(n, GRAIN / (c + 1) + 1, layernorm_body, &context);
}

void tk_layernorm_forward_bf16(uint16_t *out, const float *x, const float *weight, const float *bias, size_t n,
                               size_t c, float epsilon) {
    norm_context context = {
        .rounded = out, .x = x, .weight = weight, .bias = bias, .n = n, .c = c, .epsilon = epsilon,
    };
    tk_parallel_for(n, GRAIN / (c + 1) + 1, layernorm_body, &context);
}

// The sum of dy weight (x - mean).
TK_INLINE float weighted_product(const float *dy, const float *weight, const float *x, float mean, size_t c) {
    float total = 0.0f;
    for (size_t begin = 0; begin < c; begin += TK_SUM_BLOCK) {
        const size_t end = c - begin < TK_SUM_BLOCK ? c : begin + TK_SUM_BLOCK;
        float sum = 0.0f;
        {
#pragma clang fp reassociate(on) contract(fast)
            for (size_t i = begin; i < end; i++) sum += dy[i] * weight[i] * (x[i] - mean);
        }
        total += sum;
    }
    return total;
}

TK_DEFINE_SUM(centred_dot, x[i] * (y[i] - shift))

// With xhat = (x - mean) rstd and g = dy weight: dx = rstd (g - mean(g) - xhat mean(g xhat)). Rows go in fixed blocks;
// each block sums its part of dweight = sum of dy xhat and dbias = sum of dy into its own 2 c floats.
// RMS norm is the same without the mean: no mean(g), no bias.
TK_INLINE void backward_block(const norm_context *k, size_t block, bool centred) {
    const size_t c = k->c, first = block * k->block, last = k->n - first < k->block ? k->n : first + k->block;
    float *restrict dweight = k->partial ? k->partial + block * 2 * c : NULL;
    float *restrict dbias = k->partial ? dweight + c : NULL;
    for (size_t i = 0; dweight && i < 2 * c; i++) dweight[i] = 0.0f;
    for (size_t row = first; row < last; row++) {
        const float *dy = k->dy + row * c, *x = k->x + row * c, *weight = k->weight;
        const float mean = centred ? k->kept_mean[row] : 0.0f, rstd = k->kept_rstd[row];
        if (dweight) {
            TK_SIMD for (size_t i = 0; i < c; i++) {
                dweight[i] += dy[i] * ((x[i] - mean) * rstd);
                dbias[i] += dy[i];
            }
        }
        if (!k->out) continue;
        float sum, product;
        if (weight) {
            sum = tk_run_dot(dy, weight, 0.0f, c);
            product = weighted_product(dy, weight, x, mean, c) * rstd;
        } else {
            sum = tk_run_sum(dy, dy, 0.0f, c);
            product = centred_dot(dy, x, mean, c) * rstd;
        }
        const float shift = centred ? sum / (float)c : 0.0f, slope = product / (float)c;
        float *dx = k->out + row * c;
        if (weight) {
            TK_SIMD for (size_t i = 0; i < c; i++) {
                dx[i] = rstd * (dy[i] * weight[i] - shift - (x[i] - mean) * rstd * slope);
            }
        } else {
            TK_SIMD for (size_t i = 0; i < c; i++) dx[i] = rstd * (dy[i] - shift - (x[i] - mean) * rstd * slope);
        }
    }
}

TK_KERNEL static void layernorm_backward_body(void *context, size_t begin, size_t end, size_t thread) {
    (void)thread;
    for (; begin < end; begin++) backward_block(context, begin, true);
}

static size_t row_block(size_t n) {
    const size_t least = (n + ROW_BLOCKS - 1) / ROW_BLOCKS;
    return least < ROW_BLOCK ? ROW_BLOCK : least;
}

static size_t backward_scratch(size_t n, size_t c) {
    const size_t block = row_block(n);
    return (n + block - 1) / block * 2 * c;
}

typedef struct combine_context {
    float *dweight, *dbias;
    const float *partial;
    size_t blocks, c;
} combine_context;

// dweight, dbias = the sums over the blocks, in order.
TK_KERNEL static void combine_body(void *context, size_t begin, size_t end, size_t thread) {
    const combine_context *k = context;
    (void)thread;
    for (size_t i = begin; i < end; i++) {
        double weight = 0, bias = 0;
        for (size_t block = 0; block < k->blocks; block++) {
            weight += k->partial[block * 2 * k->c + i];
            bias += k->partial[block * 2 * k->c + k->c + i];
        }
        if (k->dweight) k->dweight[i] = (float)weight;
        if (k->dbias) k->dbias[i] = (float)bias;
    }
}

static void combine(float *dweight, float *dbias, const float *partial, size_t blocks, size_t c) {
    combine_context context = {dweight, dbias, partial, blocks, c};
    tk_parallel_for(c, GRAIN / (blocks + 1) + 1, combine_body, &context);
}

void tk_layernorm_backward_f32(float *dx, float *dweight, float *dbias, const float *dy, const float *x,
                               const float *mean, const float *rstd, const float *weight, size_t n, size_t c,
                               float *scratch) {
    norm_context context = {
        .out = dx, .partial = dweight || dbias ? scratch : NULL, .dy = dy, .x = x, .weight = weight,
        .kept_mean = mean, .kept_rstd = rstd, .n = n, .c = c, .block = row_block(n),
    };
    const size_t blocks = (n + context.block - 1) / context.block;
    tk_parallel_for(blocks, GRAIN / (context.block * c + 1) + 1, layernorm_backward_body, &context);
    if (context.partial) combine(dweight, dbias, scratch, blocks, c);
}

size_t tk_layernorm_backward_scratch(size_t n, size_t c) {
    return backward_scratch(n, c);
}

TK_KERNEL static void rmsnorm_body(void *context, size_t begin, size_t end, size_t thread) {
    const norm_context *k = context;
    (void)thread;
    for (size_t row = begin; row < end; row++) {
        const float *x = k->x + row * k->c;
        const float square = tk_run_squares(x, x, 0.0f, k->c) / (float)k->c;
        const float rstd = 1.0f / tk_sqrt(square + k->epsilon);
        affine_row(k->out + row * k->c, x, 0.0f, rstd, k->weight, NULL, k->c);
        if (k->rstd) k->rstd[row] = rstd;
    }
}

void tk_rmsnorm_forward_f32(float *out, float *rstd, const float *x, const float *weight, size_t n, size_t c,
                            float epsilon) {
    norm_context context = {
        .out = out, .rstd = rstd, .x = x, .weight = weight, .n = n, .c = c, .epsilon = epsilon,
    };
    tk_parallel_for(n, GRAIN / (c + 1) + 1, rmsnorm_body, &context);
}

TK_KERNEL static void rmsnorm_backward_body(void *context, size_t begin, size_t end, size_t thread) {
    (void)thread;
    for (; begin < end; begin++) backward_block(context, begin, false);
}

void tk_rmsnorm_backward_f32(float *dx, float *dweight, const float *dy, const float *x, const float *rstd,
                             const float *weight, size_t n, size_t c, float *scratch) {
    norm_context context = {
        .out = dx, .partial = dweight ? scratch : NULL, .dy = dy, .x = x, .weight = weight, .kept_rstd = rstd,
        .n = n, .c = c, .block = row_block(n),
    };
    const size_t blocks = (n + context.block - 1) / context.block;
    tk_parallel_for(blocks, GRAIN / (context.block * c + 1) + 1, rmsnorm_backward_body, &context);
    if (context.partial) combine(dweight, NULL, scratch, blocks, c);
}

size_t tk_rmsnorm_backward_scratch(size_t n, size_t c) {
    return backward_scratch(n, c);
}
