// Weights in blocks of a few bits a number, as GGUF files hold them.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tk_matvec.h"

typedef enum tk_block_format {
    TK_Q4_0, TK_Q4_1, TK_Q5_0, TK_Q5_1, TK_Q8_0, TK_Q4_K, TK_Q5_K, TK_Q6_K
} tk_block_format;

// Numbers and bytes of a block.
size_t tk_block_count(tk_block_format format);
size_t tk_block_bytes(tk_block_format format);

// The numbers of `blocks` blocks, each rounded as the format's reference does.
void tk_widen_blocks_f32(float *out, const void *blocks_in, tk_block_format format, size_t blocks);
// The numbers of some rows of a matrix with k columns: out[i] = table[indices[i]]. k: a multiple of the block's count.
void tk_gather_rows_quantized(float *out, const void *table, const int64_t *indices, tk_block_format format,
                              size_t count, size_t k);

// y[m][n] = sum over k of x[m][k] w[n][k] + bias[n], as tk_matvec. k: a multiple of the block's count.
void tk_matvec_quantized(float *y, const float *x, const void *w, const float *bias, tk_block_format format, size_t m,
                         size_t n, size_t k, float *scratch);
size_t tk_matvec_quantized_scratch(size_t m, size_t k);

// Rows packed for processors that multiply and add bytes, which `tk_matvec` reads; whether this one does.
bool tk_has_packed_rows(void);
size_t tk_packed_rows_bytes(tk_block_format format, size_t n, size_t k);
void tk_pack_rows(void *out, const void *w, tk_block_format format, size_t n, size_t k);
