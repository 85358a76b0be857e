// Products of a few vectors with a matrix, and attention of one query: what generating token by token is made of.
#pragma once
#include <stddef.h>
#include <stdint.h>

// A matrix with n rows, of k numbers each, the bias of each row (may be null), and where the products go: y, (m, n).
typedef struct tk_matvec_part {
    float *y;
    const void *w;
    const float *bias;
    size_t n;
} tk_matvec_part;

// How rows are stored. Packed ones (`tk_pack_rows`) are TK_ROWS_PACKED + their block format.
typedef enum tk_row_type { TK_ROWS_F32, TK_ROWS_F16, TK_ROWS_BF16, TK_ROWS_PACKED = 16 } tk_row_type;

// y[m][n] = sum over k of x[m][k] w[n][k] + bias[n] for each part, all of one type. x: (m, k). Each output is a sum of its
// own: it does not depend on how many vectors there are, nor on the other parts.
void tk_matvec(const tk_matvec_part *parts, size_t count, tk_row_type type, const float *x, size_t m, size_t k,
               float *scratch);
size_t tk_matvec_scratch(tk_row_type type, size_t m, size_t k);

typedef struct tk_attention_step_shape {
    // Query head h reads key head h / (heads / key_heads).
    size_t batch, heads, key_heads, keys, head_dimension;
    float scale;
    // Scores become soft_cap * tanh(score / soft_cap); 0 leaves them.
    float soft_cap;
    // Strides in elements: of queries and the output by row and head, of keys and values by row, token and head.
    ptrdiff_t q_b, q_h, k_b, k_t, k_h, v_b, v_t, v_h;
    // Added to the scores: mask[b * mask_b + key * mask_k]; may be null.
    const float *mask;
    ptrdiff_t mask_b, mask_k;
} tk_attention_step_shape;

// Attention of one query a row. out: (batch, 1, heads, head_dimension). lse: (batch, heads), may be null.
void tk_attention_step_f32(float *out, float *lse, const float *q, const float *k, const float *v,
                           const tk_attention_step_shape *shape, float *scratch);
size_t tk_attention_step_scratch(const tk_attention_step_shape *shape);
// The heads first ..< first + count of all rows, by one thread of a team; the scratch is that of the whole team.
void tk_attention_step_heads_f32(float *out, float *lse, const float *q, const float *k, const float *v,
                                 const tk_attention_step_shape *shape, size_t first, size_t count, size_t thread,
                                 float *scratch);
