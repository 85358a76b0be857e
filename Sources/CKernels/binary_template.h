// Binary functions and comparisons for one element type. Included by binary.c with
// ELEMENT (the type), NAME(x) (adds the type's suffix), the expressions ADD, SUB, MUL, DIV, POW, MAX, MIN of a and b,
// and DIV_RUN (RUN, or RUN_PLAIN where division does not vectorise).

typedef struct NAME(binary_context) {
    int op;
    void *out;
    const ELEMENT *a, *b;
    tk_layout layout;
} NAME(binary_context);

// One run of the innermost dimension, with the usual strides spelled out so that they vectorise.
#define RUN(RESULT, OUT, EXPRESSION)                                                                     \
    if (sa == 1 && sb == 1) {                                                                            \
        TK_SIMD for (size_t i = 0; i < n; i++) {                                                         \
            const ELEMENT a = pa[i], b = pb[i];                                                          \
            OUT[i] = (RESULT)(EXPRESSION);                                                               \
        }                                                                                                \
    } else if (sa == 1 && sb == 0) {                                                                     \
        const ELEMENT b = pb[0];                                                                         \
        TK_SIMD for (size_t i = 0; i < n; i++) {                                                         \
            const ELEMENT a = pa[i];                                                                     \
            OUT[i] = (RESULT)(EXPRESSION);                                                               \
        }                                                                                                \
    } else if (sa == 0 && sb == 1) {                                                                     \
        const ELEMENT a = pa[0];                                                                         \
        TK_SIMD for (size_t i = 0; i < n; i++) {                                                         \
            const ELEMENT b = pb[i];                                                                     \
            OUT[i] = (RESULT)(EXPRESSION);                                                               \
        }                                                                                                \
    } else {                                                                                             \
        TK_SIMD for (size_t i = 0; i < n; i++) {                                                         \
            const ELEMENT a = pa[(ptrdiff_t)i * sa], b = pb[(ptrdiff_t)i * sb];                          \
            OUT[i] = (RESULT)(EXPRESSION);                                                               \
        }                                                                                                \
    }                                                                                                    \
    break;

// The same for what calls a function at each element.
#define RUN_PLAIN(RESULT, OUT, EXPRESSION)                                                               \
    for (size_t i = 0; i < n; i++) {                                                                     \
        const ELEMENT a = pa[(ptrdiff_t)i * sa], b = pb[(ptrdiff_t)i * sb];                              \
        OUT[i] = (RESULT)(EXPRESSION);                                                                   \
    }                                                                                                    \
    break;

TK_INLINE void NAME(binary_run)(int op, ELEMENT *out, const ELEMENT *pa, ptrdiff_t sa, const ELEMENT *pb,
                                ptrdiff_t sb, size_t n) {
    switch (op) {
        case TK_ADD: RUN(ELEMENT, out, ADD)
        case TK_SUB: RUN(ELEMENT, out, SUB)
        case TK_MUL: RUN(ELEMENT, out, MUL)
        case TK_DIV: DIV_RUN(ELEMENT, out, DIV)
        case TK_MAX: RUN(ELEMENT, out, MAX)
        case TK_MIN: RUN(ELEMENT, out, MIN)
        case TK_POW: RUN_PLAIN(ELEMENT, out, POW)
    }
}

TK_INLINE void NAME(compare_run)(int op, uint8_t *out, const ELEMENT *pa, ptrdiff_t sa, const ELEMENT *pb,
                                 ptrdiff_t sb, size_t n) {
    switch (op) {
        case TK_EQ: RUN(uint8_t, out, a == b)
        case TK_NE: RUN(uint8_t, out, a != b)
        case TK_LT: RUN(uint8_t, out, a < b)
        case TK_LE: RUN(uint8_t, out, a <= b)
        case TK_GT: RUN(uint8_t, out, a > b)
        case TK_GE: RUN(uint8_t, out, a >= b)
    }
}

#undef RUN
#undef RUN_PLAIN

// Elements begin ..< end of the result, in runs of the innermost dimension.
#define WALK(KIND, RESULT)                                                                               \
    const NAME(binary_context) *c = context;                                                             \
    (void)thread;                                                                                        \
    const tk_layout *layout = &c->layout;                                                                \
    const size_t inner = layout->shape[layout->rank - 1];                                                \
    const ptrdiff_t sa = layout->strides[0][layout->rank - 1], sb = layout->strides[1][layout->rank - 1]; \
    size_t column = begin % inner;                                                                       \
    tk_cursor cursor;                                                                                    \
    tk_cursor_seek(&cursor, layout, layout->rank - 1, begin / inner);                                    \
    while (begin < end) {                                                                                \
        size_t n = inner - column < end - begin ? inner - column : end - begin;                          \
        NAME(KIND)(c->op, (RESULT *)c->out + begin, c->a + cursor.offset[0] + (ptrdiff_t)column * sa, sa, \
                   c->b + cursor.offset[1] + (ptrdiff_t)column * sb, sb, n);                             \
        begin += n;                                                                                      \
        column = 0;                                                                                      \
        tk_cursor_step(&cursor, layout, layout->rank - 1);                                               \
    }

TK_KERNEL static void NAME(binary_body)(void *context, size_t begin, size_t end, size_t thread) {
    WALK(binary_run, ELEMENT)
}

TK_KERNEL static void NAME(compare_body)(void *context, size_t begin, size_t end, size_t thread) {
    WALK(compare_run, uint8_t)
}

#undef WALK

void NAME(tk_binary_strided)(tk_binary_op op, ELEMENT *out, size_t rank, const size_t *shape, const ELEMENT *a,
                             const ptrdiff_t *a_strides, const ELEMENT *b, const ptrdiff_t *b_strides) {
    const ptrdiff_t *strides[] = {a_strides, b_strides};
    NAME(binary_context) context = {.op = op, .out = out, .a = a, .b = b};
    context.layout = tk_layout_merge(rank, shape, 2, strides);
    tk_parallel_for(tk_layout_count(&context.layout), GRAIN, NAME(binary_body), &context);
}

void NAME(tk_compare_strided)(tk_compare_op op, uint8_t *out, size_t rank, const size_t *shape, const ELEMENT *a,
                              const ptrdiff_t *a_strides, const ELEMENT *b, const ptrdiff_t *b_strides) {
    const ptrdiff_t *strides[] = {a_strides, b_strides};
    NAME(binary_context) context = {.op = op, .out = out, .a = a, .b = b};
    context.layout = tk_layout_merge(rank, shape, 2, strides);
    tk_parallel_for(tk_layout_count(&context.layout), GRAIN, NAME(compare_body), &context);
}

static const ptrdiff_t NAME(step_one)[1] = {1}, NAME(step_none)[1] = {0};

void NAME(tk_binary)(tk_binary_op op, ELEMENT *out, const ELEMENT *a, const ELEMENT *b, size_t n) {
    NAME(tk_binary_strided)(op, out, 1, &n, a, NAME(step_one), b, NAME(step_one));
}

void NAME(tk_compare)(tk_compare_op op, uint8_t *out, const ELEMENT *a, const ELEMENT *b, size_t n) {
    NAME(tk_compare_strided)(op, out, 1, &n, a, NAME(step_one), b, NAME(step_one));
}

void NAME(tk_binary_scalar)(tk_binary_op op, ELEMENT *out, const ELEMENT *a, ELEMENT scalar, bool scalar_first,
                            size_t n) {
    if (scalar_first) {
        NAME(tk_binary_strided)(op, out, 1, &n, &scalar, NAME(step_none), a, NAME(step_one));
    } else {
        NAME(tk_binary_strided)(op, out, 1, &n, a, NAME(step_one), &scalar, NAME(step_none));
    }
}
