// Softmax over the last axis.
#pragma once
#include <stddef.h>

// out, x: (rows, cols). out[r][c] = exp(x[r][c] - max_r) / sum. In place.
// A row of -infinity only gives NaN, as in PyTorch.
void tk_softmax_f32(float *out, const float *x, size_t rows, size_t cols);
// dx = y (dy - sum over c of dy y). dx may be dy.
void tk_softmax_backward_f32(float *dx, const float *dy, const float *y, size_t rows, size_t cols);

// out[r][c] = x[r][c] - max_r - log(sum of exp(x[r] - max_r)). In place.
void tk_log_softmax_f32(float *out, const float *x, size_t rows, size_t cols);
// dx = dy - exp(y) (sum over c of dy). dx may be dy.
void tk_log_softmax_backward_f32(float *dx, const float *dy, const float *y, size_t rows, size_t cols);
