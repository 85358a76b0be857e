#pragma once
#include <stdbool.h>

#include "include/tk_quantized.h"

// As tk_matvec_quantized. False, and nothing is done, where the processor has no table look-ups of sixteen floats or the
// format has more than four bits a number.
bool tk_matvec_tables(float *y, const float *x, const void *w, const float *bias, tk_block_format format, size_t m,
                      size_t n, size_t k);
