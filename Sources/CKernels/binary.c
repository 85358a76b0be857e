// Binary elementwise functions and comparisons with broadcasting, for fp32, i32 and i64; logic on bytes.
#include "include/tk_elementwise.h"
#include "layout.h"
#include "parallel.h"
#include "vector_math.h"

enum { GRAIN = 16384 };

#define ELEMENT float
#define NAME(x) x##_f32
#define DIV_RUN RUN
#define ADD a + b
#define SUB a - b
#define MUL a * b
#define DIV a / b
#define MAX tk_max(a, b)
#define MIN tk_min(a, b)
#define POW b == 2.0f ? a * a : powf(a, b)
#include "binary_template.h"
#undef ELEMENT
#undef NAME
#undef ADD
#undef SUB
#undef MUL
#undef DIV
#undef MAX
#undef MIN
#undef POW
#undef DIV_RUN

// Rounded towards minus infinity. Dividing by -1 is a wrapping negation, since the lowest value has no opposite.
TK_INLINE int64_t floor_divide(int64_t a, int64_t b) {
    if (b == 0) return 0;
    if (b == -1) return (int64_t)(0 - (uint64_t)a);
    int64_t quotient = a / b;
    return quotient - (a % b != 0 && (a < 0) != (b < 0));
}

TK_INLINE int64_t integer_power(int64_t base, int64_t exponent) {
    if (exponent < 0) return base == 1 ? 1 : base == -1 ? (exponent & 1 ? -1 : 1) : 0;
    uint64_t result = 1, factor = (uint64_t)base;
    for (; exponent; exponent >>= 1) {
        if (exponent & 1) result *= factor;
        factor *= factor;
    }
    return (int64_t)result;
}

// Unsigned arithmetic wraps where signed would be undefined.
#define ADD (uint64_t)a + (uint64_t)b
#define SUB (uint64_t)a - (uint64_t)b
#define MUL (uint64_t)a * (uint64_t)b
#define DIV floor_divide(a, b)
#define MAX a > b ? a : b
#define MIN a < b ? a : b
#define POW integer_power(a, b)
#define DIV_RUN RUN_PLAIN
#define ELEMENT int32_t
#define NAME(x) x##_i32
#include "binary_template.h"
#undef ELEMENT
#undef NAME
#define ELEMENT int64_t
#define NAME(x) x##_i64
#include "binary_template.h"
#undef ELEMENT
#undef NAME

typedef struct logical_context {
    tk_logical_op op;
    uint8_t *out;
    const uint8_t *a, *b;
    tk_layout layout;
} logical_context;

TK_KERNEL static void logical_body(void *context, size_t begin, size_t end, size_t thread) {
    const logical_context *c = context;
    (void)thread;
    const tk_layout *layout = &c->layout;
    const size_t inner = layout->shape[layout->rank - 1];
    const ptrdiff_t sa = layout->strides[0][layout->rank - 1], sb = layout->strides[1][layout->rank - 1];
    size_t column = begin % inner;
    tk_cursor cursor;
    tk_cursor_seek(&cursor, layout, layout->rank - 1, begin / inner);
    while (begin < end) {
        size_t n = inner - column < end - begin ? inner - column : end - begin;
        const uint8_t *a = c->a + cursor.offset[0] + (ptrdiff_t)column * sa;
        const uint8_t *b = c->b + cursor.offset[1] + (ptrdiff_t)column * sb;
        uint8_t *out = c->out + begin;
        TK_SIMD for (size_t i = 0; i < n; i++) {
            uint8_t p = a[(ptrdiff_t)i * sa] != 0, q = b[(ptrdiff_t)i * sb] != 0;
            out[i] = c->op == TK_AND ? p & q : c->op == TK_OR ? p | q : p ^ q;
        }
        begin += n;
        column = 0;
        tk_cursor_step(&cursor, layout, layout->rank - 1);
    }
}

void tk_logical_strided_u8(tk_logical_op op, uint8_t *out, size_t rank, const size_t *shape, const uint8_t *a,
                           const ptrdiff_t *a_strides, const uint8_t *b, const ptrdiff_t *b_strides) {
    const ptrdiff_t *strides[] = {a_strides, b_strides};
    logical_context context = {.op = op, .out = out, .a = a, .b = b};
    context.layout = tk_layout_merge(rank, shape, 2, strides);
    tk_parallel_for(tk_layout_count(&context.layout), GRAIN, logical_body, &context);
}

void tk_logical_u8(tk_logical_op op, uint8_t *out, const uint8_t *a, const uint8_t *b, size_t n) {
    const ptrdiff_t one = 1;
    tk_logical_strided_u8(op, out, 1, &n, a, &one, b, &one);
}

void tk_logical_not_u8(uint8_t *out, const uint8_t *a, size_t n) {
    TK_SIMD for (size_t i = 0; i < n; i++) out[i] = a[i] == 0;
}
