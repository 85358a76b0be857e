// The selective scan of a state-space model.
#pragma once
#include <stddef.h>

typedef struct tk_scan_shape {
    size_t batch, tokens, channels, states;
} tk_scan_shape;

// For each row of the batch, channel e and state n:
// h[t] = exp(delta[t,e] a[e,n]) h[t-1] + delta[t,e] u[t,e] b[t,n];  y[t,e] = sum over n of h[t] c[t,n] + d[e] u[t,e].
// y, u, delta: (batch, tokens, channels). a: (channels, states). b, c: (batch, tokens, states). d: (channels), may be
// null. initial, last: (batch, channels, states), the states before and after; a null initial is zero.
void tk_selective_scan_forward_f32(float *y, float *last, const float *u, const float *delta, const float *a,
                                   const float *b, const float *c, const float *d, const float *initial,
                                   const tk_scan_shape *shape);

typedef struct tk_scan_gradients {
    float *u, *delta, *a, *b, *c, *d;
} tk_scan_gradients;

// Gradients of y by its inputs, shaped like them; `d` is written where d is given.
void tk_selective_scan_backward_f32(const tk_scan_gradients *out, const float *dy, const float *u, const float *delta,
                                    const float *a, const float *b, const float *c, const float *d,
                                    const float *initial, const tk_scan_shape *shape, float *scratch);
size_t tk_selective_scan_backward_scratch(const tk_scan_shape *shape);
