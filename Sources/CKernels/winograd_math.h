// Winograd's transforms of one tile, on sixteen channels at a time, and what the convolution kernels share.
//
// F(4, 3) interpolates at 0, +-5/8, +-3/2 and infinity, F(2, 3) at 0, +-1 and infinity. The usual points +-1, +-2 of
// F(4, 3) double the error; the fractions here are exact in binary, but for G's three divisors.
#pragma once
#include <string.h>

#include "include/tk_winograd.h"
#include "parallel.h"
#include "tile_math.h"

// All that passes vectors by value is inlined, so that no calling convention matters.
#pragma clang diagnostic ignored "-Wpsabi"

enum { TK_LANES = 16, TK_WINOGRAD_SIDE = 6 };

#define TK_UNROLL _Pragma("clang loop unroll(full)")

static const float tk_point_a = 0.625f, tk_point_b = 1.5f;
static const float tk_a2 = 0.390625f, tk_b2 = 2.25f, tk_a2b2 = 0.87890625f, tk_a2_plus_b2 = 2.640625f;
static const float tk_a3 = 0.244140625f, tk_b3 = 3.375f;
// 1 / (a^2 b^2), 1 / (2 a^2 (a^2 - b^2)), 1 / (2 b^2 (b^2 - a^2)).
static const float tk_g0 = 1.13777777777777778f, tk_ga = -0.688403361344537815f, tk_gb = 0.119514472455648926f;

TK_INLINE size_t tk_ceiling(size_t count, size_t step) { return (count + step - 1) / step; }
TK_INLINE size_t tk_least(size_t a, size_t b) { return a < b ? a : b; }

// Number of points of a tile: 36 or 16.
TK_INLINE size_t tk_winograd_points(const tk_winograd_shape *s) { return (s->tile + 2) * (s->tile + 2); }

TK_INLINE size_t tk_winograd_tiles(const tk_winograd_shape *s) {
    return s->batch * tk_ceiling(s->out_height, s->tile) * tk_ceiling(s->out_width, s->tile);
}

// Where a tile's first output lies.
typedef struct tk_winograd_place {
    size_t image, row, column;
} tk_winograd_place;

TK_INLINE tk_winograd_place tk_winograd_locate(const tk_winograd_shape *s, size_t tile) {
    const size_t across = tk_ceiling(s->out_width, s->tile), down = tk_ceiling(s->out_height, s->tile);
    return (tk_winograd_place){tile / (across * down), tile / across % down * s->tile, tile % across * s->tile};
}

TK_INLINE tk_sixteen tk_load(const float *x) {
    tk_sixteen line;
    memcpy(&line, x, sizeof line);
    return line;
}

TK_INLINE void tk_store(float *out, tk_sixteen line) { memcpy(out, &line, sizeof line); }

// The first `count` lanes; the others are 0.
TK_INLINE tk_sixteen tk_load_part(const float *x, size_t count) {
    tk_sixteen line = 0.0f;
    memcpy(&line, x, count * sizeof(float));
    return line;
}

// B^T d along one side: m + 2 values to m + 2 points.
TK_INLINE void tk_winograd_input(tk_sixteen *out, const tk_sixteen *d, const int m) {
    if (m == 2) {
        out[0] = d[2] - d[0];
        out[1] = d[2] + d[1];
        out[2] = d[2] - d[1];
        out[3] = d[3] - d[1];
        return;
    }
    const tk_sixteen even_a = d[4] - tk_b2 * d[2], odd_a = d[3] - tk_b2 * d[1];
    const tk_sixteen even_b = d[4] - tk_a2 * d[2], odd_b = d[3] - tk_a2 * d[1];
    out[0] = tk_a2b2 * d[0] + (d[4] - tk_a2_plus_b2 * d[2]);
    out[1] = even_a + tk_point_a * odd_a;
    out[2] = even_a - tk_point_a * odd_a;
    out[3] = even_b + tk_point_b * odd_b;
    out[4] = even_b - tk_point_b * odd_b;
    out[5] = tk_a2b2 * d[1] + (d[5] - tk_a2_plus_b2 * d[3]);
}

// A^T p along one side: m + 2 points to m outputs.
TK_INLINE void tk_winograd_output(tk_sixteen *out, const tk_sixteen *p, const int m) {
    const tk_sixteen sum_a = p[1] + p[2], difference_a = p[1] - p[2];
    if (m == 2) {
        out[0] = p[0] + sum_a;
        out[1] = difference_a + p[3];
        return;
    }
    const tk_sixteen sum_b = p[3] + p[4], difference_b = p[3] - p[4];
    out[0] = p[0] + (sum_a + sum_b);
    out[1] = tk_point_a * difference_a + tk_point_b * difference_b;
    out[2] = tk_a2 * sum_a + tk_b2 * sum_b;
    out[3] = tk_a3 * difference_a + (tk_b3 * difference_b + p[5]);
}

// A y along one side, the transpose of the above: m output gradients to m + 2 points.
TK_INLINE void tk_winograd_output_transposed(tk_sixteen *out, const tk_sixteen *y, const int m) {
    out[0] = y[0];
    if (m == 2) {
        out[1] = y[0] + y[1];
        out[2] = y[0] - y[1];
        out[3] = y[1];
        return;
    }
    const tk_sixteen even_a = y[0] + tk_a2 * y[2], odd_a = tk_point_a * y[1] + tk_a3 * y[3];
    const tk_sixteen even_b = y[0] + tk_b2 * y[2], odd_b = tk_point_b * y[1] + tk_b3 * y[3];
    out[1] = even_a + odd_a;
    out[2] = even_a - odd_a;
    out[3] = even_b + odd_b;
    out[4] = even_b - odd_b;
    out[5] = y[3];
}

// G g along one side: 3 weights to m + 2 points.
TK_INLINE void tk_winograd_weight(tk_sixteen *out, const tk_sixteen *g, const int m) {
    if (m == 2) {
        const tk_sixteen even = 0.5f * (g[0] + g[2]), odd = 0.5f * g[1];
        out[0] = -g[0];
        out[1] = even + odd;
        out[2] = even - odd;
        out[3] = g[2];
        return;
    }
    const tk_sixteen even_a = tk_ga * (g[0] + tk_a2 * g[2]), odd_a = tk_ga * tk_point_a * g[1];
    const tk_sixteen even_b = tk_gb * (g[0] + tk_b2 * g[2]), odd_b = tk_gb * tk_point_b * g[1];
    out[0] = tk_g0 * g[0];
    out[1] = even_a + odd_a;
    out[2] = even_a - odd_a;
    out[3] = even_b + odd_b;
    out[4] = even_b - odd_b;
    out[5] = g[2];
}

// G^T p along one side, the transpose of the above: m + 2 points to 3 weight gradients.
TK_INLINE void tk_winograd_weight_transposed(tk_sixteen *out, const tk_sixteen *p, const int m) {
    const tk_sixteen sum_a = p[1] + p[2], difference_a = p[1] - p[2];
    if (m == 2) {
        out[0] = 0.5f * sum_a - p[0];
        out[1] = 0.5f * difference_a;
        out[2] = 0.5f * sum_a + p[3];
        return;
    }
    const tk_sixteen sum_b = p[3] + p[4], difference_b = p[3] - p[4];
    out[0] = tk_g0 * p[0] + (tk_ga * sum_a + tk_gb * sum_b);
    out[1] = tk_ga * tk_point_a * difference_a + tk_gb * tk_point_b * difference_b;
    out[2] = tk_ga * tk_a2 * sum_a + (tk_gb * tk_b2 * sum_b + p[5]);
}

// Applies a transform of one side to columns, then to rows: out (to x to) from in (from x from).
#define TK_DEFINE_TWO_SIDES(NAME, ONE_SIDE)                                                         \
    TK_INLINE void NAME(tk_sixteen *out, const tk_sixteen *in, const int from, const int to, const int m) { \
        tk_sixteen half[TK_WINOGRAD_SIDE * TK_WINOGRAD_SIDE];                                       \
        TK_UNROLL for (int j = 0; j < from; j++) {                                                  \
            tk_sixteen line[TK_WINOGRAD_SIDE], points[TK_WINOGRAD_SIDE];                            \
            TK_UNROLL for (int i = 0; i < from; i++) line[i] = in[i * from + j];                    \
            ONE_SIDE(points, line, m);                                                              \
            TK_UNROLL for (int i = 0; i < to; i++) half[i * from + j] = points[i];                  \
        }                                                                                           \
        TK_UNROLL for (int i = 0; i < to; i++) ONE_SIDE(out + i * to, half + i * from, m);          \
    }

TK_DEFINE_TWO_SIDES(tk_winograd_input_tile, tk_winograd_input)
TK_DEFINE_TWO_SIDES(tk_winograd_output_tile, tk_winograd_output)
TK_DEFINE_TWO_SIDES(tk_winograd_output_tile_transposed, tk_winograd_output_transposed)
TK_DEFINE_TWO_SIDES(tk_winograd_weight_tile_transposed, tk_winograd_weight_transposed)

// d: side x side vectors of a map's channels, from `row`, `column` on, which may lie outside of it, where it is 0.
// x points at the image's first pixel, at the wanted channels; `lanes` of them exist.
TK_INLINE void tk_winograd_gather(tk_sixteen *d, const float *x, ptrdiff_t row, ptrdiff_t column, size_t height,
                                  size_t width, size_t channels, size_t lanes, const int side) {
    const bool inside = row >= 0 && column >= 0 && (size_t)row + (size_t)side <= height &&
                        (size_t)column + (size_t)side <= width && lanes == TK_LANES;
    if (inside) {
        const float *first = x + ((size_t)row * width + (size_t)column) * channels;
        TK_UNROLL for (int i = 0; i < side; i++) {
            TK_UNROLL for (int j = 0; j < side; j++) {
                d[i * side + j] = tk_load(first + ((size_t)i * width + (size_t)j) * channels);
            }
        }
        return;
    }
    for (int i = 0; i < side; i++) {
        for (int j = 0; j < side; j++) {
            const ptrdiff_t r = row + i, c = column + j;
            d[i * side + j] = 0.0f;
            if (r < 0 || c < 0 || (size_t)r >= height || (size_t)c >= width) continue;
            const float *pixel = x + ((size_t)r * width + (size_t)c) * channels;
            d[i * side + j] = lanes == TK_LANES ? tk_load(pixel) : tk_load_part(pixel, lanes);
        }
    }
}
