// Walking several strided arrays in step: dimensions are merged where they can be, then the innermost one runs in the
// kernel's own loop.
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "include/tk_elementwise.h"
#include "parallel.h"

enum { TK_MAX_OPERANDS = 4 };

// Shape of the walk and the strides of each operand, outermost first. `rank` is at least 1.
typedef struct tk_layout {
    size_t rank, operands;
    size_t shape[TK_MAX_RANK];
    ptrdiff_t strides[TK_MAX_OPERANDS][TK_MAX_RANK];
} tk_layout;

// Drops dimensions of size 1 and merges neighbours that every operand crosses evenly.
static inline tk_layout tk_layout_merge(size_t rank, const size_t *shape, size_t operands,
                                        const ptrdiff_t *const *strides) {
    tk_layout layout = {.rank = 0, .operands = operands};
    for (size_t d = 0; d < rank; d++) {
        if (shape[d] == 1) continue;
        size_t last = layout.rank - 1;
        bool merges = layout.rank > 0;
        for (size_t o = 0; merges && o < operands; o++) {
            merges = layout.strides[o][last] == (ptrdiff_t)shape[d] * strides[o][d];
        }
        if (merges) {
            layout.shape[last] *= shape[d];
        } else {
            last = layout.rank++;
            layout.shape[last] = shape[d];
        }
        for (size_t o = 0; o < operands; o++) layout.strides[o][last] = strides[o][d];
    }
    if (layout.rank == 0) {
        layout.rank = 1;
        layout.shape[0] = 1;
        for (size_t o = 0; o < operands; o++) layout.strides[o][0] = 1;
    }
    return layout;
}

static inline size_t tk_layout_count(const tk_layout *layout) {
    size_t count = 1;
    for (size_t d = 0; d < layout->rank; d++) count *= layout->shape[d];
    return count;
}

// The strides of a contiguous array of this shape.
static inline void tk_contiguous_strides(ptrdiff_t *strides, size_t rank, const size_t *shape) {
    ptrdiff_t step = 1;
    for (size_t d = rank; d-- > 0;) {
        strides[d] = step;
        step *= (ptrdiff_t)shape[d];
    }
}

// A position in the walk: index of each dimension, offset of each operand in elements.
typedef struct tk_cursor {
    size_t index[TK_MAX_RANK];
    ptrdiff_t offset[TK_MAX_OPERANDS];
} tk_cursor;

// Places the cursor at a linear position over the first `rank` dimensions.
TK_INLINE void tk_cursor_seek(tk_cursor *cursor, const tk_layout *layout, size_t rank, size_t position) {
    for (size_t o = 0; o < layout->operands; o++) cursor->offset[o] = 0;
    for (size_t d = rank; d-- > 0;) {
        cursor->index[d] = position % layout->shape[d];
        position /= layout->shape[d];
        for (size_t o = 0; o < layout->operands; o++) {
            cursor->offset[o] += (ptrdiff_t)cursor->index[d] * layout->strides[o][d];
        }
    }
}

// Moves one step along dimension rank - 1, carrying into the slower ones.
TK_INLINE void tk_cursor_step(tk_cursor *cursor, const tk_layout *layout, size_t rank) {
    for (size_t d = rank; d-- > 0;) {
        bool wraps = ++cursor->index[d] == layout->shape[d];
        ptrdiff_t steps = wraps ? 1 - (ptrdiff_t)layout->shape[d] : 1;
        for (size_t o = 0; o < layout->operands; o++) cursor->offset[o] += steps * layout->strides[o][d];
        if (!wraps) return;
        cursor->index[d] = 0;
    }
}
