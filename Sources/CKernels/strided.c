// Copies between strided and contiguous layouts. Both directions are one copy between two strided arrays: the walk is
// sorted so that out is written in order, and a transpose is recognised by where each side is contiguous.
#include "include/tk_strided.h"

#include <stdint.h>
#include <string.h>

#include "layout.h"
#include "parallel.h"

enum { TILE = 32, GRAIN = 16384 };

typedef struct copy_context {
    void *out;
    const void *x;
    tk_layout layout;  // operand 0 is out, operand 1 is x
} copy_context;

typedef uint32_t eight_words __attribute__((vector_size(32)));

// out[j][i] = x[i][j] for 8 x 8 words, in three rounds of interleaving.
TK_INLINE void transpose_8x8(uint32_t *restrict out, ptrdiff_t out_stride, const uint32_t *restrict x,
                             ptrdiff_t x_stride) {
    eight_words a[8], b[8];
#pragma clang loop unroll(full)
    for (int i = 0; i < 8; i++) memcpy(&a[i], x + i * x_stride, sizeof a[i]);
#pragma clang loop unroll(full)
    for (int i = 0; i < 8; i += 2) {
        b[i] = __builtin_shufflevector(a[i], a[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
        b[i + 1] = __builtin_shufflevector(a[i], a[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
    }
#pragma clang loop unroll(full)
    for (int i = 0; i < 8; i += 4) {
        a[i] = __builtin_shufflevector(b[i], b[i + 2], 0, 1, 8, 9, 4, 5, 12, 13);
        a[i + 1] = __builtin_shufflevector(b[i], b[i + 2], 2, 3, 10, 11, 6, 7, 14, 15);
        a[i + 2] = __builtin_shufflevector(b[i + 1], b[i + 3], 0, 1, 8, 9, 4, 5, 12, 13);
        a[i + 3] = __builtin_shufflevector(b[i + 1], b[i + 3], 2, 3, 10, 11, 6, 7, 14, 15);
    }
#pragma clang loop unroll(full)
    for (int i = 0; i < 4; i++) {
        b[i] = __builtin_shufflevector(a[i], a[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
        b[i + 4] = __builtin_shufflevector(a[i], a[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
    }
#pragma clang loop unroll(full)
    for (int i = 0; i < 8; i++) memcpy(out + i * out_stride, &b[i], sizeof b[i]);
}

#define ELEMENT uint8_t
#define NAME(x) x##_1
#include "strided_template.h"
#undef ELEMENT
#undef NAME
#define ELEMENT uint16_t
#define NAME(x) x##_2
#include "strided_template.h"
#undef ELEMENT
#undef NAME
#define ELEMENT uint32_t
#define NAME(x) x##_4
#include "strided_template.h"
#undef ELEMENT
#undef NAME
#define ELEMENT uint64_t
#define NAME(x) x##_8
#include "strided_template.h"
#undef ELEMENT
#undef NAME

static size_t magnitude(ptrdiff_t stride) {
    return stride < 0 ? (size_t)0 - (size_t)stride : (size_t)stride;
}

// The walk in out's memory order (largest stride outermost), merged.
static tk_layout ordered_layout(size_t rank, const size_t *shape, const ptrdiff_t *out, const ptrdiff_t *x) {
    size_t order[TK_MAX_RANK], sorted_shape[TK_MAX_RANK];
    ptrdiff_t sorted_out[TK_MAX_RANK], sorted_x[TK_MAX_RANK];
    for (size_t d = 0; d < rank; d++) {
        size_t place = d;
        for (; place > 0 && magnitude(out[order[place - 1]]) < magnitude(out[d]); place--) {
            order[place] = order[place - 1];
        }
        order[place] = d;
    }
    for (size_t d = 0; d < rank; d++) {
        sorted_shape[d] = shape[order[d]];
        sorted_out[d] = out[order[d]];
        sorted_x[d] = x[order[d]];
    }
    const ptrdiff_t *strides[] = {sorted_out, sorted_x};
    return tk_layout_merge(rank, sorted_shape, 2, strides);
}

// Moves dimension `from` to place `to` (to > from), shifting those between outward.
static void move_inward(tk_layout *layout, size_t from, size_t to) {
    for (; from < to; from++) {
        size_t length = layout->shape[from];
        layout->shape[from] = layout->shape[from + 1];
        layout->shape[from + 1] = length;
        for (size_t o = 0; o < layout->operands; o++) {
            ptrdiff_t stride = layout->strides[o][from];
            layout->strides[o][from] = layout->strides[o][from + 1];
            layout->strides[o][from + 1] = stride;
        }
    }
}

static void copy(size_t element_bytes, void *out, const ptrdiff_t *out_strides, const void *x,
                 const ptrdiff_t *x_strides, size_t rank, const size_t *shape) {
    for (size_t d = 0; d < rank; d++) {
        if (shape[d] == 0) return;
    }
    copy_context context = {out, x, ordered_layout(rank, shape, out_strides, x_strides)};
    tk_layout *layout = &context.layout;
    const size_t last = layout->rank - 1;
    bool transposed = false;
    if (last > 0 && layout->strides[0][last] == 1 && layout->strides[1][last] != 1 && layout->strides[1][last] != 0) {
        for (size_t d = 0; d < last && !transposed; d++) {
            if (layout->strides[1][d] == 1) {
                move_inward(layout, d, last - 1);
                transposed = true;
            }
        }
    }
    const size_t count = tk_layout_count(layout);
    if (transposed) {
        const size_t rows = layout->shape[last], columns = layout->shape[last - 1];
        const size_t blocks = (columns + TILE - 1) / TILE;
        tk_body body = element_bytes == 1   ? copy_transposed_1
                       : element_bytes == 2 ? copy_transposed_2
                       : element_bytes == 4 ? copy_transposed_4
                                            : copy_transposed_8;
        const size_t per_item = rows * (columns < TILE ? columns : TILE);
        tk_parallel_for(count / (rows * columns) * blocks, GRAIN / per_item + 1, body, &context);
    } else {
        if (layout->rank == 1 && count > 2 * GRAIN) {
            // One long line: cut it into lines that threads can share, and copy the rest as a line of its own.
            const size_t lines = count / GRAIN, rest = count % GRAIN;
            const ptrdiff_t so = layout->strides[0][0], sx = layout->strides[1][0];
            if (rest) {
                const size_t tail = count - rest;
                copy(element_bytes, (char *)out + (ptrdiff_t)tail * so * (ptrdiff_t)element_bytes, &so,
                     (const char *)x + (ptrdiff_t)tail * sx * (ptrdiff_t)element_bytes, &sx, 1, &rest);
            }
            layout->rank = 2;
            layout->shape[0] = lines;
            layout->shape[1] = GRAIN;
            layout->strides[0][0] = so * GRAIN;
            layout->strides[0][1] = so;
            layout->strides[1][0] = sx * GRAIN;
            layout->strides[1][1] = sx;
        }
        const size_t line = layout->shape[layout->rank - 1];
        tk_body body = element_bytes == 1   ? copy_lines_1
                       : element_bytes == 2 ? copy_lines_2
                       : element_bytes == 4 ? copy_lines_4
                                            : copy_lines_8;
        tk_parallel_for(tk_layout_count(layout) / line, GRAIN / line + 1, body, &context);
    }
}

void tk_copy_strided(size_t element_bytes, void *out, size_t rank, const size_t *shape, const void *x,
                     const ptrdiff_t *strides) {
    ptrdiff_t contiguous[TK_MAX_RANK];
    tk_contiguous_strides(contiguous, rank, shape);
    copy(element_bytes, out, contiguous, x, strides, rank, shape);
}

void tk_copy_into_strided(size_t element_bytes, void *out, const ptrdiff_t *strides, const void *x, size_t rank,
                          const size_t *shape) {
    ptrdiff_t contiguous[TK_MAX_RANK];
    tk_contiguous_strides(contiguous, rank, shape);
    copy(element_bytes, out, strides, x, contiguous, rank, shape);
}

TK_KERNEL static void add_lines(void *context, size_t begin, size_t end, size_t thread) {
    const copy_context *c = context;
    (void)thread;
    const tk_layout *layout = &c->layout;
    const size_t last = layout->rank - 1, n = layout->shape[last];
    const ptrdiff_t so = layout->strides[0][last], sx = layout->strides[1][last];
    tk_cursor cursor;
    tk_cursor_seek(&cursor, layout, last, begin);
    for (; begin < end; begin++) {
        float *restrict out = (float *)c->out + cursor.offset[0];
        const float *restrict x = (const float *)c->x + cursor.offset[1];
        if (so == 1 && sx == 1) {
            for (size_t i = 0; i < n; i++) out[i] += x[i];
        } else {
            for (size_t i = 0; i < n; i++) out[(ptrdiff_t)i * so] += x[(ptrdiff_t)i * sx];
        }
        tk_cursor_step(&cursor, layout, last);
    }
}

void tk_add_into_strided_f32(float *out, const ptrdiff_t *strides, const float *x, size_t rank, const size_t *shape) {
    for (size_t d = 0; d < rank; d++) {
        if (shape[d] == 0) return;
    }
    ptrdiff_t contiguous[TK_MAX_RANK];
    tk_contiguous_strides(contiguous, rank, shape);
    copy_context context = {out, x, ordered_layout(rank, shape, strides, contiguous)};
    const size_t line = context.layout.shape[context.layout.rank - 1];
    tk_parallel_for(tk_layout_count(&context.layout) / line, GRAIN / line + 1, add_lines, &context);
}
