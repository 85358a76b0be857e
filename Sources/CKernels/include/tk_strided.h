// Copies between strided and contiguous layouts: permutations, slices, broadcasts. Rank at most TK_MAX_RANK.
#pragma once
#include <stddef.h>

// out (contiguous) = x (any strides, negative and 0 allowed), elements of 1, 2, 4 or 8 bytes, moved as bits.
// `x` points at the first element. Transposes (NCHW <-> NHWC, head split and merge) run in cache-sized blocks.
void tk_copy_strided(size_t element_bytes, void *out, size_t rank, const size_t *shape, const void *x,
                     const ptrdiff_t *strides);

// out (any strides, no two elements at one place) = x (contiguous): writes a slice or a permuted destination.
void tk_copy_into_strided(size_t element_bytes, void *out, const ptrdiff_t *strides, const void *x, size_t rank,
                          const size_t *shape);

// out (any strides, no two elements at one place) += x (contiguous): the backward of slicing.
void tk_add_into_strided_f32(float *out, const ptrdiff_t *strides, const float *x, size_t rank, const size_t *shape);
