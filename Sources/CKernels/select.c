// Selection by condition, filling and counting up, by element size.
#include <string.h>

#include "include/tk_elementwise.h"
#include "layout.h"
#include "parallel.h"

enum { GRAIN = 16384 };

typedef struct where_context {
    void *out;
    const uint8_t *condition;
    const void *a, *b;
    tk_layout layout;
} where_context;

typedef struct fill_context {
    void *out;
    const void *value;
} fill_context;

#define ELEMENT uint8_t
#define NAME(x) x##_1
#include "select_template.h"
#undef ELEMENT
#undef NAME
#define ELEMENT uint16_t
#define NAME(x) x##_2
#include "select_template.h"
#undef ELEMENT
#undef NAME
#define ELEMENT uint32_t
#define NAME(x) x##_4
#include "select_template.h"
#undef ELEMENT
#undef NAME
#define ELEMENT uint64_t
#define NAME(x) x##_8
#include "select_template.h"
#undef ELEMENT
#undef NAME

void tk_where_strided(size_t element_bytes, void *out, size_t rank, const size_t *shape, const uint8_t *condition,
                      const ptrdiff_t *condition_strides, const void *a, const ptrdiff_t *a_strides, const void *b,
                      const ptrdiff_t *b_strides) {
    const ptrdiff_t *strides[] = {condition_strides, a_strides, b_strides};
    where_context context = {.out = out, .condition = condition, .a = a, .b = b};
    context.layout = tk_layout_merge(rank, shape, 3, strides);
    tk_body body = element_bytes == 1   ? where_body_1
                   : element_bytes == 2 ? where_body_2
                   : element_bytes == 4 ? where_body_4
                                        : where_body_8;
    tk_parallel_for(tk_layout_count(&context.layout), GRAIN, body, &context);
}

void tk_where(size_t element_bytes, void *out, const uint8_t *condition, const void *a, const void *b, size_t n) {
    const ptrdiff_t one = 1;
    tk_where_strided(element_bytes, out, 1, &n, condition, &one, a, &one, b, &one);
}

void tk_fill(size_t element_bytes, void *out, const void *value, size_t n) {
    fill_context context = {out, value};
    tk_body body = element_bytes == 1   ? fill_body_1
                   : element_bytes == 2 ? fill_body_2
                   : element_bytes == 4 ? fill_body_4
                                        : fill_body_8;
    tk_parallel_for(n, 4 * GRAIN, body, &context);
}

void tk_arange_f32(float *out, float start, float step, size_t n) {
    for (size_t i = 0; i < n; i++) out[i] = start + (float)i * step;
}

void tk_arange_i64(int64_t *out, int64_t start, int64_t step, size_t n) {
    for (size_t i = 0; i < n; i++) out[i] = start + (int64_t)i * step;
}
