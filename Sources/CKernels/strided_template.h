// Strided copies for one element size. Included by strided.c with ELEMENT (an unsigned integer) and NAME(x).

// Whole runs of the innermost dimension, lines begin ..< end of the outer ones.
TK_KERNEL static void NAME(copy_lines)(void *context, size_t begin, size_t end, size_t thread) {
    const copy_context *c = context;
    (void)thread;
    const tk_layout *layout = &c->layout;
    const size_t last = layout->rank - 1, n = layout->shape[last];
    const ptrdiff_t so = layout->strides[0][last], sx = layout->strides[1][last];
    tk_cursor cursor;
    tk_cursor_seek(&cursor, layout, last, begin);
    for (; begin < end; begin++) {
        ELEMENT *restrict out = (ELEMENT *)c->out + cursor.offset[0];
        const ELEMENT *restrict x = (const ELEMENT *)c->x + cursor.offset[1];
        if (so == 1 && sx == 1) {
            memcpy(out, x, n * sizeof(ELEMENT));
        } else if (so == 1 && sx == 0) {
            for (size_t i = 0; i < n; i++) out[i] = *x;
        } else {
            for (size_t i = 0; i < n; i++) out[(ptrdiff_t)i * so] = x[(ptrdiff_t)i * sx];
        }
        tk_cursor_step(&cursor, layout, last);
    }
}

// out[column][row] = x[row][column] for one tile, x's columns and out's rows being contiguous.
TK_INLINE void NAME(transpose_tile)(ELEMENT *restrict out, ptrdiff_t out_stride, const ELEMENT *restrict x,
                                    ptrdiff_t x_stride, size_t rows, size_t columns) {
    for (size_t column = 0; column < columns; column++) {
        for (size_t row = 0; row < rows; row++) {
            out[(ptrdiff_t)column * out_stride + (ptrdiff_t)row] = x[(ptrdiff_t)row * x_stride + (ptrdiff_t)column];
        }
    }
}

// Transposes: the last dimension is contiguous in out ("rows"), the one before it in x ("columns"). One item is a block
// of TILE columns at one position of the outer dimensions; its rows go by in tiles too, so that both sides stay cached.
TK_KERNEL static void NAME(copy_transposed)(void *context, size_t begin, size_t end, size_t thread) {
    const copy_context *c = context;
    (void)thread;
    const tk_layout *layout = &c->layout;
    const size_t last = layout->rank - 1, rows = layout->shape[last], columns = layout->shape[last - 1];
    const ptrdiff_t so = layout->strides[0][last - 1], sx = layout->strides[1][last];
    const size_t blocks = (columns + TILE - 1) / TILE;
    for (; begin < end; begin++) {
        tk_cursor cursor;
        tk_cursor_seek(&cursor, layout, last - 1, begin / blocks);
        const size_t first = begin % blocks * TILE, width = columns - first < TILE ? columns - first : TILE;
        ELEMENT *out = (ELEMENT *)c->out + cursor.offset[0] + (ptrdiff_t)first * so;
        const ELEMENT *x = (const ELEMENT *)c->x + cursor.offset[1] + (ptrdiff_t)first;
        for (size_t row = 0; row < rows; row += TILE) {
            const size_t height = rows - row < TILE ? rows - row : TILE;
            ELEMENT *tile_out = out + row;
            const ELEMENT *tile_x = x + (ptrdiff_t)row * sx;
            size_t done = 0;
            if (sizeof(ELEMENT) == 4) {
                // Groups of eight columns in registers; what is left over goes one by one below.
                for (; done + 8 <= width; done += 8) {
                    size_t r = 0;
                    for (; r + 8 <= height; r += 8) {
                        transpose_8x8((uint32_t *)tile_out + (ptrdiff_t)done * so + (ptrdiff_t)r, so,
                                      (const uint32_t *)tile_x + (ptrdiff_t)r * sx + (ptrdiff_t)done, sx);
                    }
                    NAME(transpose_tile)(tile_out + (ptrdiff_t)done * so + (ptrdiff_t)r, so,
                                         tile_x + (ptrdiff_t)r * sx + (ptrdiff_t)done, sx, height - r, 8);
                }
            }
            NAME(transpose_tile)(tile_out + (ptrdiff_t)done * so, so, tile_x + done, sx, height, width - done);
        }
    }
}
