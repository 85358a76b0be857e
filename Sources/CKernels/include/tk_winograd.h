// 3x3 convolutions with stride 1 by Winograd's minimal filtering (Lavin and Gray, arXiv 1509.09308), on channels-last
// maps as they are.
//
//     Y = A^T [ (G g G^T) (B^T d B) ] A       for each tile: m x m outputs from m + 2 x m + 2 inputs
//
// The elementwise product, summed over input channels, is (m + 2)^2 matrix products over all tiles. An output depends
// on its own tile only and its sums run over the channels in order, so neither the batch nor the threads show in it.
#pragma once
#include <stdbool.h>
#include <stddef.h>

typedef struct tk_winograd_shape {
    size_t batch, in_channels, out_channels;  // channels at least 1
    size_t height, width;          // of x
    size_t out_height, out_width;  // of y
    size_t pad_top, pad_left;      // zeros before x; those after follow from the sizes
    size_t tile;                   // m: 4 or 2
} tk_winograd_shape;

// The weights of a convolution: (out, in, 3, 3). Reversed: (in, out, 3, 3), turned by half a turn and with channels
// swapped on the way, which makes an input gradient of a forward pass.
typedef struct tk_winograd_weights {
    const void *values;  // fp32 or bfloat16, which is widened as it is read
    bool reversed, is_bfloat16;
} tk_winograd_weights;

// u: the transformed weights G g G^T in the order in which the products read them.
void tk_winograd_transform_weights_f32(float *u, tk_winograd_weights weights, const tk_winograd_shape *shape);
// Size of u in floats.
size_t tk_winograd_transformed_count(const tk_winograd_shape *shape);

// y: (batch, out_height, out_width, out_channels). x: (batch, height, width, in_channels). bias: (out_channels), may be
// NULL. u: transformed weights; with NULL they are made from `weights` in blocks as they are needed, to the same bits.
void tk_winograd_forward_f32(float *y, const float *x, const float *u, tk_winograd_weights weights, const float *bias,
                             const tk_winograd_shape *shape, float *scratch);
// In floats, for the present number of threads. `transforms` when u is NULL.
size_t tk_winograd_forward_scratch(const tk_winograd_shape *shape, bool transforms);

// dw: (out, in, 3, 3), overwritten. x: (batch, height, width, in_channels). dy: (batch, out_height, out_width,
// out_channels).
//
//     dw = G^T [ sum over tiles (B^T d B) (A dY A^T) ] G
void tk_winograd_weight_gradient_f32(float *dw, const float *x, const float *dy, const tk_winograd_shape *shape,
                                     float *scratch);
// In floats, for the present number of threads.
size_t tk_winograd_weight_gradient_scratch(const tk_winograd_shape *shape);
