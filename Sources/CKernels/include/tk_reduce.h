// Reductions and scans. A tensor reduced along one axis is seen as (outer, axis, inner). Sums are blocked: the
// rounding error grows with the logarithm-like number of blocks, not with the length, and the order is fixed.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum tk_reduce_op { TK_REDUCE_SUM = 0, TK_REDUCE_MAX, TK_REDUCE_MIN, TK_REDUCE_PROD } tk_reduce_op;

// out: (outer, inner). x: (outer, axis, inner). An empty axis gives 0, -infinity, +infinity, 1. MAX and MIN keep NaN.
void tk_reduce_f32(tk_reduce_op op, float *out, const float *x, size_t outer, size_t axis, size_t inner);
void tk_reduce_i64(tk_reduce_op op, int64_t *out, const int64_t *x, size_t outer, size_t axis, size_t inner);

// out: (outer, inner), the first position of the largest (smallest) value along the axis; NaN counts as largest
// (smallest). axis > 0.
void tk_argmax_f32(int64_t *out, const float *x, size_t outer, size_t axis, size_t inner);
void tk_argmin_f32(int64_t *out, const float *x, size_t outer, size_t axis, size_t inner);

// Sum of all, of all squares, of all products a[i] b[i].
double tk_sum_all_f32(const float *x, size_t n);
double tk_sum_squares_f32(const float *x, size_t n);
double tk_dot_f32(const float *a, const float *b, size_t n);
// Largest |x[i]|; NaN if any is NaN; 0 when empty.
float tk_max_abs_f32(const float *x, size_t n);

// out[c] = sum over r of x[r][c]: the gradient of a bias. Parallel over blocks of rows, unlike tk_reduce_f32.
void tk_sum_rows_f32(float *out, const float *x, size_t rows, size_t cols, float *scratch);
size_t tk_sum_rows_f32_scratch(size_t rows, size_t cols);

// out, x: (outer, axis, inner); running sum or product along the axis, from the far end when `reverse`; in place.
// The running value is kept in double.
void tk_cumsum_f32(float *out, const float *x, size_t outer, size_t axis, size_t inner, bool reverse);
void tk_cumprod_f32(float *out, const float *x, size_t outer, size_t axis, size_t inner, bool reverse);
