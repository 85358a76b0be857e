// Weights in blocks: widening, rows of a table, and products of a few vectors where bytes are not multiplied at once.
#include "lanes.h"
#include "quantized_blocks.h"

size_t tk_block_count(tk_block_format format) { return format >= TK_Q4_K ? 256 : 32; }

size_t tk_block_bytes(tk_block_format format) {
    switch (format) {
#define BYTES(name, id, count, bytes, run, has_offset) case id: return bytes;
        FORMATS(BYTES)
    }
    return 0;
}

// The product and the sum are rounded apart, as the reference does.
TK_INLINE void store(float *restrict out, const unpacked *u, size_t count, size_t run, int has_offset) {
#pragma clang fp contract(off)
    for (size_t r = 0; r < count / run; r++) {
        for (size_t i = 0; i < run; i++) {
            const float product = u->scale[r] * (float)u->q[r * run + i];
            out[r * run + i] = has_offset ? product + u->offset[r] : product;
        }
    }
}

typedef int8_t bytes16 __attribute__((vector_size(16), aligned(1)));

// product[i] = q[i] x[i]; vectors go by address, since not every instruction set passes them in registers.
TK_INLINE void products(lanes *product, const int8_t *q, const float *x) {
    lanes value;
    bytes16 bytes;
    memcpy(&value, x, sizeof value);
    memcpy(&bytes, q, sizeof bytes);
    *product = value * __builtin_convertvector(bytes, lanes);
}

// Adds a block's part of a dot product: `sums` holds the sums of x over runs of 32.
TK_INLINE void multiply(lanes *total, float *offsets, const unpacked *u, const float *restrict x,
                        const float *restrict sums, size_t count, size_t run, int has_offset) {
    lanes first = total[0], second = total[1];
    for (size_t r = 0; r < count / 32; r++) {
        lanes a, b;
        products(&a, u->q + 32 * r, x + 32 * r);
        products(&b, u->q + 32 * r + 16, x + 32 * r + 16);
        if (run == 32) {
            first += (a + b) * u->scale[r];
        } else {
            first += a * u->scale[2 * r];
            second += b * u->scale[2 * r + 1];
        }
        if (has_offset) *offsets += u->offset[r] * sums[r];
    }
    total[0] = first;
    total[1] = second;
}

typedef struct quantized_context {
    float *y;
    const float *x, *bias, *sums;
    const uint8_t *w;
    const int64_t *indices;
    size_t m, n, k;
} quantized_context;

#define KERNELS(name, id, count, bytes, run, has_offset)                                                       \
    TK_KERNEL static void widen_##name(void *context, size_t begin, size_t end, size_t thread) {               \
        const quantized_context *c = context;                                                                  \
        (void)thread;                                                                                          \
        const size_t blocks = c->k / count;                                                                    \
        for (size_t i = begin; i < end; i++) {                                                                 \
            const size_t row = c->indices ? (size_t)c->indices[i] : i;                                         \
            for (size_t block = 0; block < blocks; block++) {                                                  \
                unpacked u;                                                                                    \
                unpack_##name(&u, c->w + (row * blocks + block) * bytes);                                      \
                store(c->y + i * c->k + block * count, &u, count, run, has_offset);                            \
            }                                                                                                  \
        }                                                                                                      \
    }                                                                                                          \
    TK_KERNEL static void matvec_##name(void *context, size_t begin, size_t end, size_t thread) {              \
        const quantized_context *c = context;                                                                  \
        (void)thread;                                                                                          \
        const size_t blocks = c->k / count;                                                                    \
        for (size_t row = begin; row < end; row++) {                                                           \
            const uint8_t *w = c->w + row * blocks * bytes;                                                    \
            for (size_t i = 0; i < c->m; i++) {                                                                \
                const float *x = c->x + i * c->k, *sums = c->sums + i * (c->k / 32);                           \
                lanes total[2] = {{0}, {0}};                                                                   \
                float offsets = 0.0f;                                                                          \
                for (size_t block = 0; block < blocks; block++) {                                              \
                    unpacked u;                                                                                \
                    unpack_##name(&u, w + block * bytes);                                                      \
                    multiply(total, &offsets, &u, x + block * count, sums + block * (count / 32), count, run,  \
                             has_offset);                                                                      \
                }                                                                                              \
                const lanes both = total[0] + total[1];                                                        \
                const float sum = lane_sum(&both) + offsets;                                                   \
                c->y[i * c->n + row] = c->bias ? sum + c->bias[row] : sum;                                     \
            }                                                                                                  \
        }                                                                                                      \
    }

FORMATS(KERNELS)

static tk_body widen_body(tk_block_format format) {
    switch (format) {
#define WIDEN(name, id, count, bytes, run, has_offset) case id: return widen_##name;
        FORMATS(WIDEN)
    }
    return 0;
}

static tk_body matvec_body(tk_block_format format) {
    switch (format) {
#define MATVEC(name, id, count, bytes, run, has_offset) case id: return matvec_##name;
        FORMATS(MATVEC)
    }
    return 0;
}

void tk_widen_blocks_f32(float *out, const void *blocks_in, tk_block_format format, size_t blocks) {
    quantized_context context = {.y = out, .w = blocks_in, .k = tk_block_count(format)};
    tk_parallel_for(blocks, 64, widen_body(format), &context);
}

void tk_gather_rows_quantized(float *out, const void *table, const int64_t *indices, tk_block_format format,
                              size_t count, size_t k) {
    quantized_context context = {.y = out, .w = table, .indices = indices, .k = k};
    tk_parallel_for(count, 8, widen_body(format), &context);
}

size_t tk_matvec_quantized_scratch(size_t m, size_t k) { return m * (k / 32); }

TK_KERNEL static void run_sums(float *restrict sums, const float *restrict x, size_t count) {
    for (size_t run = 0; run < count; run++) {
#pragma clang fp reassociate(on)
        float sum = 0.0f;
        for (size_t i = 0; i < 32; i++) sum += x[32 * run + i];
        sums[run] = sum;
    }
}

void tk_matvec_quantized(float *y, const float *x, const void *w, const float *bias, tk_block_format format, size_t m,
                         size_t n, size_t k, float *scratch) {
    run_sums(scratch, x, m * (k / 32));
    quantized_context context = {.y = y, .x = x, .bias = bias, .sums = scratch, .w = w, .m = m, .n = n, .k = k};
    tk_parallel_for(n, 16, matvec_body(format), &context);
}
