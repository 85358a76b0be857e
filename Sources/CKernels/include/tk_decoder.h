// One token through the layers of a gated decoder, as Llama's, in one parallel region.
#pragma once
#include <stddef.h>

#include "tk_matvec.h"

// A matrix with n rows and the bias of each row (may be null).
typedef struct tk_rows {
    const void *w;
    const float *bias;
    size_t n;
    tk_row_type type;
} tk_rows;

enum { TK_QUERIES, TK_KEYS, TK_VALUES, TK_OUTPUT, TK_GATE, TK_UP, TK_DOWN, TK_DECODER_MATRICES };

typedef struct tk_decoder_layer {
    // Weights of the norms before attention and before the feed-forward part: (width).
    const float *norm1, *norm2;
    tk_rows rows[TK_DECODER_MATRICES];
    // Of all tokens, (tokens, key_heads, head_dimension). Those of the last one, which is this one, are written.
    float *cached_keys, *cached_values;
} tk_decoder_layer;

typedef struct tk_decoder_shape {
    size_t layers, width, inner, heads, key_heads, head_dimension;
    // Those in the caches, this one included.
    size_t tokens;
    // Angles of this token's position: (pairs), as for `tk_rotary_f32`.
    size_t pairs;
    const float *cosines, *sines;
    float epsilon, scale;
} tk_decoder_shape;

// For each layer, with n(x) = x / sqrt(mean(x²) + epsilon) * norm:
//     h = x + output · attention(turned(queries · n(x)), cached keys, cached values)
//     x = h + down · (silu(gate · n(h)) * (up · n(h)))
// out, x: (width), may be the same. Each step has the bits of its own kernel.
void tk_decoder_layers_f32(float *out, const float *x, const tk_decoder_layer *layers, const tk_decoder_shape *shape,
                           float *scratch);
size_t tk_decoder_scratch(const tk_decoder_shape *shape);
