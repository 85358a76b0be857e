// Block formats: a block becomes small integers q, with a scale and an offset for each run of them; a number is
// scale * q + offset. The layouts are those of ggml's `block_q4_0` and its relatives.
#include "include/tk_quantized.h"

#include "half_math.h"
#include "quantized_tables.h"

enum { MOST = 256, RUNS = 16 };

// A block, unpacked. Runs are 32 numbers long, 16 in Q6_K.
typedef struct unpacked {
    int8_t q[MOST];
    float scale[RUNS], offset[RUNS];
} unpacked;

// One instruction where the processor has it.
TK_INLINE float half_at(const uint8_t *bytes) {
    _Float16 half;
    memcpy(&half, bytes, sizeof half);
    return (float)half;
}

// Two numbers a byte: the low halves first.
TK_INLINE void nibbles(int8_t *restrict q, const uint8_t *restrict bytes, size_t count, int8_t shift) {
    for (size_t i = 0; i < count; i++) q[i] = (int8_t)((bytes[i] & 15) - shift);
    for (size_t i = 0; i < count; i++) q[count + i] = (int8_t)((bytes[i] >> 4) - shift);
}

typedef int8_t bytes32 __attribute__((vector_size(32), aligned(1)));

// q[i] = q[i] + 16 (bits[i] & chosen[i] != 0) - shift, for 32 numbers.
TK_INLINE void add_fifth_bits(int8_t *q, const bytes32 *bits, const bytes32 *chosen, int8_t shift) {
    bytes32 value;
    memcpy(&value, q, sizeof value);
    value += (((*bits & *chosen) != 0) & 16) - shift;
    memcpy(q, &value, sizeof value);
}

// A fifth bit for each of 32 numbers, one after the other in four bytes.
TK_INLINE void fifth_bits(int8_t *q, const uint8_t *bytes, int8_t shift) {
    typedef int8_t bytes4 __attribute__((vector_size(4)));
    bytes4 word;
    memcpy(&word, bytes, sizeof word);
#define EIGHT(I) I, I, I, I, I, I, I, I
    const bytes32 bits = __builtin_shufflevector(word, word, EIGHT(0), EIGHT(1), EIGHT(2), EIGHT(3));
#undef EIGHT
#define EIGHT 1, 2, 4, 8, 16, 32, 64, -128
    const bytes32 chosen = {EIGHT, EIGHT, EIGHT, EIGHT};
#undef EIGHT
    add_fifth_bits(q, &bits, &chosen, shift);
}

TK_INLINE void unpack_q4_0(unpacked *u, const uint8_t *b) {
    u->scale[0] = half_at(b);
    nibbles(u->q, b + 2, 16, 8);
}

TK_INLINE void unpack_q4_1(unpacked *u, const uint8_t *b) {
    u->scale[0] = half_at(b);
    u->offset[0] = half_at(b + 2);
    nibbles(u->q, b + 4, 16, 0);
}

TK_INLINE void unpack_q5_0(unpacked *u, const uint8_t *b) {
    u->scale[0] = half_at(b);
    nibbles(u->q, b + 6, 16, 0);
    fifth_bits(u->q, b + 2, 16);
}

TK_INLINE void unpack_q5_1(unpacked *u, const uint8_t *b) {
    u->scale[0] = half_at(b);
    u->offset[0] = half_at(b + 2);
    nibbles(u->q, b + 8, 16, 0);
    fifth_bits(u->q, b + 4, 0);
}

TK_INLINE void unpack_q8_0(unpacked *u, const uint8_t *b) {
    u->scale[0] = half_at(b);
    memcpy(u->q, b + 2, 32);
}

// Eight scales and eight minima of six bits in twelve bytes.
TK_INLINE void six_bit_scales(unpacked *u, const uint8_t *b) {
    const float scale = half_at(b), minimum = half_at(b + 2);
    const uint8_t *s = b + 4;
    for (size_t i = 0; i < 4; i++) {
        u->scale[i] = scale * (float)(s[i] & 63);
        u->offset[i] = -(minimum * (float)(s[i + 4] & 63));
        u->scale[i + 4] = scale * (float)((s[i + 8] & 15) | (s[i] >> 6 << 4));
        u->offset[i + 4] = -(minimum * (float)((s[i + 8] >> 4) | (s[i + 4] >> 6 << 4)));
    }
}

TK_INLINE void unpack_q4_k(unpacked *u, const uint8_t *b) {
    six_bit_scales(u, b);
    for (size_t run = 0; run < 4; run++) nibbles(u->q + 64 * run, b + 16 + 32 * run, 32, 0);
}

TK_INLINE void unpack_q5_k(unpacked *u, const uint8_t *b) {
    six_bit_scales(u, b);
    bytes32 high;
    memcpy(&high, b + 16, sizeof high);
    for (size_t run = 0; run < 4; run++) nibbles(u->q + 64 * run, b + 48 + 32 * run, 32, 0);
    for (size_t run = 0; run < 8; run++) {
        const bytes32 chosen = (bytes32){0} + (int8_t)(1 << run);
        add_fifth_bits(u->q + 32 * run, &high, &chosen, 0);
    }
}

TK_INLINE void unpack_q6_k(unpacked *u, const uint8_t *b) {
    const float scale = half_at(b + 208);
    const int8_t *scales = (const int8_t *)(b + 192);
    for (size_t i = 0; i < 16; i++) u->scale[i] = scale * (float)scales[i];
    for (size_t half = 0; half < 2; half++) {
        const uint8_t *low = b + 64 * half, *high = b + 128 + 32 * half;
        int8_t *q = u->q + 128 * half;
        for (size_t i = 0; i < 32; i++) {
            q[i] = (int8_t)((int)((low[i] & 15) | (high[i] & 3) << 4) - 32);
            q[i + 32] = (int8_t)((int)((low[i + 32] & 15) | (high[i] >> 2 & 3) << 4) - 32);
            q[i + 64] = (int8_t)((int)((low[i] >> 4) | (high[i] >> 4 & 3) << 4) - 32);
            q[i + 96] = (int8_t)((int)((low[i + 32] >> 4) | (high[i] >> 6) << 4) - 32);
        }
    }
}

// FORMAT(name, numbers a block, bytes a block, numbers a run, whether numbers have an offset)
#define FORMATS(FORMAT)                                                                                  \
    FORMAT(q4_0, TK_Q4_0, 32, 18, 32, 0)                                                                 \
    FORMAT(q4_1, TK_Q4_1, 32, 20, 32, 1)                                                                 \
    FORMAT(q5_0, TK_Q5_0, 32, 22, 32, 0)                                                                 \
    FORMAT(q5_1, TK_Q5_1, 32, 24, 32, 1)                                                                 \
    FORMAT(q8_0, TK_Q8_0, 32, 34, 32, 0)                                                                 \
    FORMAT(q4_k, TK_Q4_K, 256, 144, 32, 1)                                                               \
    FORMAT(q5_k, TK_Q5_K, 256, 176, 32, 1)                                                               \
    FORMAT(q6_k, TK_Q6_K, 256, 210, 16, 0)

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

typedef float lanes __attribute__((vector_size(64), aligned(4)));
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

TK_INLINE float lane_sum(const lanes *total) {
#pragma clang fp reassociate(on)
    const lanes both = total[0] + total[1];
    float sum = 0.0f;
    for (size_t i = 0; i < 16; i++) sum += both[i];
    return sum;
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
                const float sum = lane_sum(total) + offsets;                                     \
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
    if (tk_matvec_tables(y, x, w, bias, format, m, n, k)) return;
    run_sums(scratch, x, m * (k / 32));
    quantized_context context = {.y = y, .x = x, .bias = bias, .sums = scratch, .w = w, .m = m, .n = n, .k = k};
    tk_parallel_for(n, 16, matvec_body(format), &context);
}
