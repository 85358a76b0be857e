// Elementwise maths: unary functions, binary functions with broadcasting, comparisons, selection.
// Every contiguous function here works in place (out may be x, a or b).
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum tk_unary_op {
    TK_NEGATE = 0,
    TK_ABS,
    TK_EXP,
    TK_LOG,
    TK_SQRT,
    TK_RSQRT,       // 1 / sqrt(x)
    TK_RECIPROCAL,  // 1 / x
    TK_SQUARE,
    TK_SIN,
    TK_COS,
    TK_TANH,
    TK_ERF,
    TK_SIGMOID,     // 1 / (1 + exp(-x))
    TK_SILU,        // x sigmoid(x)
    TK_GELU,        // x (1 + erf(x / sqrt 2)) / 2
    TK_GELU_TANH,   // x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2
    TK_QUICK_GELU,  // x sigmoid(1.702 x)
    TK_RELU,
    TK_SOFTPLUS,    // log(1 + exp(x))
    TK_FLOOR,
    TK_CEIL,
    TK_ROUND,       // halves go to the even neighbour
    TK_SIGN,        // -1, 0 or 1; NaN stays NaN
} tk_unary_op;

// out[i] = op(x[i]).
void tk_unary_f32(tk_unary_op op, float *out, const float *x, size_t n);

// dx[i] = dy[i] op'(x[i]), given y = op(x). TK_EXP, TK_SQRT, TK_RSQRT, TK_RECIPROCAL, TK_TANH and TK_SIGMOID read y
// only; all others read x only, and what is not read may be NULL. The slope is 0 for TK_FLOOR, TK_CEIL, TK_ROUND and
// TK_SIGN, and 0 at 0 for TK_RELU and TK_ABS. dx may be dy.
void tk_unary_backward_f32(tk_unary_op op, float *dx, const float *dy, const float *x, const float *y, size_t n);

// True where the backward of `op` reads y (the output) rather than x (the input).
bool tk_unary_backward_reads_output(tk_unary_op op);

typedef enum tk_binary_op {
    TK_ADD = 0,
    TK_SUB,
    TK_MUL,
    TK_DIV,  // integers: rounded towards minus infinity; x / 0 = 0
    TK_MAX,  // NaN if either is NaN
    TK_MIN,  // NaN if either is NaN
    TK_POW,  // C's powf; integers: repeated multiplication, 0 for a negative exponent unless |a| = 1
} tk_binary_op;

// out[i] = op(a[i], b[i]). Integers wrap.
void tk_binary_f32(tk_binary_op op, float *out, const float *a, const float *b, size_t n);
void tk_binary_i32(tk_binary_op op, int32_t *out, const int32_t *a, const int32_t *b, size_t n);
void tk_binary_i64(tk_binary_op op, int64_t *out, const int64_t *a, const int64_t *b, size_t n);

// out[i] = op(a[i], scalar), or op(scalar, a[i]) when `scalar_first`.
void tk_binary_scalar_f32(tk_binary_op op, float *out, const float *a, float scalar, bool scalar_first, size_t n);
void tk_binary_scalar_i32(tk_binary_op op, int32_t *out, const int32_t *a, int32_t scalar, bool scalar_first, size_t n);
void tk_binary_scalar_i64(tk_binary_op op, int64_t *out, const int64_t *a, int64_t scalar, bool scalar_first, size_t n);

// The most dimensions that a strided function takes.
#define TK_MAX_RANK 8

// out = op(a, b) with broadcasting: `shape` (rank at most TK_MAX_RANK; 0 is one value) is the result's, out is
// contiguous, and a stride of 0 repeats an input along that dimension. `a` and `b` point at their first elements.
// In place only where the aliased input has out's own contiguous strides.
void tk_binary_strided_f32(tk_binary_op op, float *out, size_t rank, const size_t *shape, const float *a,
                           const ptrdiff_t *a_strides, const float *b, const ptrdiff_t *b_strides);
void tk_binary_strided_i32(tk_binary_op op, int32_t *out, size_t rank, const size_t *shape, const int32_t *a,
                           const ptrdiff_t *a_strides, const int32_t *b, const ptrdiff_t *b_strides);
void tk_binary_strided_i64(tk_binary_op op, int64_t *out, size_t rank, const size_t *shape, const int64_t *a,
                           const ptrdiff_t *a_strides, const int64_t *b, const ptrdiff_t *b_strides);

typedef enum tk_compare_op { TK_EQ = 0, TK_NE, TK_LT, TK_LE, TK_GT, TK_GE } tk_compare_op;

// out[i] = a[i] op b[i] as 0 or 1; strided: as tk_binary_strided_f32; a scalar is a stride-0 operand.
void tk_compare_f32(tk_compare_op op, uint8_t *out, const float *a, const float *b, size_t n);
void tk_compare_i32(tk_compare_op op, uint8_t *out, const int32_t *a, const int32_t *b, size_t n);
void tk_compare_i64(tk_compare_op op, uint8_t *out, const int64_t *a, const int64_t *b, size_t n);
void tk_compare_strided_f32(tk_compare_op op, uint8_t *out, size_t rank, const size_t *shape, const float *a,
                            const ptrdiff_t *a_strides, const float *b, const ptrdiff_t *b_strides);
void tk_compare_strided_i32(tk_compare_op op, uint8_t *out, size_t rank, const size_t *shape, const int32_t *a,
                            const ptrdiff_t *a_strides, const int32_t *b, const ptrdiff_t *b_strides);
void tk_compare_strided_i64(tk_compare_op op, uint8_t *out, size_t rank, const size_t *shape, const int64_t *a,
                            const ptrdiff_t *a_strides, const int64_t *b, const ptrdiff_t *b_strides);

typedef enum tk_logical_op { TK_AND = 0, TK_OR, TK_XOR } tk_logical_op;

// Truth values are bytes; any non-zero byte is true, results are 0 or 1.
void tk_logical_u8(tk_logical_op op, uint8_t *out, const uint8_t *a, const uint8_t *b, size_t n);
void tk_logical_strided_u8(tk_logical_op op, uint8_t *out, size_t rank, const size_t *shape, const uint8_t *a,
                           const ptrdiff_t *a_strides, const uint8_t *b, const ptrdiff_t *b_strides);
void tk_logical_not_u8(uint8_t *out, const uint8_t *a, size_t n);

// out[i] = condition[i] ? a[i] : b[i], for elements of 1, 2, 4 or 8 bytes.
void tk_where(size_t element_bytes, void *out, const uint8_t *condition, const void *a, const void *b, size_t n);
// The same with broadcasting: strides in elements, out contiguous.
void tk_where_strided(size_t element_bytes, void *out, size_t rank, const size_t *shape, const uint8_t *condition,
                      const ptrdiff_t *condition_strides, const void *a, const ptrdiff_t *a_strides, const void *b,
                      const ptrdiff_t *b_strides);

// out[i] = *value, for elements of 1, 2, 4 or 8 bytes.
void tk_fill(size_t element_bytes, void *out, const void *value, size_t n);

// out[i] = start + i step.
void tk_arange_f32(float *out, float start, float step, size_t n);
void tk_arange_i64(int64_t *out, int64_t start, int64_t step, size_t n);

// out[i] = alpha x[i] + beta y[i].
void tk_axpby_f32(float *out, float alpha, const float *x, float beta, const float *y, size_t n);

// out[i] = scale x[i] + offset.
void tk_scale_add_f32(float *out, const float *x, float scale, float offset, size_t n);

// out[i] = min(max(x[i], low), high); NaN stays. Backward: dx[i] = low <= x[i] <= high ? dy[i] : 0.
void tk_clamp_f32(float *out, const float *x, float low, float high, size_t n);
void tk_clamp_backward_f32(float *dx, const float *dy, const float *x, float low, float high, size_t n);

// out[r][c] = x[r][c] + bias[c]; in place.
void tk_bias_add_f32(float *out, const float *x, const float *bias, size_t rows, size_t cols);
