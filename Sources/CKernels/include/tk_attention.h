// Scaled dot-product attention in tiles with a running softmax; the score matrix never exists as a whole.
//
//     out = softmax(scale q k^T + mask) v        for every batch and head
#pragma once
#include <stdbool.h>
#include <stddef.h>

// Element (batch, token, head, d) of an array lies at batch * b + token * t + head * h + d: unit stride along d.
// (B, T, H, D) contiguous: {T H D, H D, D}. (B, H, T, D) contiguous: {H T D, D, T D}.
typedef struct tk_attention_strides {
    ptrdiff_t b, t, h;
} tk_attention_strides;

typedef struct tk_attention_shape {
    size_t batch, heads;
    size_t queries, keys;        // tokens on either side
    size_t head_dimension;       // of queries and keys
    size_t value_dimension;      // of values and out; most often the same
    float scale;                 // most often 1 / sqrt(head_dimension)
    bool causal;                 // query i sees keys j <= i + keys - queries
    const float *mask;           // added to the scaled scores; NULL for none; -infinity hides a key
    ptrdiff_t mask_b, mask_h, mask_q, mask_k;  // strides of the mask; 0 repeats
    tk_attention_strides q, k, v, out;
} tk_attention_shape;

// out: (batch, queries, heads, value_dimension) by its strides. lse: (batch, heads, queries) contiguous, the log of the
// sum of exp(score), kept for backward; may be NULL. A query that sees no key gives 0 and lse -infinity.
void tk_attention_forward_f32(float *out, float *lse, const float *q, const float *k, const float *v,
                              const tk_attention_shape *shape, float *scratch);
// In floats, for the present number of threads.
size_t tk_attention_forward_scratch(const tk_attention_shape *shape);

// dq, dk, dv are laid out by the strides of q, k, v; dout by those of out. They are overwritten, not added to.
// With k or v broadcast over heads (stride 0) the gradients would collide: give dk, dv full strides through
// `dk_strides`, `dv_strides` and sum afterwards. NULL means the strides of k and v.
void tk_attention_backward_f32(float *dq, float *dk, float *dv, const float *dout, const float *q, const float *k,
                               const float *v, const float *out, const float *lse, const tk_attention_shape *shape,
                               const tk_attention_strides *dk_strides, const tk_attention_strides *dv_strides,
                               float *scratch);
// In floats, for the present number of threads.
size_t tk_attention_backward_scratch(const tk_attention_shape *shape);

// The same forward with operands rounded to bfloat16 for both products, on tile registers; scores, softmax and sums stay
// fp32. Only where `fits` says so: a processor with the registers, no mask, not causal, at least one key.
bool tk_attention_forward_bf16_fits(const tk_attention_shape *shape);
// In floats, for the present number of threads.
size_t tk_attention_forward_bf16_scratch(const tk_attention_shape *shape);
void tk_attention_forward_bf16(float *out, float *lse, const float *q, const float *k, const float *v,
                               const tk_attention_shape *shape, float *scratch);

// The backward pass of that forward, where it fits: operands of all five products are rounded, sums are fp32.
size_t tk_attention_backward_bf16_scratch(const tk_attention_shape *shape);
void tk_attention_backward_bf16(float *dq, float *dk, float *dv, const float *dout, const float *q, const float *k,
                                const float *v, const float *out, const float *lse, const tk_attention_shape *shape,
                                float *scratch);
