// Picking and scattering by index. The caller has checked that every index lies in range (0 <= index < axis).
#pragma once
#include <stddef.h>
#include <stdint.h>

// Embedding. out[i] = table[indices[i]], rows of `row_bytes` bytes.
void tk_gather_rows(void *out, const void *table, const int64_t *indices, size_t count, size_t row_bytes);
// dtable[indices[i]] += dy[i], in the order of i. dtable: (table rows, cols), not cleared here. dy: (count, cols).
void tk_scatter_add_rows_f32(float *dtable, const float *dy, const int64_t *indices, size_t count, size_t cols);

// torch.gather: out[o][j][i] = x[o][indices[o][j][i]][i], elements of 1, 2, 4 or 8 bytes.
// out, indices: (outer, count, inner). x: (outer, axis, inner).
void tk_gather_axis(size_t element_bytes, void *out, const void *x, const int64_t *indices, size_t outer, size_t axis,
                    size_t count, size_t inner);
// dx[o][indices[o][j][i]][i] += dy[o][j][i], in the order of j. dx: (outer, axis, inner), not cleared here.
void tk_scatter_add_axis_f32(float *dx, const float *dy, const int64_t *indices, size_t outer, size_t axis,
                             size_t count, size_t inner);

// torch.index_select: out[o][j] = x[o][indices[j]], blocks of `inner` elements. out: (outer, count, inner).
void tk_index_select(size_t element_bytes, void *out, const void *x, const int64_t *indices, size_t outer, size_t axis,
                     size_t count, size_t inner);
// dx[o][indices[j]] += dy[o][j], in the order of j. dx: (outer, axis, inner), not cleared here.
void tk_index_add_f32(float *dx, const float *dy, const int64_t *indices, size_t outer, size_t axis, size_t count,
                      size_t inner);
