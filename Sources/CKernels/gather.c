// Picking and scattering by index. Scattering splits what it writes among the threads, never the indices, so that sums
// come in the order of the indices.
#include "include/tk_gather.h"

#include <string.h>

#include "parallel.h"

enum { GRAIN = 16384 };

typedef struct gather_context {
    char *out;
    const char *x;
    const int64_t *indices;
    size_t outer, axis, count, inner, bytes;
} gather_context;

// Items are blocks of `bytes` bytes: (outer, count).
static void select_body(void *context, size_t begin, size_t end, size_t thread) {
    const gather_context *c = context;
    (void)thread;
    for (; begin < end; begin++) {
        const size_t row = begin / c->count * c->axis + (size_t)c->indices[begin % c->count];
        memcpy(c->out + begin * c->bytes, c->x + row * c->bytes, c->bytes);
    }
}

void tk_index_select(size_t element_bytes, void *out, const void *x, const int64_t *indices, size_t outer, size_t axis,
                     size_t count, size_t inner) {
    gather_context context = {
        .out = out, .x = x, .indices = indices, .axis = axis, .count = count, .bytes = inner * element_bytes,
    };
    tk_parallel_for(outer * count, 4 * GRAIN / (context.bytes + 1) + 1, select_body, &context);
}

// Items are columns: each thread adds its columns of every row, in order.
TK_KERNEL static void index_add_body(void *context, size_t begin, size_t end, size_t thread) {
    const gather_context *c = context;
    (void)thread;
    while (begin < end) {
        const size_t outer = begin / c->inner, first = begin % c->inner;
        const size_t width = c->inner - first < end - begin ? c->inner - first : end - begin;
        float *dx = (float *)(void *)c->out + outer * c->axis * c->inner + first;
        const float *dy = (const float *)(const void *)c->x + outer * c->count * c->inner + first;
        for (size_t j = 0; j < c->count; j++) {
            float *restrict to = dx + (size_t)c->indices[j] * c->inner;
            const float *restrict from = dy + j * c->inner;
            for (size_t i = 0; i < width; i++) to[i] += from[i];
        }
        begin += width;
    }
}

void tk_index_add_f32(float *dx, const float *dy, const int64_t *indices, size_t outer, size_t axis, size_t count,
                      size_t inner) {
    gather_context context = {
        .out = (char *)dx, .x = (const char *)dy, .indices = indices, .axis = axis, .count = count, .inner = inner,
    };
    tk_parallel_for(outer * inner, GRAIN / (count + 1) + 16, index_add_body, &context);
}

void tk_gather_rows(void *out, const void *table, const int64_t *indices, size_t count, size_t row_bytes) {
    tk_index_select(1, out, table, indices, 1, 0, count, row_bytes);
}

void tk_scatter_add_rows_f32(float *dtable, const float *dy, const int64_t *indices, size_t count, size_t cols) {
    tk_index_add_f32(dtable, dy, indices, 1, 0, count, cols);
}

// Items are elements of out: (outer, count, inner).
#define GATHER_BODY(NAME, ELEMENT)                                                                       \
    TK_KERNEL static void NAME(void *context, size_t begin, size_t end, size_t thread) {                 \
        const gather_context *c = context;                                                               \
        (void)thread;                                                                                    \
        ELEMENT *out = (ELEMENT *)(void *)c->out;                                                        \
        const ELEMENT *x = (const ELEMENT *)(const void *)c->x;                                          \
        const size_t slab = c->count * c->inner;                                                         \
        for (; begin < end; begin++) {                                                                   \
            const size_t row = begin / slab * c->axis + (size_t)c->indices[begin];                       \
            out[begin] = x[row * c->inner + begin % c->inner];                                           \
        }                                                                                                \
    }

GATHER_BODY(gather_body_1, uint8_t)
GATHER_BODY(gather_body_2, uint16_t)
GATHER_BODY(gather_body_4, uint32_t)
GATHER_BODY(gather_body_8, uint64_t)

void tk_gather_axis(size_t element_bytes, void *out, const void *x, const int64_t *indices, size_t outer, size_t axis,
                    size_t count, size_t inner) {
    gather_context context = {.out = out, .x = x, .indices = indices, .axis = axis, .count = count, .inner = inner};
    tk_body body = element_bytes == 1   ? gather_body_1
                   : element_bytes == 2 ? gather_body_2
                   : element_bytes == 4 ? gather_body_4
                                        : gather_body_8;
    tk_parallel_for(outer * count * inner, GRAIN, body, &context);
}

// Items are positions (outer, inner): each is one line along the axis.
static void scatter_add_body(void *context, size_t begin, size_t end, size_t thread) {
    const gather_context *c = context;
    (void)thread;
    for (; begin < end; begin++) {
        const size_t outer = begin / c->inner, column = begin % c->inner;
        float *dx = (float *)(void *)c->out + outer * c->axis * c->inner + column;
        const size_t offset = outer * c->count * c->inner + column;
        const float *dy = (const float *)(const void *)c->x + offset;
        const int64_t *indices = c->indices + offset;
        for (size_t j = 0; j < c->count; j++) dx[(size_t)indices[j * c->inner] * c->inner] += dy[j * c->inner];
    }
}

void tk_scatter_add_axis_f32(float *dx, const float *dy, const int64_t *indices, size_t outer, size_t axis,
                             size_t count, size_t inner) {
    gather_context context = {
        .out = (char *)dx, .x = (const char *)dy, .indices = indices, .axis = axis, .count = count, .inner = inner,
    };
    tk_parallel_for(outer * inner, GRAIN / (count + 1) + 1, scatter_add_body, &context);
}
