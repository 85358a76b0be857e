// Pointer kernels of the CPU backend.
//
// Conventions, unless a function says otherwise:
// - Arguments come as outputs, inputs, sizes. Sizes are `size_t`; strides are `ptrdiff_t` and count elements.
// - Arrays are contiguous, row-major and fp32. Shapes are written (slowest, ..., fastest).
// - An output may be the very same array as an input only where the comment says "in place"; partial overlap never.
// - Nothing allocates. Where scratch is needed, `<name>_scratch(...)` gives its size in floats; the content need not be
//   set before and means nothing after. Sizes that depend on the number of threads must be asked on the calling thread.
// - A result depends on the inputs only: neither on the number of threads nor on how many rows share a batch.
// - Sizes of 0 are allowed and do nothing.
#pragma once

#include "tk_threads.h"
#include "tk_elementwise.h"
#include "tk_strided.h"
#include "tk_convert.h"
#include "tk_reduce.h"
#include "tk_softmax.h"
#include "tk_norm.h"
#include "tk_gated.h"
#include "tk_attention.h"
#include "tk_winograd.h"
#include "tk_gather.h"
#include "tk_resample.h"
#include "tk_optimizer.h"
#include "tk_random.h"
#include "tk_rotary.h"
#include "tk_scan.h"
#include "tk_matvec.h"
#include "tk_quantized.h"
#include "tk_decoder.h"
#include "tk_tiles.h"
