// Gated feed-forward activations.
#pragma once
#include <stddef.h>
#include <stdint.h>

// x: (rows, 2c) holds the hidden half first, the gate second. out: (rows, c) = hidden gelu(gate), exact (erf) GELU.
void tk_geglu_forward_f32(float *out, const float *x, size_t rows, size_t c);
// The same, rounded to bfloat16.
void tk_geglu_forward_bf16(uint16_t *out, const float *x, size_t rows, size_t c);
// dx: (rows, 2c). dy: (rows, c).
void tk_geglu_backward_f32(float *dx, const float *dy, const float *x, size_t rows, size_t c);

// out[i] = silu(gate[i]) up[i]: the feed-forward of Llama-type models. In place.
void tk_swiglu_forward_f32(float *out, const float *gate, const float *up, size_t n);
// dgate and dup may not alias the inputs.
void tk_swiglu_backward_f32(float *dgate, float *dup, const float *dy, const float *gate, const float *up, size_t n);
