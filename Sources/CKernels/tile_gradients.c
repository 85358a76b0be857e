// Gradients of weights with products of bfloat16 tiles: for each tap, a product of the gradient's channels by the input's, summed
// over positions.
//
// Input and gradient are laid over one grid, whose zeros keep rows and images apart, so that a tap is a distance
// between the two: the gradient's channels become rows of positions, which tiles read from any place, and the input's
// positions pairs of rows. Of a strided convolution every tap reads one of several smaller inputs (phases): every other
// row and column from the first, or from the second. Sums go through the grid in chunks that stay in the nearest cache
// while the taps take their turns.
#include "include/tk_tiles.h"

#include <stdatomic.h>

#include "include/tk_threads.h"
#include "parallel.h"
#include "tile_products.h"
#include "tile_words.h"

#if TK_HAS_AMX_CODE

enum {
    SIDE = TK_SIDE,
    DEPTH = TK_DEPTH,
    BLOCK = 32,
    TILE = TK_TILE,
    CHUNK_STEPS = 10,
    SPAN_STEPS = 48 * CHUNK_STEPS,
    MOST_TAPS = 64,
    // Blocks of inputs that read a chunk of the gradient in turn, where there are few taps to do so.
    MOST_BLOCKS = 4,
};

static size_t groups_of(size_t count, size_t size) { return (count + size - 1) / size; }
static size_t rounded_up(size_t count, size_t size) { return groups_of(count, size) * size; }
static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

// Where the two maps lie.
typedef struct grid {
    // Positions of a row, rows of an image, steps of 32 positions in all.
    size_t pitch, height, steps;
    // Zeros before the gradient's first position, and elements of one of its channels.
    size_t lead, row;
    size_t outputs, inputs, phases;
    // Blocks of inputs to an item, items to a span, spans.
    size_t blocks, items, spans;
    // Floats that the sums of an item take.
    size_t item_floats;
} grid;

static grid make_grid(const tk_tile_map *s) {
    const size_t taps = s->kernel_height * s->kernel_width;
    // How far taps reach to the left and up, to the right and down.
    const size_t left = groups_of(s->pad_left, s->stride), up = groups_of(s->pad_top, s->stride);
    const size_t right = (s->kernel_width - 1 - s->pad_left) / s->stride;
    const size_t down = (s->kernel_height - 1 - s->pad_top) / s->stride;
    grid g;
    g.pitch = larger(groups_of(s->in_width, s->stride) + left, s->out_width + right);
    g.height = larger(groups_of(s->in_height, s->stride) + up, s->out_height + down);
    g.steps = groups_of(s->batch * g.height * g.pitch, DEPTH);
    g.lead = rounded_up(down * g.pitch + right, DEPTH);
    const size_t end = g.lead + g.steps * DEPTH + up * g.pitch + left;
    // Rows begin in cache lines of different sets.
    const size_t lines = groups_of(end, DEPTH);
    g.row = (lines + (11 + 16 - lines % 16) % 16) * DEPTH;
    g.outputs = rounded_up(s->out_channels, BLOCK);
    g.inputs = rounded_up(s->in_channels, BLOCK);
    g.phases = s->stride * s->stride;
    g.blocks = taps >= MOST_BLOCKS ? 1 : MOST_BLOCKS;
    g.items = g.outputs / BLOCK * groups_of(g.inputs / BLOCK, g.blocks);
    g.spans = groups_of(g.steps, SPAN_STEPS);
    g.item_floats = g.blocks * taps * BLOCK * BLOCK;
    return g;
}

// A map, every stride-th pixel of which is laid over the grid.
typedef struct laying {
    const grid *at;
    uint16_t *out;
    const char *map;
    bool is_bfloat16;
    size_t channels, batch, height, width, stride;
} laying;

// Pixels of 32 positions of the grid in turn; a mask of 0 where there is none.
typedef struct pixels {
    const char *first[DEPTH];
    __mmask16 mask[DEPTH];
} pixels;

TK_AMX static void find_pixels(pixels *found, const laying *l, size_t phase, size_t step) {
    const size_t pixel = l->channels * (l->is_bfloat16 ? 2 : 4), position = step * DEPTH;
    size_t x = position % l->at->pitch, y = position / l->at->pitch % l->at->height;
    size_t image = position / l->at->pitch / l->at->height;
    for (size_t i = 0; i < DEPTH; i++) {
        const size_t row = y * l->stride + phase / l->stride, column = x * l->stride + phase % l->stride;
        const bool is_there = image < l->batch && row < l->height && column < l->width;
        found->first[i] = is_there ? l->map + ((image * l->height + row) * l->width + column) * pixel : l->map;
        found->mask[i] = is_there ? 0xffff : 0;
        if (++x < l->at->pitch) continue;
        x = 0;
        if (++y < l->at->height) continue;
        y = 0;
        image++;
    }
}

// 16 channels of two positions, side by side for each channel.
TK_AMX static inline __m512i load_pair(const pixels *p, size_t pair, size_t channel, __mmask16 channels,
                                       bool is_bfloat16) {
    const __m512i sides = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                                           21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    const __mmask16 low = p->mask[2 * pair] & channels, high = p->mask[2 * pair + 1] & channels;
    const char *first = p->first[2 * pair], *second = p->first[2 * pair + 1];
    __m512i both;
    if (is_bfloat16) {
        const __m256i a = _mm256_maskz_loadu_epi16(low, (const uint16_t *)first + channel);
        const __m256i b = _mm256_maskz_loadu_epi16(high, (const uint16_t *)second + channel);
        both = _mm512_inserti64x4(_mm512_castsi256_si512(a), b, 1);
    } else {
        const __m512 a = _mm512_maskz_loadu_ps(low, (const float *)first + channel);
        const __m512 b = _mm512_maskz_loadu_ps(high, (const float *)second + channel);
        both = (__m512i)_mm512_cvtne2ps_pbh(b, a);
    }
    return _mm512_permutexvar_epi16(sides, both);
}

static inline __mmask16 channels_from(size_t channel, size_t count) {
    const size_t left = channel < count ? count - channel : 0;
    return left >= SIDE ? 0xffff : (__mmask16)((1u << left) - 1);
}

// The input: (phase, in / 16, step, 16 pairs, 16, 2), tiles as products read them.
TK_AMX static void lay_pairs(void *context, size_t begin, size_t end, size_t thread) {
    (void)thread;
    const laying *l = context;
    const size_t steps = l->at->steps, groups = l->at->inputs / SIDE;
    for (size_t item = begin; item < end; item++) {
        const size_t phase = item / steps, step = item % steps;
        pixels found;
        find_pixels(&found, l, phase, step);
        for (size_t channel = 0; channel < l->at->inputs; channel += SIDE) {
            const __mmask16 present = channels_from(channel, l->channels);
            uint16_t *tile = l->out + ((phase * groups + channel / SIDE) * steps + step) * TILE;
            for (size_t pair = 0; pair < SIDE; pair++) {
                _mm512_storeu_si512(tile + pair * DEPTH, load_pair(&found, pair, channel, present, l->is_bfloat16));
            }
        }
    }
}

// The gradient: (out, position), with zeros around.
TK_AMX static void lay_rows(void *context, size_t begin, size_t end, size_t thread) {
    (void)thread;
    const laying *l = context;
    const size_t row = l->at->row;
    for (size_t step = begin; step < end; step++) {
        pixels found;
        find_pixels(&found, l, 0, step);
        for (size_t channel = 0; channel < l->at->outputs; channel += SIDE) {
            const __mmask16 present = channels_from(channel, l->channels);
            uint16_t *out = l->out + channel * row + l->at->lead + step * DEPTH;
            __m512i words[SIDE];
            for (size_t pair = 0; pair < SIDE; pair++) {
                words[pair] = load_pair(&found, pair, channel, present, l->is_bfloat16);
            }
            tk_transpose_words(words);
            for (size_t i = 0; i < SIDE; i++) _mm512_storeu_si512(out + i * row, words[i]);
        }
    }
}

static void clear_edges(void *context, size_t begin, size_t end, size_t thread) {
    (void)thread;
    const laying *l = context;
    const size_t after = l->at->lead + l->at->steps * DEPTH;
    for (size_t channel = begin; channel < end; channel++) {
        uint16_t *row = l->out + channel * l->at->row;
        memset(row, 0, l->at->lead * sizeof *row);
        memset(row + after, 0, (l->at->row - after) * sizeof *row);
    }
}

typedef struct weight_gradient {
    const grid *at;
    const tk_tile_map *shape;
    float *out, *sums;
    const uint16_t *rows, *pairs;
    size_t taps;
    bool has_tiles;
    // From a position of the input to the gradient's under a tap, and where the tap's phase begins.
    ptrdiff_t distances[MOST_TAPS];
    size_t phases[MOST_TAPS];
    atomic_size_t next;
} weight_gradient;

// Writes the sums (block, tap, 32, 32) of an item where they belong in (out, in, taps).
TK_AMX static void store_item(const weight_gradient *g, size_t item, const float *sums) {
    const size_t inputs = g->shape->in_channels, outputs = g->shape->out_channels, taps = g->taps;
    const size_t groups = g->at->items / (g->at->outputs / BLOCK);
    const size_t output = item / groups * BLOCK, start = item % groups * g->at->blocks * BLOCK;
    for (size_t i = 0; i < BLOCK && output + i < outputs; i++) {
        for (size_t input = start; input < start + g->at->blocks * BLOCK && input < inputs; input += SIDE) {
            const float *from = sums + ((input - start) / BLOCK * taps * BLOCK + i) * BLOCK + input % BLOCK;
            float *to = g->out + ((output + i) * inputs + input) * taps;
            if (taps == 1) {
                _mm512_mask_storeu_ps(to, channels_from(input, inputs), _mm512_loadu_ps(from));
                continue;
            }
            const size_t present = inputs - input < SIDE ? inputs - input : SIDE;
            for (size_t tap = 0; tap < taps; tap += SIDE) {
                __m512i lines[SIDE];
                for (size_t j = 0; j < SIDE; j++) {
                    lines[j] = tap + j < taps ? _mm512_loadu_si512(from + (tap + j) * BLOCK * BLOCK)
                                              : _mm512_setzero_si512();
                }
                tk_transpose_words(lines);
                for (size_t j = 0; j < present; j++) {
                    _mm512_mask_storeu_epi32(to + j * taps + tap, channels_from(tap, taps), lines[j]);
                }
            }
        }
    }
}

TK_AMX static void gradient_body(void *context, size_t begin, size_t end, size_t thread) {
    (void)begin, (void)end;
    weight_gradient *g = context;
    const grid *at = g->at;
    const size_t groups = at->items / (at->outputs / BLOCK), apart = at->steps * TILE;
    tk_configure_tiles(g->has_tiles);
    for (;;) {
        const size_t item = atomic_fetch_add_explicit(&g->next, 1, memory_order_relaxed);
        if (item >= at->items * at->spans) break;
        const size_t span = item / at->items, place = item % at->items;
        const size_t first = span * SPAN_STEPS;
        const size_t last = first + SPAN_STEPS < at->steps ? first + SPAN_STEPS : at->steps;
        const uint16_t *rows = g->rows + place / groups * BLOCK * at->row + at->lead;
        const size_t block = place % groups * at->blocks, all = at->inputs / BLOCK;
        const size_t blocks = all - block < at->blocks ? all - block : at->blocks;
        float *sums = g->sums + (at->spans == 1 ? thread : item) * at->item_floats;
        for (size_t step = first; step < last; step += CHUNK_STEPS) {
            const size_t steps = last - step < CHUNK_STEPS ? last - step : CHUNK_STEPS;
            for (size_t i = 0; i < blocks; i++) {
                const uint16_t *pairs = g->pairs + (block + i) * 2 * apart + step * TILE;
                for (size_t tap = 0; tap < g->taps; tap++) {
                    const tk_right right = {(const bfloat *)(pairs + g->phases[tap]), apart, TILE};
                    const bfloat *left = (const bfloat *)(rows + step * DEPTH + g->distances[tap]);
                    tk_square(sums + (i * g->taps + tap) * BLOCK * BLOCK, BLOCK, left, at->row, right, steps * DEPTH,
                              step != first, g->has_tiles);
                }
            }
        }
        if (at->spans == 1) store_item(g, place, sums);
    }
    tk_release_tiles(g->has_tiles);
}

// The sums of the spans, in their order.
TK_AMX static void add_spans(void *context, size_t begin, size_t end, size_t thread) {
    (void)thread;
    const weight_gradient *g = context;
    const grid *at = g->at;
    for (size_t item = begin; item < end; item++) {
        float *sums = g->sums + item * at->item_floats;
        for (size_t span = 1; span < at->spans; span++) {
            const float *more = g->sums + (span * at->items + item) * at->item_floats;
            for (size_t i = 0; i < at->item_floats; i++) sums[i] += more[i];
        }
        store_item(g, item, sums);
    }
}

// Floats of the two maps over the grid and of the sums.
static void measure(const grid *g, size_t *rows, size_t *pairs, size_t *sums) {
    *rows = g->outputs * g->row / 2;
    *pairs = g->phases * g->inputs * g->steps * DEPTH / 2;
    *sums = g->item_floats * (g->spans == 1 ? tk_threads() : g->items * g->spans);
}

size_t tk_tile_weight_gradient_scratch(const tk_tile_map *shape) {
    const grid g = make_grid(shape);
    size_t rows, pairs, sums;
    measure(&g, &rows, &pairs, &sums);
    return rows + pairs + sums;
}

void tk_tile_weight_gradient(float *out, const float *gradient, const void *x, bool is_bfloat16, const tk_tile_map *s,
                             float *scratch) {
    const grid at = make_grid(s);
    size_t rows, pairs, sums;
    measure(&at, &rows, &pairs, &sums);
    weight_gradient g = {.at = &at, .shape = s, .out = out, .sums = scratch + rows + pairs};
    g.rows = (uint16_t *)scratch;
    g.pairs = (uint16_t *)(scratch + rows);
    g.taps = s->kernel_height * s->kernel_width;
    g.has_tiles = tk_has_amx();
    const size_t stride = s->stride, up = groups_of(s->pad_top, stride), left = groups_of(s->pad_left, stride);
    for (size_t tap = 0; tap < g.taps; tap++) {
        // The pixel of a tap for the output at `up` rows and `left` columns.
        const size_t y = up * stride + tap / s->kernel_width - s->pad_top;
        const size_t x = left * stride + tap % s->kernel_width - s->pad_left;
        g.distances[tap] = ((ptrdiff_t)up - (ptrdiff_t)(y / stride)) * (ptrdiff_t)at.pitch +
                           (ptrdiff_t)left - (ptrdiff_t)(x / stride);
        g.phases[tap] = (y % stride * stride + x % stride) * at.inputs * at.steps * DEPTH;
    }
    laying lines = {&at, (uint16_t *)scratch, (const char *)gradient, false, s->out_channels, s->batch,
                    s->out_height, s->out_width, 1};
    tk_parallel_for(at.outputs, 1, clear_edges, &lines);
    tk_parallel_for(at.steps, 1, lay_rows, &lines);
    laying input = {&at, (uint16_t *)(scratch + rows), x, is_bfloat16, s->in_channels, s->batch,
                    s->in_height, s->in_width, stride};
    tk_parallel_for(at.phases * at.steps, 1, lay_pairs, &input);

    atomic_init(&g.next, 0);
    const size_t items = at.items * at.spans;
    tk_parallel_for(items < tk_threads() ? items : tk_threads(), 1, gradient_body, &g);
    if (at.spans > 1) tk_parallel_for(at.items, 1, add_spans, &g);
}

#else

size_t tk_tile_weight_gradient_scratch(const tk_tile_map *shape) { (void)shape; return 0; }
void tk_tile_weight_gradient(float *out, const float *gradient, const void *x, bool is_bfloat16, const tk_tile_map *s,
                             float *scratch) {
    (void)out, (void)gradient, (void)x, (void)is_bfloat16, (void)s, (void)scratch;
}

#endif
