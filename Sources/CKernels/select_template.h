// Selection and filling for one element size. Included by select.c with ELEMENT (an unsigned integer) and NAME(x).

TK_KERNEL static void NAME(where_body)(void *context, size_t begin, size_t end, size_t thread) {
    const where_context *c = context;
    (void)thread;
    const tk_layout *layout = &c->layout;
    const size_t last = layout->rank - 1, inner = layout->shape[last];
    const ptrdiff_t sc = layout->strides[0][last], sa = layout->strides[1][last], sb = layout->strides[2][last];
    size_t column = begin % inner;
    tk_cursor cursor;
    tk_cursor_seek(&cursor, layout, last, begin / inner);
    while (begin < end) {
        size_t n = inner - column < end - begin ? inner - column : end - begin;
        const uint8_t *condition = c->condition + cursor.offset[0] + (ptrdiff_t)column * sc;
        const ELEMENT *a = (const ELEMENT *)c->a + cursor.offset[1] + (ptrdiff_t)column * sa;
        const ELEMENT *b = (const ELEMENT *)c->b + cursor.offset[2] + (ptrdiff_t)column * sb;
        ELEMENT *out = (ELEMENT *)c->out + begin;
        if (sc == 1 && sa == 1 && sb == 1) {
            TK_SIMD for (size_t i = 0; i < n; i++) {
                ELEMENT yes = a[i], no = b[i];
                out[i] = condition[i] ? yes : no;
            }
        } else {
            TK_SIMD for (size_t i = 0; i < n; i++) {
                ELEMENT yes = a[(ptrdiff_t)i * sa], no = b[(ptrdiff_t)i * sb];
                out[i] = condition[(ptrdiff_t)i * sc] ? yes : no;
            }
        }
        begin += n;
        column = 0;
        tk_cursor_step(&cursor, layout, last);
    }
}

TK_KERNEL static void NAME(fill_body)(void *context, size_t begin, size_t end, size_t thread) {
    const fill_context *c = context;
    (void)thread;
    ELEMENT value;
    memcpy(&value, c->value, sizeof value);
    ELEMENT *out = c->out;
    for (size_t i = begin; i < end; i++) out[i] = value;
}
