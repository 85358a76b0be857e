// Products of bfloat16 numbers, summed in fp32: on tile registers, else by dot products. Only where
// `tk_multiplies_bfloat16()`.
//
// Each output is one sum over the taps in turn and, within a tap, over the input channels in order: neither the number of
// rows nor what they lie beside shows in its bits.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A matrix (taps = 1) or the kernels of a convolution, row-major (out_channels, in_channels, taps).
typedef struct tk_tile_weights {
    size_t out_channels, in_channels, taps;
} tk_tile_weights;

// A convolution over channels-last maps. in_channels is a multiple of 32.
typedef struct tk_tile_map {
    size_t batch, in_channels, out_channels;
    size_t in_height, in_width, out_height, out_width;
    size_t kernel_height, kernel_width, stride, pad_top, pad_left;
} tk_tile_map;

// Elements of the packed form: out_channels is rounded up to a multiple of 32.
size_t tk_tile_packed_count(const tk_tile_weights *shape);

// (out / 32, tap, in / 32, 2, in / 2 % 16, out % 16, in % 2): panels of 32 outputs, read from front to back.
void tk_tile_pack(uint16_t *out, const uint16_t *weights, const tk_tile_weights *shape);

// Elements of scratch to turn these weights in: see below. Depends on the number of threads.
size_t tk_tile_turned_scratch(const tk_tile_weights *shape);

// out (rows, out_channels) = x (rows, in_channels), whose rows lie `stride` apart, by the matrix, plus the bias and then the
// residual (rows, out_channels) where they are not null. At least 16 rows; in_channels is a multiple of 32.
//
// Where `turned` is not null, `packed` is the form of the matrix the other way round, (in_channels, out_channels), both
// multiples of 32: the gradient of an input is made from the weights' own form, a panel at a time, in that scratch.
void tk_tile_linear(float *out, const uint16_t *x, ptrdiff_t stride, size_t rows, const uint16_t *packed,
                    const float *bias, const float *residual, size_t in_channels, size_t out_channels, uint16_t *turned);

// out (rows, channels), bfloat16 = hidden * gelu(gate) of what `tk_tile_linear` gives for a matrix of 2 * channels outputs,
// the hidden ones first. channels is a multiple of 32.
void tk_tile_geglu(uint16_t *out, const uint16_t *x, ptrdiff_t stride, size_t rows, const uint16_t *packed,
                   const float *bias, size_t in_channels, size_t channels);

// Elements of scratch, bfloat16 each: the input with its padding.
size_t tk_tile_convolution_scratch(const tk_tile_map *shape);

// x is fp32 (rounded on the way) or bfloat16, (batch, in_height, in_width, in_channels); the residual is shaped as out.
// Where `turned` is not null, the weights are those of a convolution of stride 1 from out_channels to in_channels, taken from
// the last tap to the first.
void tk_tile_convolution(float *out, const void *x, bool is_bfloat16, const uint16_t *packed, const float *bias,
                         const float *residual, const tk_tile_map *shape, uint16_t *scratch, uint16_t *turned);

// Floats of scratch.
size_t tk_tile_weight_gradient_scratch(const tk_tile_map *shape);

// out (out_channels, in_channels, kernel_height, kernel_width) = the gradient of the weights, from that of the output,
// (batch, out_height, out_width, out_channels), which is rounded, and from x, fp32 (rounded on the way) or bfloat16,
// (batch, in_height, in_width, in_channels). Any numbers of channels; at most 64 taps; pads are smaller than the kernel. A
// linear map is a convolution of one tap over a single row.
//
// Sums are over positions in their order, in spans of 15360 places of the padded map that are added up at the end.
void tk_tile_weight_gradient(float *out, const float *gradient, const void *x, bool is_bfloat16,
                             const tk_tile_map *shape, float *scratch);
