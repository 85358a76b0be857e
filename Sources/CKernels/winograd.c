// Forward pass of a 3x3 convolution in Winograd's domain; also its input gradient, by reversed weights.
//
// Tiles are taken in spans whose transformed inputs stay in the last cache. Within a span, work is divided by 32 output
// channels and a group of tiles: all points' products for these, then their output transform while they are in the
// core's own cache. Transformed weights are read in order, once for each group.
#include <stdint.h>

#include "winograd_product.h"
#include "winograd_weights.h"

enum {
    // A span holds transformed inputs of 3 MB, or 70 tiles where these are more: few enough to stay in the last cache,
    // enough to make reading all weights again for the next span worth while.
    SPAN_FLOATS = 3 << 18,
    SPAN_TILES = 70,
    // Weights that are transformed on the fly are made once for all spans up to 16 MB. Beyond, they are made for 128 input
    // channels at a time, 590 KB, which stay in the core's own cache until the products have read them; in each span,
    // which is then larger.
    WHOLE_WEIGHTS = 4 << 20,
    SPAN_FACTOR = 3,
    // Tiles that share one reading of a chunk of weights: their products, 320 KB, fill a third of the core's own cache.
    // Of weights made on the fly, 590 KB, all tiles of a span do.
    GROUP_TILES = 70,
};

typedef struct span_plan {
    size_t tiles;   // of a full span
    size_t rows;    // tiles of a full product block
    size_t group;   // product blocks of a group
    bool wide;      // blocks of 32 columns
} span_plan;

static span_plan plan_spans(const tk_winograd_shape *s, bool in_parts) {
    span_plan plan = {.wide = tk_has_wide_registers()};
    const size_t most = plan.wide ? TK_ROWS_WIDE : TK_ROWS_NARROW, count = tk_winograd_tiles(s);
    const size_t all = count > 0 ? count : 1;
    const size_t fit = SPAN_FLOATS / (tk_winograd_points(s) * tk_ceiling(s->in_channels, TK_LANES) * TK_LANES);
    const size_t spans = tk_ceiling(all, (fit < SPAN_TILES ? SPAN_TILES : fit) * (in_parts ? SPAN_FACTOR : 1));
    plan.tiles = tk_ceiling(all, spans);
    plan.rows = tk_ceiling(plan.tiles, tk_ceiling(plan.tiles, most));
    const size_t blocks = tk_ceiling(plan.tiles, plan.rows);
    const size_t chunks = tk_ceiling(s->out_channels, TK_CHUNK), threads = (size_t)omp_get_max_threads();
    // As few groups as keep all threads busy where each of them makes its weights again.
    const size_t groups = in_parts ? tk_ceiling(2 * threads, chunks) : tk_ceiling(blocks, GROUP_TILES / most);
    plan.group = tk_ceiling(blocks, groups);
    return plan;
}

typedef struct forward_context {
    const tk_winograd_shape *shape;
    span_plan plan;
    size_t first, tiles;  // of this span
    float *y;
    const float *x, *u, *bias;
    tk_winograd_weights weights;
    float *inputs;    // (block of rows, point, in / 16, row, 16)
    float *products;  // for each thread (tile of the group, point, 32)
    float *chunk;     // for each thread 128 input channels of a chunk of transformed weights
    size_t products_count, chunk_count;
} forward_context;

// Floats from one tile's transformed inputs to the next within a span.
TK_INLINE size_t tile_floats(const tk_winograd_shape *s) {
    return tk_winograd_points(s) * tk_ceiling(s->in_channels, TK_LANES) * TK_LANES;
}

TK_INLINE void transform_inputs(const forward_context *c, size_t begin, size_t end, const int m) {
    const tk_winograd_shape *s = c->shape;
    const size_t blocks = tk_ceiling(s->in_channels, TK_LANES);
    for (; begin < end; begin++) {
        const size_t tile = begin / blocks, block = begin % blocks;
        const tk_winograd_place place = tk_winograd_locate(s, c->first + tile);
        const size_t channel = block * TK_LANES, row = tile % c->plan.rows;
        const size_t rows = tk_least(c->tiles - (tile - row), c->plan.rows);
        tk_sixteen d[TK_WINOGRAD_SIDE * TK_WINOGRAD_SIDE], points[TK_WINOGRAD_SIDE * TK_WINOGRAD_SIDE];
        tk_winograd_gather(d, c->x + place.image * s->height * s->width * s->in_channels + channel,
                           (ptrdiff_t)place.row - (ptrdiff_t)s->pad_top,
                           (ptrdiff_t)place.column - (ptrdiff_t)s->pad_left, s->height, s->width, s->in_channels,
                           tk_least(s->in_channels - channel, TK_LANES), m + 2);
        tk_winograd_input_tile(points, d, m + 2, m + 2, m);
        float *out = c->inputs + (tile - row) * tile_floats(s) + (block * rows + row) * TK_LANES;
        TK_UNROLL for (int point = 0; point < (m + 2) * (m + 2); point++) {
            tk_store(out + (size_t)point * blocks * rows * TK_LANES, points[point]);
        }
    }
}

TK_KERNEL static void inputs_body(void *context, size_t begin, size_t end, size_t thread) {
    const forward_context *c = context;
    (void)thread;
    if (c->shape->tile == 4) {
        transform_inputs(c, begin, end, 4);
    } else {
        transform_inputs(c, begin, end, 2);
    }
}

// One block by its exact number of rows, which the compiler must know.
TK_INLINE void multiply_block(float *c, size_t c_row, const float *a, const float *b, size_t width, size_t depth,
                              bool accumulates, size_t rows, bool wide, const char *ahead, size_t ahead_step) {
#define TK_WIDE(ROWS)                                                                            \
    case ROWS:                                                                                   \
        tk_product_block(c, c_row, a, b, TK_CHUNK, depth, accumulates, ROWS, 2, ahead, ahead_step); \
        break;
#define TK_NARROW(ROWS)                                                                          \
    case ROWS:                                                                                   \
        tk_product_block(c + column, c_row, a, b + column, width, depth, accumulates, ROWS, 1, ahead, ahead_step); \
        break;
    if (wide && width == TK_CHUNK) {
        switch (rows) {
            TK_WIDE(1) TK_WIDE(2) TK_WIDE(3) TK_WIDE(4) TK_WIDE(5) TK_WIDE(6) TK_WIDE(7)
            TK_WIDE(8) TK_WIDE(9) TK_WIDE(10) TK_WIDE(11) TK_WIDE(12) TK_WIDE(13) TK_WIDE(14)
        }
        return;
    }
    for (size_t column = 0; column < width; column += TK_LANES) {
        switch (rows) {
            TK_NARROW(1) TK_NARROW(2) TK_NARROW(3) TK_NARROW(4) TK_NARROW(5) TK_NARROW(6) TK_NARROW(7)
            TK_NARROW(8) TK_NARROW(9) TK_NARROW(10) TK_NARROW(11) TK_NARROW(12) TK_NARROW(13) TK_NARROW(14)
        }
    }
}

// The products of a group of tiles with `depth` input channels of a chunk of weights, from `channel` on, at every point.
TK_INLINE void multiply_group(const forward_context *c, float *products, const float *u, size_t channel, size_t depth,
                              size_t first, size_t last, size_t width) {
    const tk_winograd_shape *s = c->shape;
    const size_t points = tk_winograd_points(s), blocks = tk_ceiling(s->in_channels, TK_LANES);
    const size_t parts = tk_ceiling(last - first, c->plan.rows);
    for (size_t point = 0; point < points; point++) {
        // While this point's weights are used, the next one's are fetched.
        const float *b = u + point * depth * width;
        for (size_t tile = first; tile < last; tile += c->plan.rows) {
            const size_t rows = tk_least(c->tiles - tile, c->plan.rows), part = (tile - first) / c->plan.rows;
            const float *a =
                c->inputs + tile * tile_floats(s) + (point * blocks + channel / TK_LANES) * rows * TK_LANES;
            const size_t step = width * sizeof(float) / parts;
            const char *ahead = (const char *)(b + depth * width) + part * step * depth;
            multiply_block(products + ((tile - first) * points + point) * TK_CHUNK, points * TK_CHUNK, a, b, width,
                           depth, channel > 0, rows, c->plan.wide, ahead, step);
        }
    }
}

TK_INLINE void transform_outputs(const forward_context *c, const float *products, size_t first, size_t last,
                                 size_t chunk, const int m) {
    const tk_winograd_shape *s = c->shape;
    for (size_t tile = first; tile < last; tile++, products += (m + 2) * (m + 2) * TK_CHUNK) {
        const tk_winograd_place place = tk_winograd_locate(s, c->first + tile);
        const size_t rows = tk_least(s->out_height - place.row, (size_t)m);
        const size_t columns = tk_least(s->out_width - place.column, (size_t)m);
        float *corner = c->y + ((place.image * s->out_height + place.row) * s->out_width + place.column) *
                                   s->out_channels;
        for (size_t column = 0; column < TK_CHUNK; column += TK_LANES) {
            const size_t channel = chunk * TK_CHUNK + column;
            if (channel >= s->out_channels) break;
            const size_t lanes = tk_least(s->out_channels - channel, TK_LANES);
            tk_sixteen points[TK_WINOGRAD_SIDE * TK_WINOGRAD_SIDE], values[16];
            TK_UNROLL for (int point = 0; point < (m + 2) * (m + 2); point++) {
                points[point] = tk_load(products + point * TK_CHUNK + column);
            }
            tk_winograd_output_tile(values, points, m + 2, m, m);
            tk_sixteen bias = 0.0f;
            if (c->bias) bias = tk_load_part(c->bias + channel, lanes);
            if (rows == (size_t)m && columns == (size_t)m && lanes == TK_LANES) {
                TK_UNROLL for (int i = 0; i < m; i++) {
                    TK_UNROLL for (int j = 0; j < m; j++) {
                        float *pixel = corner + ((size_t)i * s->out_width + (size_t)j) * s->out_channels + channel;
                        tk_store(pixel, values[i * m + j] + bias);
                    }
                }
                continue;
            }
            for (size_t i = 0; i < rows; i++) {
                for (size_t j = 0; j < columns; j++) {
                    const tk_sixteen value = values[i * (size_t)m + j] + bias;
                    float *pixel = corner + (i * s->out_width + j) * s->out_channels + channel;
                    memcpy(pixel, &value, lanes * sizeof(float));
                }
            }
        }
    }
}

// Items are (chunk of output channels, group of tiles).
TK_INLINE void multiply(const forward_context *c, size_t begin, size_t end, size_t thread, const int m) {
    const tk_winograd_shape *s = c->shape;
    const size_t group = c->plan.group * c->plan.rows, groups = tk_ceiling(c->tiles, group);
    float *products = c->products + thread * c->products_count, *made = c->chunk + thread * c->chunk_count;
    for (; begin < end; begin++) {
        const size_t chunk = begin / groups, first = begin % groups * group;
        const size_t last = tk_least(first + group, c->tiles), width = tk_winograd_chunk_width(s, chunk);
        const size_t step = c->u ? s->in_channels : TK_CHAIN;
        for (size_t channel = 0; channel < s->in_channels; channel += step) {
            const size_t depth = tk_least(s->in_channels - channel, step);
            for (size_t i = channel; !c->u && i < channel + depth; i += TK_LANES) {
                tk_winograd_transform_block(made, channel, depth, c->weights, s, chunk, i, m);
            }
            const float *u = c->u ? c->u + tk_winograd_chunk(s, chunk) : made;
            multiply_group(c, products, u, channel, depth, first, last, width);
        }
        transform_outputs(c, products, first, last, chunk, m);
    }
}

TK_KERNEL static void products_body(void *context, size_t begin, size_t end, size_t thread) {
    const forward_context *c = context;
    if (c->shape->tile == 4) {
        multiply(c, begin, end, thread, 4);
    } else {
        multiply(c, begin, end, thread, 2);
    }
}

// Scratch: inputs of a span; for each thread products of a group, then a part of a chunk of weights; or all weights.
typedef struct forward_layout {
    bool in_parts, whole;
    span_plan plan;
    size_t products_count, chunk_count;  // for each thread
    size_t products, chunk, end;         // offsets
} forward_layout;

static forward_layout lay_out(const tk_winograd_shape *s, bool transforms) {
    const size_t count = tk_winograd_transformed_count(s), threads = (size_t)omp_get_max_threads();
    forward_layout at = {
        .in_parts = transforms && count > WHOLE_WEIGHTS,
        .whole = transforms && count <= WHOLE_WEIGHTS,
    };
    at.plan = plan_spans(s, at.in_parts);
    at.products_count = tk_winograd_points(s) * TK_CHUNK * at.plan.group * at.plan.rows;
    at.chunk_count = at.in_parts ? tk_winograd_points(s) * TK_CHUNK * tk_least(s->in_channels, TK_CHAIN) : 0;
    at.products = at.plan.tiles * tile_floats(s);
    at.chunk = at.products + at.products_count * threads;
    at.end = at.chunk + (at.whole ? count : at.chunk_count * threads);
    return at;
}

size_t tk_winograd_forward_scratch(const tk_winograd_shape *s, bool transforms) { return lay_out(s, transforms).end; }

void tk_winograd_forward_f32(float *y, const float *x, const float *u, tk_winograd_weights weights, const float *bias,
                             const tk_winograd_shape *s, float *scratch) {
    const forward_layout at = lay_out(s, u == NULL);
    if (at.whole) {
        tk_winograd_transform_weights_f32(scratch + at.chunk, weights, s);
        u = scratch + at.chunk;
    }
    forward_context c = {
        .shape = s,
        .plan = at.plan,
        .y = y,
        .x = x,
        .u = u,
        .bias = bias,
        .weights = weights,
        .inputs = scratch,
        .products = scratch + at.products,
        .chunk = scratch + at.chunk,
        .products_count = at.products_count,
        .chunk_count = at.chunk_count,
    };
    const size_t all = tk_winograd_tiles(s), blocks = tk_ceiling(s->in_channels, TK_LANES);
    const size_t chunks = tk_ceiling(s->out_channels, TK_CHUNK);
    for (; c.first < all; c.first += c.tiles) {
        c.tiles = tk_least(all - c.first, c.plan.tiles);
        tk_parallel_for(c.tiles * blocks, 16, inputs_body, &c);
        tk_parallel_for(chunks * tk_ceiling(c.tiles, c.plan.group * c.plan.rows), 1, products_body, &c);
    }
}
