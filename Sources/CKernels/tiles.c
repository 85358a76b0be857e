// Products of bfloat16 tiles: linear maps, and convolutions as sums of shifted linear maps over a padded input.
//
// One item is a panel of 32 output channels by a block of positions. Positions go in groups of 16, two groups by two
// tiles of channels at a time: on tile registers four products for four loads, as many as eight registers allow. oneDNN
// 2.6 loads the same but blocks deep products so that it reads the sums again and again.
#include "include/tk_tiles.h"

#include <stdatomic.h>

#include "half_math.h"
#include "include/tk_threads.h"
#include "parallel.h"
#include "tile_products.h"

enum { SIDE = 16, DEPTH = 32, PANEL = 32, TILE = SIDE * DEPTH, BLOCK_GROUPS = 32, MOST_TAPS = 64, CHUNK = 256 };

static size_t groups_of(size_t count, size_t size) { return (count + size - 1) / size; }

size_t tk_tile_packed_count(const tk_tile_weights *shape) {
    return groups_of(shape->out_channels, PANEL) * PANEL * shape->taps * shape->in_channels;
}

#if TK_HAS_AMX_CODE

// Where the element (output, tap, input) of a packed form lies.
static inline size_t packed_place(size_t output, size_t tap, size_t input, size_t inputs, size_t taps) {
    const size_t step = (output / PANEL * taps + tap) * (inputs / DEPTH) + input / DEPTH;
    return (step * 2 + output % PANEL / SIDE) * TILE + input % DEPTH / 2 * DEPTH + output % SIDE * 2 + input % 2;
}

typedef struct packing {
    uint16_t *out;
    const uint16_t *source;
    tk_tile_weights shape;
} packing;

// 16 outputs at a time, two inputs of each in a lane.
TK_AMX static void pack_panels(void *context, size_t begin, size_t end, size_t thread) {
    (void)thread;
    const packing *p = context;
    const size_t inputs = p->shape.in_channels, taps = p->shape.taps;
    const __m512i lanes = _mm512_mullo_epi32(_mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
                                             _mm512_set1_epi32((int)(inputs * taps)));
    for (size_t output = begin * PANEL; output < end * PANEL; output += SIDE) {
        const size_t present = output < p->shape.out_channels ? p->shape.out_channels - output : 0;
        const __mmask16 mask = present >= SIDE ? 0xffff : (__mmask16)((1u << present) - 1);
        const uint16_t *rows = p->source + output * inputs * taps;
        for (size_t input = 0; input < inputs; input += 2) {
            for (size_t tap = 0; tap < taps; tap++) {
                // Each load takes the neighbour that is surely there along: the one after the first input, the one
                // before the second.
                const uint16_t *first = rows + input * taps + tap, *second = first + taps - 1;
                const __m512i low = _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), mask, lanes, first, 2);
                const __m512i high = _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), mask, lanes, second, 2);
                const __m512i pairs = _mm512_mask_blend_epi16(0xaaaaaaaa, low, high);
                _mm512_storeu_si512(p->out + packed_place(output, tap, input, inputs, taps), pairs);
            }
        }
    }
}

void tk_tile_pack(uint16_t *out, const uint16_t *weights, const tk_tile_weights *shape) {
    packing p = {out, weights, *shape};
    tk_parallel_for(groups_of(shape->out_channels, PANEL), 1, pack_panels, &p);
}

// One panel of the form of the weights of the input's gradient, (in_channels, out_channels, taps) with the taps from last to
// first: squares of 32 by 32 from every panel of the weights' own form.
TK_AMX static void turn_panel(uint16_t *out, const uint16_t *packed, size_t panel, const tk_tile_weights *shape) {
    const size_t outputs = shape->out_channels, inputs = shape->in_channels, taps = shape->taps;
    // A lane of the result is an input, two of which share a word of the source.
    const __m512i lanes = _mm512_set_epi32(112, 112, 96, 96, 80, 80, 64, 64, 48, 48, 32, 32, 16, 16, 0, 0);
    const __mmask16 odd = 0xaaaa;
    for (size_t tap = 0; tap < taps; tap++) {
        for (size_t output = 0; output < outputs; output += 2) {
            const uint16_t *square = packed + packed_place(output, taps - 1 - tap, panel * PANEL, inputs, taps);
            uint16_t *to = out + packed_place(0, tap, output, outputs, taps);
            for (size_t side = 0; side < 2; side++) {
                const uint16_t *words = square + side * (SIDE / 2) * DEPTH;
                const __m512i first = _mm512_i32gather_epi32(lanes, words, 4);
                const __m512i second = _mm512_i32gather_epi32(lanes, words + 2, 4);
                const __m512i even = _mm512_mask_blend_epi16(0xaaaaaaaa, first, _mm512_slli_epi32(second, 16));
                const __m512i other = _mm512_mask_blend_epi16(0xaaaaaaaa, _mm512_srli_epi32(first, 16), second);
                _mm512_storeu_si512(to + side * TILE, _mm512_mask_blend_epi32(odd, even, other));
            }
        }
    }
}

// Rows of products: positions of x, each of which gives one row of the result or none.
typedef struct positions {
    // Groups of 16 positions: in one image, in all, and in a row of outputs; 0 in a row where groups go on across rows and
    // what lies between the rows is left out.
    size_t image_groups, groups, row_groups;
    // Of outputs, and the positions of a row where groups go on.
    size_t width, height, row_positions;
    // Elements of x between positions, rows of outputs and images.
    ptrdiff_t stride;
    size_t row_stride, image_stride;
    // Whether the last group begins early, to end with the last position.
    bool overlaps;
} positions;

typedef struct product {
    float *out;
    uint16_t *gated;  // instead of out: half as many channels
    const bfloat *x, *weights;
    const float *bias, *residual;
    size_t in_channels, out_channels, taps, panels, block_groups, items;
    ptrdiff_t tap_offsets[MOST_TAPS];
    // Where each thread turns a panel of weights, null where they serve as they are.
    uint16_t *turned;
    bool has_tiles;
    positions at;
    atomic_size_t next;
} product;

// The first position of a group of an image.
static inline size_t first_position(const positions *at, size_t group) {
    const size_t first = group * SIDE, count = at->height * at->width;
    return at->overlaps && first + SIDE > count ? count - SIDE : first;
}

static inline const bfloat *group_input(const product *p, size_t group) {
    const positions *at = &p->at;
    const bfloat *image = p->x + group / at->image_groups * at->image_stride;
    const size_t in_image = group % at->image_groups;
    if (!at->row_groups) return image + (ptrdiff_t)first_position(at, in_image) * at->stride;
    const size_t y = in_image / at->row_groups, x = in_image % at->row_groups * SIDE;
    return image + y * at->row_stride + (ptrdiff_t)x * at->stride;
}

// sums (16 rows of each group, 32) = two groups by two tiles of channels, `apart` in the weights; `second` is null where
// there is one group. `is_first_use` tells that the weights are not in the caches yet.
TK_AMX static inline void multiply_on_tiles(const product *p, float *sums, const bfloat *first, const bfloat *second,
                                            const bfloat *weights, size_t apart, bool is_first_use) {
    const size_t stride = (size_t)p->at.stride * sizeof(bfloat);
    _tile_zero(0), _tile_zero(1), _tile_zero(2), _tile_zero(3);
    for (size_t tap = 0; tap < p->taps; tap++) {
        const bfloat *a = first + p->tap_offsets[tap], *b = second ? second + p->tap_offsets[tap] : NULL;
        for (size_t k = 0; k < p->in_channels; k += DEPTH, weights += 2 * TILE) {
            // The processor's own prefetch does not see that many lines at a time.
            if (is_first_use) {
                for (size_t i = 0; i < TILE; i += 32) {
                    _mm_prefetch((const char *)(weights + 8 * TILE + i), _MM_HINT_T1);
                    _mm_prefetch((const char *)(weights + apart + 8 * TILE + i), _MM_HINT_T1);
                }
            }
            _tile_loadd(6, weights, 64);
            _tile_loadd(7, weights + apart, 64);
            _tile_loadd(4, a + k, stride);
            _tile_dpbf16ps(0, 4, 6);
            _tile_dpbf16ps(1, 4, 7);
            if (b) {
                _tile_loadd(5, b + k, stride);
                _tile_dpbf16ps(2, 5, 6);
                _tile_dpbf16ps(3, 5, 7);
            }
        }
    }
    _tile_stored(0, sums, PANEL * 4);
    _tile_stored(1, sums + SIDE, PANEL * 4);
    if (second) {
        _tile_stored(2, sums + SIDE * PANEL, PANEL * 4);
        _tile_stored(3, sums + SIDE * PANEL + SIDE, PANEL * 4);
    }
}

// The same by dot products: a chunk of the weights serves all rows while it is in the nearest cache.
TK_AMX static inline void multiply_by_dots(const product *p, float *sums, const bfloat *first, const bfloat *second,
                                           const bfloat *weights, size_t apart) {
    const size_t stride = (size_t)p->at.stride;
    bool accumulates = false;
    for (size_t tap = 0; tap < p->taps; tap++) {
        for (size_t k = 0; k < p->in_channels; k += CHUNK) {
            const size_t depth = p->in_channels - k < CHUNK ? p->in_channels - k : CHUNK;
            const ptrdiff_t offset = p->tap_offsets[tap] + (ptrdiff_t)k;
            const tk_right right = {weights, apart, 2 * TILE};
            tk_dots(sums, PANEL, first + offset, stride, SIDE, right, PANEL, depth / 2, accumulates);
            if (second) {
                tk_dots(sums + SIDE * PANEL, PANEL, second + offset, stride, SIDE, right, PANEL, depth / 2, accumulates);
            }
            weights += depth / DEPTH * 2 * TILE;
            accumulates = true;
        }
    }
}

TK_AMX static inline void multiply(const product *p, float *sums, const bfloat *first, const bfloat *second,
                                   const bfloat *weights, size_t apart, bool is_first_use) {
    if (p->has_tiles) {
        multiply_on_tiles(p, sums, first, second, weights, apart, is_first_use);
    } else {
        multiply_by_dots(p, sums, first, second, weights, apart);
    }
}

// Writes the rows of a group that are outputs.
TK_AMX static inline void store_group(const product *p, const float *sums, size_t group, size_t column) {
    const positions *at = &p->at;
    const size_t in_image = group % at->image_groups, image = group / at->image_groups;
    const size_t first = first_position(at, in_image), skipped = in_image * SIDE - first;
    const size_t left = p->out_channels - column;
    const __mmask16 low = left >= 16 ? 0xffff : (__mmask16)((1u << left) - 1);
    const __mmask16 high = left >= 32 ? 0xffff : left <= 16 ? 0 : (__mmask16)((1u << (left - 16)) - 1);
    __m512 bias[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()};
    if (p->bias) {
        bias[0] = _mm512_maskz_loadu_ps(low, p->bias + column);
        bias[1] = _mm512_maskz_loadu_ps(high, p->bias + column + 16);
    }
    for (size_t i = skipped; i < SIDE; i++) {
        const size_t y = at->row_groups ? in_image / at->row_groups : (first + i) / at->row_positions;
        const size_t x = at->row_groups ? in_image % at->row_groups * SIDE + i : (first + i) % at->row_positions;
        if (x >= at->width || y >= at->height) continue;
        const size_t place = ((image * at->height + y) * at->width + x) * p->out_channels + column;
        __m512 left_sums = _mm512_add_ps(_mm512_loadu_ps(sums + i * PANEL), bias[0]);
        __m512 right_sums = _mm512_add_ps(_mm512_loadu_ps(sums + i * PANEL + 16), bias[1]);
        if (p->residual) {
            left_sums = _mm512_add_ps(left_sums, _mm512_maskz_loadu_ps(low, p->residual + place));
            right_sums = _mm512_add_ps(right_sums, _mm512_maskz_loadu_ps(high, p->residual + place + 16));
        }
        _mm512_mask_storeu_ps(p->out + place, low, left_sums);
        _mm512_mask_storeu_ps(p->out + place + 16, high, right_sums);
    }
}

// A group's rows of 16 channels and their gates, as geglu does it to the results of a product.
TK_AMX static void gate_group(uint16_t *out, const float *sums, const float *bias, const float *gate_bias) {
    float hidden[SIDE * SIDE], gate[SIDE * SIDE];
    for (size_t row = 0; row < SIDE; row++) {
        for (size_t i = 0; i < SIDE; i++) {
            hidden[row * SIDE + i] = sums[row * PANEL + i] + bias[i];
            gate[row * SIDE + i] = sums[row * PANEL + SIDE + i] + gate_bias[i];
        }
    }
    TK_SIMD for (size_t i = 0; i < SIDE * SIDE; i++) hidden[i] = hidden[i] * tk_gelu(gate[i]);
    tk_narrow_line(out, hidden, SIDE * SIDE);
}

// A panel of gated channels by one or two groups of rows: its two tiles in turn, each beside that of its gates.
TK_AMX static void gated_groups(const product *p, float *sums, size_t group, bool has_second, size_t panel,
                                bool is_first_use) {
    static const float none[SIDE];
    const size_t channels = p->out_channels / 2, size = PANEL * p->in_channels;
    for (size_t side = 0; side < 2; side++) {
        const size_t column = panel * PANEL + side * SIDE;
        multiply(p, sums, group_input(p, group), has_second ? group_input(p, group + 1) : NULL,
                 p->weights + panel * size + side * TILE, p->panels * size, is_first_use);
        const float *bias = p->bias ? p->bias + column : none;
        const float *gate_bias = p->bias ? p->bias + channels + column : none;
        for (size_t i = 0; i < (has_second ? 2 : 1); i++) {
            const size_t first = first_position(&p->at, group + i), skipped = (group + i) * SIDE - first;
            uint16_t rows[SIDE * SIDE];
            gate_group(rows, sums + i * SIDE * PANEL, bias, gate_bias);
            for (size_t row = skipped; row < SIDE; row++) {
                memcpy(p->gated + (first + row) * channels + column, rows + row * SIDE, SIDE * sizeof *rows);
            }
        }
    }
}

TK_AMX static void product_body(void *context, size_t begin, size_t end, size_t thread) {
    (void)begin, (void)end;
    product *p = context;
    const size_t panel_size = PANEL * p->taps * p->in_channels;
    const tk_tile_weights source = {p->in_channels, p->out_channels, p->taps};
    uint16_t *turned = p->turned ? p->turned + thread * panel_size : NULL;
    float sums[PANEL * PANEL] __attribute__((aligned(64)));
    tk_configure_tiles(p->has_tiles);
    for (;;) {
        const size_t item = atomic_fetch_add_explicit(&p->next, 1, memory_order_relaxed);
        if (item >= p->items) break;
        const size_t panel = item % p->panels, start = item / p->panels * p->block_groups;
        const size_t stop = start + p->block_groups < p->at.groups ? start + p->block_groups : p->at.groups;
        const bfloat *weights = p->weights + panel * panel_size;
        if (turned) {
            turn_panel(turned, (const uint16_t *)p->weights, panel, &source);
            weights = (const bfloat *)turned;
        }
        for (size_t group = start; group < stop; group += 2) {
            const bool has_second = group + 1 < stop;
            if (p->gated) {
                gated_groups(p, sums, group, has_second, panel, group == start);
                continue;
            }
            multiply(p, sums, group_input(p, group), has_second ? group_input(p, group + 1) : NULL, weights, TILE,
                     group == start);
            store_group(p, sums, group, panel * PANEL);
            if (has_second) store_group(p, sums + SIDE * PANEL, group + 1, panel * PANEL);
        }
    }
    tk_release_tiles(p->has_tiles);
}

static void run(product *p) {
    p->panels = groups_of(p->gated ? p->out_channels / 2 : p->out_channels, PANEL);
    // A panel that is turned is turned once.
    p->block_groups = p->turned ? p->at.groups : BLOCK_GROUPS;
    p->items = p->panels * groups_of(p->at.groups, p->block_groups);
    p->has_tiles = tk_has_amx();
    atomic_init(&p->next, 0);
    // Each thread takes the next item when it is done: on a shared machine threads are not equally fast.
    tk_parallel_for(p->items < tk_threads() ? p->items : tk_threads(), 1, product_body, p);
}

static void run_rows(product *p, ptrdiff_t stride, size_t rows) {
    p->taps = 1;
    const size_t groups = groups_of(rows, SIDE);
    p->at = (positions){.image_groups = groups, .groups = groups, .width = 1, .height = rows, .row_positions = 1};
    p->at.stride = stride;
    p->at.overlaps = true;
    run(p);
}

size_t tk_tile_turned_scratch(const tk_tile_weights *shape) {
    return PANEL * shape->taps * shape->out_channels * tk_threads();
}

void tk_tile_linear(float *out, const uint16_t *x, ptrdiff_t stride, size_t rows, const uint16_t *packed,
                    const float *bias, const float *residual, size_t in_channels, size_t out_channels,
                    uint16_t *turned) {
    product p = {.out = out, .x = (const bfloat *)x, .weights = (const bfloat *)packed, .bias = bias};
    p.residual = residual;
    p.turned = turned;
    p.in_channels = in_channels;
    p.out_channels = out_channels;
    run_rows(&p, stride, rows);
}

void tk_tile_geglu(uint16_t *out, const uint16_t *x, ptrdiff_t stride, size_t rows, const uint16_t *packed,
                   const float *bias, size_t in_channels, size_t channels) {
    product p = {.gated = out, .x = (const bfloat *)x, .weights = (const bfloat *)packed, .bias = bias};
    p.in_channels = in_channels;
    p.out_channels = 2 * channels;
    run_rows(&p, stride, rows);
}

// The map with its padding, one row of positions an item.
typedef struct padding {
    const tk_tile_map *shape;
    bfloat *out;
    const void *x;
    bool is_bfloat16;
} padding;

static size_t padded_height(const tk_tile_map *s) { return (s->out_height - 1) * s->stride + s->kernel_height; }
static size_t padded_width(const tk_tile_map *s) { return (s->out_width - 1) * s->stride + s->kernel_width; }

TK_AMX static void pad_rows(void *context, size_t begin, size_t end, size_t thread) {
    (void)thread;
    const padding *p = context;
    const tk_tile_map *s = p->shape;
    const size_t height = padded_height(s), width = padded_width(s), channels = s->in_channels;
    for (size_t line = begin; line < end; line++) {
        const size_t image = line / height, y = line % height - s->pad_top;
        bfloat *out = p->out + line * width * channels;
        // A row above the map has wrapped around to a huge number.
        if (y >= s->in_height) {
            memset(out, 0, width * channels * sizeof(bfloat));
            continue;
        }
        // Columns that no output reads are left out.
        const size_t read = width - s->pad_left < s->in_width ? width - s->pad_left : s->in_width;
        const size_t used = read * channels, start = (image * s->in_height + y) * s->in_width * channels;
        const size_t before = s->pad_left * channels, after = width * channels - before - used;
        memset(out, 0, before * sizeof(bfloat));
        memset(out + before + used, 0, after * sizeof(bfloat));
        if (p->is_bfloat16) {
            memcpy(out + before, (const bfloat *)p->x + start, used * sizeof(bfloat));
            continue;
        }
        const float *x = (const float *)p->x + start;
        for (size_t i = 0; i < used; i += 32) {
            const __m512bh pair = _mm512_cvtne2ps_pbh(_mm512_loadu_ps(x + i + 16), _mm512_loadu_ps(x + i));
            memcpy(out + before + i, &pair, sizeof pair);
        }
    }
}

size_t tk_tile_convolution_scratch(const tk_tile_map *s) {
    // The last group may reach beyond the last position.
    return (s->batch * padded_height(s) * padded_width(s) + SIDE * s->stride + s->kernel_width) * s->in_channels;
}

void tk_tile_convolution(float *out, const void *x, bool is_bfloat16, const uint16_t *packed, const float *bias,
                         const float *residual, const tk_tile_map *s, uint16_t *scratch, uint16_t *turned) {
    const size_t height = padded_height(s), width = padded_width(s), channels = s->in_channels;
    padding map = {s, (bfloat *)scratch, x, is_bfloat16};
    tk_parallel_for(s->batch * height, 1, pad_rows, &map);

    product p = {.out = out, .x = (const bfloat *)scratch, .weights = (const bfloat *)packed, .bias = bias};
    p.residual = residual;
    p.turned = turned;
    p.in_channels = channels;
    p.out_channels = s->out_channels;
    p.taps = s->kernel_height * s->kernel_width;
    for (size_t tap = 0; tap < p.taps; tap++) {
        p.tap_offsets[tap] = (ptrdiff_t)((tap / s->kernel_width * width + tap % s->kernel_width) * channels);
    }
    positions *at = &p.at;
    *at = (positions){.width = s->out_width, .height = s->out_height, .row_positions = width};
    at->stride = (ptrdiff_t)(s->stride * channels);
    at->row_stride = s->stride * width * channels;
    at->image_stride = height * width * channels;
    // Rows of whole groups leave nothing out; strides would leave out whole rows.
    if (s->out_width % SIDE == 0 || s->stride > 1) at->row_groups = groups_of(s->out_width, SIDE);
    at->image_groups = at->row_groups ? at->row_groups * s->out_height
                                      : groups_of((s->out_height - 1) * width + s->out_width, SIDE);
    at->groups = at->image_groups * s->batch;
    run(&p);
}

#else

void tk_tile_pack(uint16_t *out, const uint16_t *weights, const tk_tile_weights *shape) {
    (void)out, (void)weights, (void)shape;
}
size_t tk_tile_turned_scratch(const tk_tile_weights *shape) { (void)shape; return 0; }
void tk_tile_linear(float *out, const uint16_t *x, ptrdiff_t stride, size_t rows, const uint16_t *packed,
                    const float *bias, const float *residual, size_t in_channels, size_t out_channels,
                    uint16_t *turned) {
    (void)out, (void)x, (void)stride, (void)rows, (void)packed, (void)bias, (void)in_channels, (void)out_channels;
    (void)residual, (void)turned;
}
void tk_tile_geglu(uint16_t *out, const uint16_t *x, ptrdiff_t stride, size_t rows, const uint16_t *packed,
                   const float *bias, size_t in_channels, size_t channels) {
    (void)out, (void)x, (void)stride, (void)rows, (void)packed, (void)bias, (void)in_channels, (void)channels;
}
size_t tk_tile_convolution_scratch(const tk_tile_map *shape) { (void)shape; return 0; }
void tk_tile_convolution(float *out, const void *x, bool is_bfloat16, const uint16_t *packed, const float *bias,
                         const float *residual, const tk_tile_map *shape, uint16_t *scratch, uint16_t *turned) {
    (void)residual, (void)out, (void)x, (void)is_bfloat16, (void)packed, (void)bias, (void)shape, (void)scratch, (void)turned;
}

#endif
