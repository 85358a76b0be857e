// Reductions along an axis, reductions of everything, and running sums.
#include "include/tk_reduce.h"

#include <math.h>
#include <string.h>

#include "parallel.h"
#include "reduction_math.h"
#include "vector_math.h"

enum {
    GRAIN = 16384,
    WIDTH = 128,       // inner positions that go down the axis together
    AXIS_BLOCK = 64,   // rows summed before they join the total
    ALL_BLOCKS = 256,  // most partial sums of a reduction of everything
    ROW_BLOCK = 64,    // rows to a partial sum in tk_sum_rows_f32, at least
    ROW_BLOCKS = 64,   // and the most partial sums
};

typedef struct reduce_context {
    int op;
    void *out;
    const void *x;
    size_t outer, axis, inner;
    bool reverse;
} reduce_context;

// Items are slices of up to WIDTH inner positions at one outer position.
static size_t slices(size_t inner) {
    return (inner + WIDTH - 1) / WIDTH;
}

static size_t slice_grain(const reduce_context *c) {
    const size_t work = c->axis * (c->inner < WIDTH ? c->inner : WIDTH);
    return GRAIN / (work + 1) + 1;
}

// Smallest value of a run, infinity when empty; NaN if any is NaN.
TK_INLINE float run_min(const float *x, size_t n) {
    tk_eight kept = INFINITY;
    size_t first = 0;
    for (; first + 8 <= n; first += 8) {
        tk_eight value;
        memcpy(&value, x + first, sizeof value);
        kept = ((value < kept) | (value != value)) ? value : kept;
    }
    float smallest = INFINITY;
    for (size_t i = first; i < n; i++) smallest = x[i] < smallest || x[i] != x[i] ? x[i] : smallest;
    for (int lane = 0; lane < 8; lane++) {
        smallest = kept[lane] < smallest || kept[lane] != kept[lane] ? kept[lane] : smallest;
    }
    return smallest;
}

TK_INLINE float reduce_run(int op, const float *x, size_t n) {
    float value;
    switch (op) {
        case TK_REDUCE_SUM: return tk_run_sum(x, x, 0.0f, n);
        case TK_REDUCE_MAX: return tk_run_max(x, n);
        case TK_REDUCE_MIN: return run_min(x, n);
        default:
            value = 1.0f;
            for (size_t i = 0; i < n; i++) value *= x[i];
            return value;
    }
}

TK_INLINE void reduce_slice(int op, float *restrict out, const float *restrict x, size_t axis, size_t inner,
                            size_t width) {
    const float start = op == TK_REDUCE_SUM ? 0.0f : op == TK_REDUCE_PROD ? 1.0f : op == TK_REDUCE_MAX ? -INFINITY
                                                                                                       : INFINITY;
    for (size_t i = 0; i < width; i++) out[i] = start;
    for (size_t block = 0; block < axis; block += AXIS_BLOCK) {
        const size_t end = axis - block < AXIS_BLOCK ? axis : block + AXIS_BLOCK;
        if (op == TK_REDUCE_SUM) {
            float sums[WIDTH] = {0};
            for (size_t row = block; row < end; row++) {
                for (size_t i = 0; i < width; i++) sums[i] += x[row * inner + i];
            }
            for (size_t i = 0; i < width; i++) out[i] += sums[i];
            continue;
        }
        for (size_t row = block; row < end; row++) {
            const float *line = x + row * inner;
            if (op == TK_REDUCE_MAX) {
                for (size_t i = 0; i < width; i++) out[i] = tk_keep_larger(out[i], line[i]);
            } else if (op == TK_REDUCE_MIN) {
                for (size_t i = 0; i < width; i++) out[i] = line[i] < out[i] || line[i] != line[i] ? line[i] : out[i];
            } else {
                for (size_t i = 0; i < width; i++) out[i] *= line[i];
            }
        }
    }
}

TK_KERNEL static void reduce_body(void *context, size_t begin, size_t end, size_t thread) {
    const reduce_context *c = context;
    (void)thread;
    const float *x = c->x;
    float *out = c->out;
    const size_t parts = slices(c->inner);
    for (; begin < end; begin++) {
        const size_t outer = begin / parts, first = begin % parts * WIDTH;
        const size_t width = c->inner - first < WIDTH ? c->inner - first : WIDTH;
        const float *source = x + outer * c->axis * c->inner + first;
        if (c->inner == 1) {
            out[outer] = reduce_run(c->op, source, c->axis);
        } else {
            reduce_slice(c->op, out + outer * c->inner + first, source, c->axis, c->inner, width);
        }
    }
}

void tk_reduce_f32(tk_reduce_op op, float *out, const float *x, size_t outer, size_t axis, size_t inner) {
    reduce_context context = {.op = op, .out = out, .x = x, .outer = outer, .axis = axis, .inner = inner};
    tk_parallel_for(outer * slices(inner), slice_grain(&context), reduce_body, &context);
}

TK_KERNEL static void reduce_i64_body(void *context, size_t begin, size_t end, size_t thread) {
    const reduce_context *c = context;
    (void)thread;
    for (; begin < end; begin++) {
        const size_t outer = begin / c->inner, column = begin % c->inner;
        const int64_t *x = (const int64_t *)c->x + outer * c->axis * c->inner + column;
        uint64_t sum = 0, product = 1;
        int64_t largest = INT64_MIN, smallest = INT64_MAX;
        for (size_t row = 0; row < c->axis; row++) {
            const int64_t value = x[row * c->inner];
            sum += (uint64_t)value;
            product *= (uint64_t)value;
            largest = value > largest ? value : largest;
            smallest = value < smallest ? value : smallest;
        }
        ((int64_t *)c->out)[begin] = c->op == TK_REDUCE_SUM    ? (int64_t)sum
                                     : c->op == TK_REDUCE_PROD ? (int64_t)product
                                     : c->op == TK_REDUCE_MAX  ? largest
                                                               : smallest;
    }
}

void tk_reduce_i64(tk_reduce_op op, int64_t *out, const int64_t *x, size_t outer, size_t axis, size_t inner) {
    reduce_context context = {.op = op, .out = out, .x = x, .outer = outer, .axis = axis, .inner = inner};
    tk_parallel_for(outer * inner, GRAIN / (axis + 1) + 1, reduce_i64_body, &context);
}

// The first of the largest numbers that lie side by side: block by block, then within the block that has it.
TK_INLINE size_t largest_place(const float *x, size_t count) {
    size_t place = 0;
    float best = x[0];
    for (size_t i = 0; i < count && best == best; i += TK_SUM_BLOCK) {
        const float largest = tk_run_max(x + i, count - i < TK_SUM_BLOCK ? count - i : TK_SUM_BLOCK);
        if (largest > best || largest != largest) {
            best = largest;
            place = i;
        }
    }
    while (best == best ? x[place] != best : x[place] == x[place]) place++;
    return place;
}

// op is +1 for the largest, -1 for the smallest.
TK_KERNEL static void argmax_body(void *context, size_t begin, size_t end, size_t thread) {
    const reduce_context *c = context;
    (void)thread;
    const float sign = (float)c->op;
    for (; begin < end; begin++) {
        const size_t outer = begin / c->inner, column = begin % c->inner;
        const float *x = (const float *)c->x + outer * c->axis * c->inner + column;
        if (c->inner == 1 && c->op == 1) {
            ((int64_t *)c->out)[begin] = (int64_t)largest_place(x, c->axis);
            continue;
        }
        float best = sign * x[0];
        size_t place = 0;
        for (size_t row = 1; row < c->axis && best == best; row++) {
            const float value = sign * x[row * c->inner];
            if (value > best || value != value) {
                best = value;
                place = row;
            }
        }
        ((int64_t *)c->out)[begin] = (int64_t)place;
    }
}

void tk_argmax_f32(int64_t *out, const float *x, size_t outer, size_t axis, size_t inner) {
    reduce_context context = {.op = 1, .out = out, .x = x, .outer = outer, .axis = axis, .inner = inner};
    tk_parallel_for(outer * inner, GRAIN / (axis + 1) + 1, argmax_body, &context);
}

void tk_argmin_f32(int64_t *out, const float *x, size_t outer, size_t axis, size_t inner) {
    reduce_context context = {.op = -1, .out = out, .x = x, .outer = outer, .axis = axis, .inner = inner};
    tk_parallel_for(outer * inner, GRAIN / (axis + 1) + 1, argmax_body, &context);
}

typedef enum all_op { ALL_SUM, ALL_SQUARES, ALL_DOT, ALL_MAX_ABS } all_op;

// A fixed number of blocks, each with its own place for the result.
typedef struct all_context {
    all_op op;
    const float *x, *y;
    size_t n, block;
    double partial[ALL_BLOCKS];
} all_context;

TK_KERNEL static void all_body(void *context, size_t begin, size_t end, size_t thread) {
    all_context *c = context;
    (void)thread;
    for (; begin < end; begin++) {
        const size_t first = begin * c->block, last = c->n - first < c->block ? c->n : first + c->block;
        double total = 0;
        for (size_t i = first; i < last; i += TK_SUM_BLOCK) {
            const size_t n = last - i < TK_SUM_BLOCK ? last - i : TK_SUM_BLOCK;
            const float *x = c->x + i, *y = c->y + i;
            if (c->op == ALL_SUM) total += tk_run_sum(x, x, 0.0f, n);
            if (c->op == ALL_SQUARES) total += tk_run_squares(x, x, 0.0f, n);
            if (c->op == ALL_DOT) total += tk_run_dot(x, y, 0.0f, n);
            if (c->op == ALL_MAX_ABS) {
                // Both runs agree on NaN.
                const float largest = tk_keep_larger(tk_run_max(x, n), -run_min(x, n));
                total = largest > total || largest != largest ? largest : total;
            }
        }
        c->partial[begin] = total;
    }
}

static double reduce_all(all_op op, const float *x, const float *y, size_t n) {
    if (n == 0) return 0.0;
    all_context context = {.op = op, .x = x, .y = y, .n = n};
    context.block = (n + ALL_BLOCKS - 1) / ALL_BLOCKS;
    context.block = (context.block + TK_SUM_BLOCK - 1) / TK_SUM_BLOCK * TK_SUM_BLOCK;
    const size_t blocks = (n + context.block - 1) / context.block;
    tk_parallel_for(blocks, GRAIN / context.block + 1, all_body, &context);
    double total = 0;
    for (size_t i = 0; i < blocks; i++) {
        const double value = context.partial[i];
        total = op == ALL_MAX_ABS ? (value > total || value != value ? value : total) : total + value;
    }
    return total;
}

double tk_sum_all_f32(const float *x, size_t n) {
    return reduce_all(ALL_SUM, x, x, n);
}

double tk_sum_squares_f32(const float *x, size_t n) {
    return reduce_all(ALL_SQUARES, x, x, n);
}

double tk_dot_f32(const float *a, const float *b, size_t n) {
    return reduce_all(ALL_DOT, a, b, n);
}

float tk_max_abs_f32(const float *x, size_t n) {
    return (float)reduce_all(ALL_MAX_ABS, x, x, n);
}

typedef struct sum_rows_context {
    float *partial;
    const float *x;
    size_t rows, cols, block;
} sum_rows_context;

static size_t row_block(size_t rows) {
    const size_t least = (rows + ROW_BLOCKS - 1) / ROW_BLOCKS;
    return least < ROW_BLOCK ? ROW_BLOCK : least;
}

TK_KERNEL static void sum_rows_body(void *context, size_t begin, size_t end, size_t thread) {
    const sum_rows_context *c = context;
    (void)thread;
    for (; begin < end; begin++) {
        const size_t first = begin * c->block, rows = c->rows - first < c->block ? c->rows - first : c->block;
        for (size_t column = 0; column < c->cols; column += WIDTH) {
            const size_t width = c->cols - column < WIDTH ? c->cols - column : WIDTH;
            reduce_slice(TK_REDUCE_SUM, c->partial + begin * c->cols + column, c->x + first * c->cols + column, rows,
                         c->cols, width);
        }
    }
}

void tk_sum_rows_f32(float *out, const float *x, size_t rows, size_t cols, float *scratch) {
    sum_rows_context context = {scratch, x, rows, cols, row_block(rows)};
    const size_t blocks = (rows + context.block - 1) / context.block;
    tk_parallel_for(blocks, GRAIN / (context.block * cols + 1) + 1, sum_rows_body, &context);
    tk_reduce_f32(TK_REDUCE_SUM, out, scratch, 1, blocks, cols);
}

size_t tk_sum_rows_f32_scratch(size_t rows, size_t cols) {
    const size_t block = row_block(rows);
    return (rows + block - 1) / block * cols;
}

// op 0 is the running sum, 1 the running product.
TK_KERNEL static void scan_body(void *context, size_t begin, size_t end, size_t thread) {
    const reduce_context *c = context;
    (void)thread;
    const size_t parts = slices(c->inner);
    for (; begin < end; begin++) {
        const size_t first = begin % parts * WIDTH, offset = begin / parts * c->axis * c->inner + first;
        const size_t width = c->inner - first < WIDTH ? c->inner - first : WIDTH;
        double running[WIDTH];
        for (size_t i = 0; i < width; i++) running[i] = c->op;
        for (size_t step = 0; step < c->axis; step++) {
            const size_t row = c->reverse ? c->axis - 1 - step : step;
            const float *x = (const float *)c->x + offset + row * c->inner;
            float *out = (float *)c->out + offset + row * c->inner;
            if (c->op == 0) {
                for (size_t i = 0; i < width; i++) out[i] = (float)(running[i] += x[i]);
            } else {
                for (size_t i = 0; i < width; i++) out[i] = (float)(running[i] *= x[i]);
            }
        }
    }
}

void tk_cumsum_f32(float *out, const float *x, size_t outer, size_t axis, size_t inner, bool reverse) {
    reduce_context context = {0, out, x, outer, axis, inner, reverse};
    tk_parallel_for(outer * slices(inner), slice_grain(&context), scan_body, &context);
}

void tk_cumprod_f32(float *out, const float *x, size_t outer, size_t axis, size_t inner, bool reverse) {
    reduce_context context = {1, out, x, outer, axis, inner, reverse};
    tk_parallel_for(outer * slices(inner), slice_grain(&context), scan_body, &context);
}
