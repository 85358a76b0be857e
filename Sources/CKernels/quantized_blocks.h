// Block formats: a block becomes small integers q, with a scale and an offset for each run of them; a number is
// scale * q + offset. The layouts are those of ggml's `block_q4_0` and its relatives.
#pragma once
#include "include/tk_quantized.h"

#include "half_math.h"

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
TK_INLINE void six_bits(uint8_t *scales, uint8_t *minima, const uint8_t *s) {
    for (size_t i = 0; i < 4; i++) {
        scales[i] = s[i] & 63;
        minima[i] = s[i + 4] & 63;
        scales[i + 4] = (uint8_t)((s[i + 8] & 15) | (s[i] >> 6 << 4));
        minima[i + 4] = (uint8_t)((s[i + 8] >> 4) | (s[i + 4] >> 6 << 4));
    }
}

TK_INLINE void six_bit_scales(unpacked *u, const uint8_t *b) {
    const float scale = half_at(b), minimum = half_at(b + 2);
    uint8_t scales[8], minima[8];
    six_bits(scales, minima, b + 4);
    for (size_t i = 0; i < 8; i++) {
        u->scale[i] = scale * (float)scales[i];
        u->offset[i] = -(minimum * (float)minima[i]);
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
