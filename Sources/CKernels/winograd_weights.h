// The order of transformed weights, and the making of a part of them.
#pragma once
#include <stdint.h>

#include "winograd_math.h"

// Transformed weights lie as (out / 32, point, in, 32); the last chunk has 16 columns where 16 are enough. Columns
// beyond the output channels are 0.
enum { TK_CHUNK = 32 };

TK_INLINE size_t tk_winograd_chunk_width(const tk_winograd_shape *s, size_t chunk) {
    return s->out_channels - chunk * TK_CHUNK > TK_LANES ? TK_CHUNK : TK_LANES;
}

// Where a chunk begins. All chunks before it are 32 wide.
TK_INLINE size_t tk_winograd_chunk(const tk_winograd_shape *s, size_t chunk) {
    return chunk * TK_CHUNK * tk_winograd_points(s) * s->in_channels;
}

// Transposes sixteen vectors in place: at each distance, halves of pairs of vectors change places.
TK_INLINE void tk_transpose_16x16(tk_sixteen *v) {
#define TK_EXCHANGE(D, A, B, C, E, F, G, H, I, J, K, L, M, N, O, P, Q)                                            \
    TK_UNROLL for (int i = 0; i < TK_LANES; i++) {                                                                \
        if (i & D) continue;                                                                                      \
        const tk_sixteen low = v[i], high = v[i + D];                                                             \
        v[i] = __builtin_shufflevector(low, high, A, B, C, E, F, G, H, I, J, K, L, M, N, O, P, Q);                \
        v[i + D] = __builtin_shufflevector(low, high, A + D, B + D, C + D, E + D, F + D, G + D, H + D, I + D,     \
                                           J + D, K + D, L + D, M + D, N + D, O + D, P + D, Q + D);               \
    }
    TK_EXCHANGE(8, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23)
    TK_EXCHANGE(4, 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27)
    TK_EXCHANGE(2, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29)
    TK_EXCHANGE(1, 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30)
#undef TK_EXCHANGE
}

// `count` weights from a place on, at most 16.
TK_INLINE tk_sixteen tk_winograd_load_weights(tk_winograd_weights weights, size_t place, size_t count) {
    if (!weights.is_bfloat16) {
        const float *line = (const float *)weights.values + place;
        return count == TK_LANES ? tk_load(line) : tk_load_part(line, count);
    }
    typedef uint16_t words __attribute__((ext_vector_type(16)));
    typedef uint32_t doubles __attribute__((ext_vector_type(16)));
    words line = 0;
    const uint16_t *from = (const uint16_t *)weights.values + place;
    if (count == TK_LANES) {
        memcpy(&line, from, sizeof line);
    } else {
        memcpy(&line, from, count * sizeof *from);
    }
    return (tk_sixteen)(__builtin_convertvector(line, doubles) << 16);
}

// taps: for each of 16 input channels the 9 weights, each a vector of 16 output channels; what does not exist is 0.
TK_INLINE void tk_winograd_load_taps(tk_sixteen *taps, tk_winograd_weights weights, size_t in_channels,
                                     size_t out_channels, size_t first_in, size_t first_out) {
    // Rows of the weights' outer dimension, each with a run of 16 x 9 numbers of the inner one.
    const size_t inner = weights.reversed ? out_channels : in_channels;
    const size_t outer = weights.reversed ? in_channels : out_channels;
    const size_t first_outer = weights.reversed ? first_in : first_out;
    const size_t first_inner = weights.reversed ? first_out : first_in;
    const size_t rows = tk_least(outer - first_outer, TK_LANES), run = tk_least(inner - first_inner, TK_LANES) * 9;
    for (size_t piece = 0; piece < 9; piece++) {
        tk_sixteen lines[TK_LANES];
        const size_t lanes = run > piece * TK_LANES ? tk_least(run - piece * TK_LANES, TK_LANES) : 0;
        TK_UNROLL for (size_t row = 0; row < TK_LANES; row++) {
            lines[row] = 0.0f;
            if (row >= rows || lanes == 0) continue;
            const size_t place = ((first_outer + row) * inner + first_inner) * 9 + piece * TK_LANES;
            lines[row] = tk_winograd_load_weights(weights, place, lanes);
        }
        tk_transpose_16x16(lines);
        TK_UNROLL for (size_t i = 0; i < TK_LANES; i++) taps[piece * TK_LANES + i] = lines[i];
    }
    if (!weights.reversed) return;
    // Now inner channel x tap by outer channel; wanted is outer x turned tap by inner.
    tk_sixteen turned[TK_LANES * 9];
    for (size_t tap = 0; tap < 9; tap++) {
        tk_sixteen lines[TK_LANES];
        TK_UNROLL for (size_t i = 0; i < TK_LANES; i++) lines[i] = taps[i * 9 + 8 - tap];
        tk_transpose_16x16(lines);
        TK_UNROLL for (size_t i = 0; i < TK_LANES; i++) turned[i * 9 + tap] = lines[i];
    }
    memcpy(taps, turned, sizeof turned);
}

// Sixteen input channels from `channel` on, of all points of a chunk. u holds `depth` input channels of the chunk, those
// from `first` on.
TK_INLINE void tk_winograd_transform_block(float *u, size_t first, size_t depth, tk_winograd_weights weights,
                                           const tk_winograd_shape *s, size_t chunk, size_t channel, const int m) {
    const size_t width = tk_winograd_chunk_width(s, chunk);
    const size_t channels = tk_least(s->in_channels - channel, TK_LANES);
    for (size_t column = 0; column < width; column += TK_LANES) {
        const size_t out = chunk * TK_CHUNK + column;
        if (out >= s->out_channels) break;
        tk_sixteen taps[TK_LANES * 9], half[TK_LANES * TK_WINOGRAD_SIDE * 3];
        tk_winograd_load_taps(taps, weights, s->in_channels, s->out_channels, channel, out);
        for (size_t i = 0; i < channels; i++) {
            TK_UNROLL for (int j = 0; j < 3; j++) {
                const tk_sixteen line[3] = {taps[i * 9 + j], taps[i * 9 + 3 + j], taps[i * 9 + 6 + j]};
                tk_sixteen points[TK_WINOGRAD_SIDE];
                tk_winograd_weight(points, line, m);
                TK_UNROLL for (int p = 0; p < m + 2; p++) half[(i * TK_WINOGRAD_SIDE + p) * 3 + j] = points[p];
            }
        }
        // Points often lie a multiple of the page size apart, where a first-level cache holds only a few of them: one
        // row of points at a time.
        for (int p = 0; p < m + 2; p++) {
            float *row = u + ((size_t)(p * (m + 2)) * depth + channel - first) * width + column;
            for (size_t i = 0; i < channels; i++) {
                tk_sixteen points[TK_WINOGRAD_SIDE];
                tk_winograd_weight(points, half + (i * TK_WINOGRAD_SIDE + p) * 3, m);
                TK_UNROLL for (int q = 0; q < m + 2; q++) tk_store(row + ((size_t)q * depth + i) * width, points[q]);
            }
        }
    }
}
