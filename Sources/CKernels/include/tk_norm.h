// Layer norm, RMS norm and group norm. `weight` and `bias` may be NULL (1 and 0). `mean` and
// `rstd` = 1 / sqrt(variance + epsilon) are kept for backward; the variance is the biased one.
// In backward, any output may be NULL when not wanted.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// out, x: (n, c). mean, rstd: (n); both may be NULL. weight, bias: (c). In place.
void tk_layernorm_forward_f32(float *out, float *mean, float *rstd, const float *x, const float *weight,
                              const float *bias, size_t n, size_t c, float epsilon);
// The same, rounded to bfloat16, without statistics.
void tk_layernorm_forward_bf16(uint16_t *out, const float *x, const float *weight, const float *bias, size_t n,
                               size_t c, float epsilon);
// dx: (n, c), may be dy. dweight, dbias: (c). scratch: needed when dweight or dbias is wanted.
void tk_layernorm_backward_f32(float *dx, float *dweight, float *dbias, const float *dy, const float *x,
                               const float *mean, const float *rstd, const float *weight, size_t n, size_t c,
                               float *scratch);
size_t tk_layernorm_backward_scratch(size_t n, size_t c);

// out = x rstd weight with rstd = 1 / sqrt(mean of x^2 + epsilon). out, x: (n, c). rstd: (n), may be NULL. In place.
void tk_rmsnorm_forward_f32(float *out, float *rstd, const float *x, const float *weight, size_t n, size_t c,
                            float epsilon);
// dx: (n, c), may be dy. dweight: (c). scratch: needed when dweight is wanted.
void tk_rmsnorm_backward_f32(float *dx, float *dweight, const float *dy, const float *x, const float *rstd,
                             const float *weight, size_t n, size_t c, float *scratch);
size_t tk_rmsnorm_backward_scratch(size_t n, size_t c);

// Group norm on channels-last maps, then SiLU when `silu`. out, x: (n, spatial, c). mean, rstd: (n, groups), always
// written. weight, bias: (c). `groups` divides c. In place.
void tk_groupnorm_nhwc_forward_f32(float *out, float *mean, float *rstd, const float *x, const float *weight,
                                   const float *bias, size_t n, size_t spatial, size_t c, size_t groups, float epsilon,
                                   bool silu, float *scratch);
// The same, rounded to bfloat16.
void tk_groupnorm_nhwc_forward_bf16(uint16_t *out, float *mean, float *rstd, const float *x, const float *weight,
                                    const float *bias, size_t n, size_t spatial, size_t c, size_t groups, float epsilon,
                                    bool silu, float *scratch);
size_t tk_groupnorm_nhwc_forward_scratch(size_t n, size_t spatial, size_t c, size_t groups);
// dy is the gradient of the result (after SiLU when `silu`). dx: (n, spatial, c), may be dy. dweight, dbias: (c).
// `bias` is read only when `silu`.
void tk_groupnorm_nhwc_backward_f32(float *dx, float *dweight, float *dbias, const float *dy, const float *x,
                                    const float *mean, const float *rstd, const float *weight, const float *bias,
                                    size_t n, size_t spatial, size_t c, size_t groups, bool silu, float *scratch);
size_t tk_groupnorm_nhwc_backward_scratch(size_t n, size_t spatial, size_t c, size_t groups);

// The same on channels-first maps. out, x: (n, c, spatial).
void tk_groupnorm_nchw_forward_f32(float *out, float *mean, float *rstd, const float *x, const float *weight,
                                   const float *bias, size_t n, size_t c, size_t spatial, size_t groups, float epsilon,
                                   bool silu);
void tk_groupnorm_nchw_backward_f32(float *dx, float *dweight, float *dbias, const float *dy, const float *x,
                                    const float *mean, const float *rstd, const float *weight, const float *bias,
                                    size_t n, size_t c, size_t spatial, size_t groups, bool silu, float *scratch);
size_t tk_groupnorm_nchw_backward_scratch(size_t n, size_t c, size_t spatial, size_t groups);
