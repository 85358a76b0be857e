// Weight gradient of a 3x3 convolution in Winograd's domain.
//
// Inputs and output gradients of a span of tiles are transformed once; then work is divided by squares of 64 input by
// 32 output channels: the products of all points, summed over the tiles, and, after the last span, the transform to the
// nine weights. The order of the sums depends on the shape only.
#include "winograd_product.h"
#include "winograd_weights.h"

enum {
    // Transformed maps are made at once up to 40 MB. Beyond it tiles are taken in spans, and the sums of all channels
    // are kept between them.
    GRADIENT_FLOATS = 10 << 20,
    GRADIENT_TILES = 64,
    SQUARE_IN = 4,   // vectors of input channels
    SQUARE_OUT = 2,  // vectors of output channels
};

typedef struct gradient_context {
    const tk_winograd_shape *shape;
    size_t first, tiles, in_blocks, out_blocks;
    bool is_last;
    float *dw;
    const float *x, *dy;
    float *inputs, *outputs;  // (point, channels / 16, tile, 16)
    float *sums;              // (in / 16, out / 16, point, in 16, out 16), or for each thread those of one square
    size_t sums_count;        // for each thread, 0 when all are kept
} gradient_context;

// Tiles of a span. Where sums are kept, they are read and written for each span: with many channels it must be
// longer.
static size_t span_tiles(const tk_winograd_shape *s) {
    const size_t in = tk_ceiling(s->in_channels, TK_LANES) * TK_LANES;
    const size_t out = tk_ceiling(s->out_channels, TK_LANES) * TK_LANES;
    const size_t all = tk_winograd_tiles(s);
    if (all * (in + out) * tk_winograd_points(s) <= GRADIENT_FLOATS) return all;
    const size_t balanced = in * out / (2 * (in + out));
    return tk_ceiling(all, tk_ceiling(all, balanced < GRADIENT_TILES ? GRADIENT_TILES : balanced));
}

// Items are (channel block of x, then of dy; tile).
TK_INLINE void transform_maps(const gradient_context *c, size_t begin, size_t end, const int m) {
    const tk_winograd_shape *s = c->shape;
    for (; begin < end; begin++) {
        const size_t item = begin / c->tiles, tile = begin % c->tiles;
        const tk_winograd_place place = tk_winograd_locate(s, c->first + tile);
        const bool is_input = item < c->in_blocks;
        const size_t block = is_input ? item : item - c->in_blocks, channel = block * TK_LANES;
        const size_t blocks = is_input ? c->in_blocks : c->out_blocks;
        tk_sixteen d[TK_WINOGRAD_SIDE * TK_WINOGRAD_SIDE], points[TK_WINOGRAD_SIDE * TK_WINOGRAD_SIDE];
        if (is_input) {
            tk_winograd_gather(d, c->x + place.image * s->height * s->width * s->in_channels + channel,
                               (ptrdiff_t)place.row - (ptrdiff_t)s->pad_top,
                               (ptrdiff_t)place.column - (ptrdiff_t)s->pad_left, s->height, s->width, s->in_channels,
                               tk_least(s->in_channels - channel, TK_LANES), m + 2);
            tk_winograd_input_tile(points, d, m + 2, m + 2, m);
        } else {
            tk_winograd_gather(d, c->dy + place.image * s->out_height * s->out_width * s->out_channels + channel,
                               (ptrdiff_t)place.row, (ptrdiff_t)place.column, s->out_height, s->out_width,
                               s->out_channels, tk_least(s->out_channels - channel, TK_LANES), m);
            tk_winograd_output_tile_transposed(points, d, m, m + 2, m);
        }
        float *out = (is_input ? c->inputs : c->outputs) + (block * c->tiles + tile) * TK_LANES;
        TK_UNROLL for (int point = 0; point < (m + 2) * (m + 2); point++) {
            tk_store(out + (size_t)point * blocks * c->tiles * TK_LANES, points[point]);
        }
    }
}

TK_KERNEL static void maps_body(void *context, size_t begin, size_t end, size_t thread) {
    const gradient_context *c = context;
    (void)thread;
    if (c->shape->tile == 4) {
        transform_maps(c, begin, end, 4);
    } else {
        transform_maps(c, begin, end, 2);
    }
}

// `rows` rows of sums (rows x 16, dense) = or += a^T b over the tiles. a, b: (tile, 16).
TK_INLINE void correlate_rows(float *sums, const float *a, const float *b, size_t tiles, bool accumulate,
                              const int rows) {
    for (size_t start = 0; start < tiles; start += TK_TILE_CHAIN) {
        tk_sixteen lines[TK_LANES];
        TK_UNROLL for (int i = 0; i < rows; i++) lines[i] = 0.0f;
        const size_t depth = tk_least(tiles - start, TK_TILE_CHAIN);
        tk_accumulate(lines, rows, 1, a + start * TK_LANES, 1, TK_LANES, b + start * TK_LANES, TK_LANES, depth, NULL,
                      0);
        TK_UNROLL for (int i = 0; i < rows; i++) {
            float *line = sums + i * TK_LANES;
            tk_store(line, start || accumulate ? tk_load(line) + lines[i] : lines[i]);
        }
    }
}

TK_INLINE void correlate(float *sums, const float *a, const float *b, size_t tiles, bool accumulate, bool wide) {
    if (wide) return correlate_rows(sums, a, b, tiles, accumulate, 16);
    correlate_rows(sums, a, b, tiles, accumulate, 6);
    correlate_rows(sums + 6 * TK_LANES, a + 6, b, tiles, accumulate, 5);
    correlate_rows(sums + 11 * TK_LANES, a + 11, b, tiles, accumulate, 5);
}

// Sums of sixteen input by sixteen output channels, (point, in, out), to their weights.
TK_INLINE void transform_sums(float *dw, const float *sums, const tk_winograd_shape *s, size_t in, size_t out,
                              const int m) {
    const size_t channels = tk_least(s->in_channels - in, TK_LANES), lanes = tk_least(s->out_channels - out, TK_LANES);
    tk_sixteen taps[TK_LANES * 9];
    for (size_t i = 0; i < TK_LANES; i++) {
        tk_sixteen points[TK_WINOGRAD_SIDE * TK_WINOGRAD_SIDE];
        TK_UNROLL for (int point = 0; point < (m + 2) * (m + 2); point++) {
            points[point] = tk_load(sums + ((size_t)point * TK_LANES + i) * TK_LANES);
        }
        tk_winograd_weight_tile_transposed(taps + i * 9, points, m + 2, 3, m);
    }
    const size_t run = channels * 9;
    for (size_t piece = 0; piece < 9 && piece * TK_LANES < run; piece++) {
        tk_transpose_16x16(taps + piece * TK_LANES);
        const size_t count = tk_least(run - piece * TK_LANES, TK_LANES);
        for (size_t lane = 0; lane < lanes; lane++) {
            float *line = dw + ((out + lane) * s->in_channels + in) * 9 + piece * TK_LANES;
            if (count == TK_LANES) {
                tk_store(line, taps[piece * TK_LANES + lane]);
            } else {
                memcpy(line, taps + piece * TK_LANES + lane, count * sizeof(float));
            }
        }
    }
}

// Items are squares of input and output channels.
TK_INLINE void correlate_squares(const gradient_context *c, size_t begin, size_t end, size_t thread, bool wide,
                                 const int m) {
    const tk_winograd_shape *s = c->shape;
    enum { BLOCK = TK_LANES * TK_LANES };
    const size_t points = tk_winograd_points(s), across = tk_ceiling(c->out_blocks, SQUARE_OUT);
    for (; begin < end; begin++) {
        const size_t first_in = begin / across * SQUARE_IN, first_out = begin % across * SQUARE_OUT;
        const size_t ins = tk_least(c->in_blocks - first_in, SQUARE_IN);
        const size_t outs = tk_least(c->out_blocks - first_out, SQUARE_OUT);
        // Sums of one pair of blocks lie together.
        float *base = c->sums_count ? c->sums + thread * c->sums_count
                                    : c->sums + (first_in * c->out_blocks + first_out) * points * BLOCK;
        const size_t pitch = (c->sums_count ? SQUARE_OUT : c->out_blocks) * points * BLOCK;
        for (size_t point = 0; point < points; point++) {
            const float *a = c->inputs + (point * c->in_blocks + first_in) * c->tiles * TK_LANES;
            const float *b = c->outputs + (point * c->out_blocks + first_out) * c->tiles * TK_LANES;
            for (size_t in = 0; in < ins; in++) {
                for (size_t out = 0; out < outs; out++) {
                    correlate(base + in * pitch + (out * points + point) * BLOCK, a + in * c->tiles * TK_LANES,
                              b + out * c->tiles * TK_LANES, c->tiles, c->first > 0, wide);
                }
            }
        }
        if (!c->is_last) continue;
        for (size_t out = 0; out < outs; out++) {
            for (size_t in = 0; in < ins; in++) {
                transform_sums(c->dw, base + in * pitch + out * points * BLOCK, s, (first_in + in) * TK_LANES,
                               (first_out + out) * TK_LANES, m);
            }
        }
    }
}

TK_KERNEL static void squares_body(void *context, size_t begin, size_t end, size_t thread) {
    const gradient_context *c = context;
    const bool wide = tk_has_wide_registers();
    if (c->shape->tile == 4) {
        correlate_squares(c, begin, end, thread, wide, 4);
    } else {
        correlate_squares(c, begin, end, thread, wide, 2);
    }
}

// Sets the context's sizes and pointers into scratch; returns the scratch's size.
static size_t lay_out(gradient_context *c, float *scratch) {
    const tk_winograd_shape *s = c->shape;
    const size_t points = tk_winograd_points(s), tiles = span_tiles(s);
    c->in_blocks = tk_ceiling(s->in_channels, TK_LANES);
    c->out_blocks = tk_ceiling(s->out_channels, TK_LANES);
    c->tiles = tiles;
    const size_t block = points * TK_LANES * TK_LANES;
    c->sums_count = tiles < tk_winograd_tiles(s) ? 0 : SQUARE_IN * SQUARE_OUT * block;
    const size_t inputs = points * c->in_blocks * tiles * TK_LANES, outputs = points * c->out_blocks * tiles * TK_LANES;
    const size_t sums =
        c->sums_count ? c->sums_count * (size_t)omp_get_max_threads() : c->in_blocks * c->out_blocks * block;
    if (scratch) {
        c->inputs = scratch;
        c->outputs = scratch + inputs;
        c->sums = c->outputs + outputs;
    }
    return inputs + outputs + sums;
}

size_t tk_winograd_weight_gradient_scratch(const tk_winograd_shape *s) {
    gradient_context c = {.shape = s};
    return lay_out(&c, NULL);
}

void tk_winograd_weight_gradient_f32(float *dw, const float *x, const float *dy, const tk_winograd_shape *s,
                                     float *scratch) {
    gradient_context c = {.shape = s, .dw = dw, .x = x, .dy = dy};
    lay_out(&c, scratch);
    const size_t all = tk_winograd_tiles(s), full = c.tiles;
    if (all == 0) memset(dw, 0, s->out_channels * s->in_channels * 9 * sizeof(float));
    for (; c.first < all; c.first += c.tiles) {
        c.tiles = tk_least(all - c.first, full);
        c.is_last = c.first + c.tiles == all;
        tk_parallel_for(c.tiles * (c.in_blocks + c.out_blocks), 16, maps_body, &c);
        tk_parallel_for(tk_ceiling(c.in_blocks, SQUARE_IN) * tk_ceiling(c.out_blocks, SQUARE_OUT), 1, squares_body, &c);
    }
}
