// Products with quantised weights where the processor multiplies and adds bytes four at a time (VNNI). Sixteen rows
// share a register, and all sums of a run of 32 inputs are sums of integers:
//
//     y = Σ over runs of scale · x.scale · Σ (q - bias) · (65536 d₂ + 256 d₁ + d₀) + offset · Σ x
//
// The inputs of a run become integers of 24 bits, three signed bytes d each, so that they are rounded as fp32 rounds the
// largest of them; the sums of each byte are exact.
//
// Packed weights are tiles of 16 rows, one after the other; a tile is its blocks in order, a block is
//
//     16 scales and, where the format has offsets, 16 offsets, in half precision;
//     for each 32 numbers, in formats of 256: 16 small scales and 16 small offsets (or 16 scales for each half), bytes;
//     the numbers: four at a time of each row in turn, 64 bytes, of which bytes of two halves hold two such groups, the
//     16th ahead in the upper half; then 64 bytes for each further bit.
#include "matvec_parts.h"
#include "quantized_blocks.h"

// AHEAD: bytes that are fetched ahead, for processors do so within a page of memory alone.
enum { ROWS = 16, RUN = 32, DIGITS = 3, AHEAD = 4096 };

// What distinguishes the formats; constants to the compiler.
typedef struct packing {
    size_t count, bytes;       // numbers and bytes of a block as stored
    size_t bits;               // of a number
    int bias;                  // what is added to make a number positive
    bool has_offset, has_small_scales, has_halves;
} packing;

// PACKING(name, ...) in the order of the struct.
#define PACKINGS(PACKING)                                       \
    PACKING(q4_0, TK_Q4_0, 32, 18, 4, 8, false, false, false)   \
    PACKING(q4_1, TK_Q4_1, 32, 20, 4, 0, true, false, false)    \
    PACKING(q5_0, TK_Q5_0, 32, 22, 5, 16, false, false, false)  \
    PACKING(q5_1, TK_Q5_1, 32, 24, 5, 0, true, false, false)    \
    PACKING(q8_0, TK_Q8_0, 32, 34, 8, 128, false, false, false) \
    PACKING(q4_k, TK_Q4_K, 256, 144, 4, 0, true, true, false)   \
    PACKING(q5_k, TK_Q5_K, 256, 176, 5, 0, true, true, false)   \
    PACKING(q6_k, TK_Q6_K, 256, 210, 6, 32, false, true, true)

TK_INLINE size_t header_bytes(const packing p) { return (size_t)2 * ROWS * (p.has_offset ? 2 : 1); }
TK_INLINE size_t value_bytes(const packing p) {
    return p.bits == 8 ? (size_t)ROWS * RUN : (size_t)ROWS * RUN / 2 + (p.bits - 4) * (ROWS * RUN / 8);
}
TK_INLINE size_t block_bytes(const packing p) {
    const size_t small = p.has_small_scales ? 2 * ROWS : 0;
    return header_bytes(p) + p.count / RUN * (small + value_bytes(p));
}

static packing packing_of(tk_block_format format) {
    switch (format) {
#define OF(name, id, ...) case id: return (packing){__VA_ARGS__};
        PACKINGS(OF)
#undef OF
    }
    return (packing){0};
}

static void unpack(unpacked *u, const uint8_t *b, tk_block_format format) {
    switch (format) {
#define UNPACK(name, id, ...) case id: unpack_##name(u, b); break;
        PACKINGS(UNPACK)
#undef UNPACK
    }
}

size_t tk_packed_rows_bytes(tk_block_format format, size_t n, size_t k) {
    const packing p = packing_of(format);
    return (n + ROWS - 1) / ROWS * (k / p.count) * block_bytes(p);
}

// Puts number `at` (0 ... 31) of a row into a run's bytes.
TK_INLINE void put_value(uint8_t *values, const packing p, size_t row, size_t at, unsigned value) {
    const size_t group = at / 4, place = 4 * row + at % 4;
    if (p.bits == 8) {
        values[64 * group + place] = (uint8_t)value;
        return;
    }
    values[64 * (group % 4) + place] |= (uint8_t)((value & 15) << (group < 4 ? 0 : 4));
    for (size_t bit = 4; bit < p.bits; bit++) {
        uint8_t *plane = values + 256 + 64 * (bit - 4);
        plane[8 * group + place / 8] |= (uint8_t)((value >> bit & 1) << (place % 8));
    }
}

static void pack_block(uint8_t *out, const uint8_t *b, tk_block_format format, const packing p, size_t row) {
    unpacked u = {0};
    unpack(&u, b, format);
    memcpy(out + 2 * row, format == TK_Q6_K ? b + 208 : b, 2);
    if (p.has_offset) memcpy(out + 2 * ROWS + 2 * row, b + 2, 2);
    uint8_t scales[8], minima[8];
    if (p.has_small_scales && !p.has_halves) six_bits(scales, minima, b + 4);
    out += header_bytes(p);
    for (size_t run = 0; run < p.count / RUN; run++) {
        if (p.has_small_scales) {
            out[row] = p.has_halves ? b[192 + 2 * run] : scales[run];
            out[ROWS + row] = p.has_halves ? b[193 + 2 * run] : minima[run];
            out += 2 * ROWS;
        }
        for (size_t i = 0; i < RUN; i++) put_value(out, p, row, i, (unsigned)(u.q[RUN * run + i] + p.bias));
        out += value_bytes(p);
    }
}

typedef struct packing_context {
    uint8_t *out;
    const uint8_t *w;
    tk_block_format format;
    size_t n, k;
} packing_context;

static void pack_tiles(void *context, size_t begin, size_t end, size_t thread) {
    const packing_context *c = context;
    (void)thread;
    const packing p = packing_of(c->format);
    const size_t blocks = c->k / p.count, size = block_bytes(p);
    memset(c->out + begin * blocks * size, 0, (end - begin) * blocks * size);
    for (size_t row = ROWS * begin; row < ROWS * end && row < c->n; row++) {
        for (size_t block = 0; block < blocks; block++) {
            uint8_t *out = c->out + (row / ROWS * blocks + block) * size;
            pack_block(out, c->w + (row * blocks + block) * p.bytes, c->format, p, row % ROWS);
        }
    }
}

void tk_pack_rows(void *out, const void *w, tk_block_format format, size_t n, size_t k) {
    packing_context context = {out, w, format, n, k};
    tk_parallel_for((n + ROWS - 1) / ROWS, 1, pack_tiles, &context);
}

#if defined(__x86_64__) && defined(__linux__)
#include <immintrin.h>

#define VNNI __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,f16c,fma")))
#define VNNI_INLINE static inline VNNI __attribute__((always_inline))

// A run of inputs as integers. `start` takes the bias back from a sum over the run, `halves` from sums over its halves.
typedef struct input_run {
    int8_t digits[DIGITS][RUN];
    int32_t start[DIGITS], halves[2][DIGITS];
    float scale, sum;
} input_run;

size_t tk_split_scratch(size_t count) { return count / RUN * sizeof(input_run) / sizeof(float); }

bool tk_has_packed_rows(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("x86-64-v4") && __builtin_cpu_supports("avx512vnni");
}

// The lowest signed byte of each number; the rest moves down by it.
VNNI_INLINE __m512i take_digit(__m512i *numbers) {
    const __m512i digit = _mm512_srai_epi32(_mm512_slli_epi32(*numbers, 24), 24);
    *numbers = _mm512_srai_epi32(_mm512_sub_epi32(*numbers, digit), 8);
    return digit;
}

VNNI static void split_inputs(input_run *out, const float *x, size_t count, int bias) {
    const float most = 8355000.0f;  // below 127 (65536 + 256 + 1)
    for (size_t run = 0; run < count; run++, out++, x += RUN) {
        const __m512 parts[2] = {_mm512_loadu_ps(x), _mm512_loadu_ps(x + 16)};
        const __m512 sizes[2] = {_mm512_abs_ps(parts[0]), _mm512_abs_ps(parts[1])};
        const float largest = _mm512_reduce_max_ps(_mm512_max_ps(sizes[0], sizes[1]));
        out->sum = _mm512_reduce_add_ps(_mm512_add_ps(parts[0], parts[1]));
        // The sum of all sizes is finite only where each is: NaN and infinity spread.
        const bool is_finite = _mm512_reduce_add_ps(_mm512_add_ps(sizes[0], sizes[1])) < INFINITY;
        const float factor = is_finite && largest > 1e-30f ? most / largest : 0.0f;
        out->scale = is_finite ? largest / most : NAN;
        for (size_t half = 0; half < 2; half++) {
            __m512i numbers = _mm512_cvtps_epi32(_mm512_mul_ps(parts[half], _mm512_set1_ps(factor)));
            if (!is_finite) numbers = _mm512_setzero_si512();
            for (size_t digit = 0; digit < DIGITS; digit++) {
                const __m512i bytes = take_digit(&numbers);
                _mm_storeu_si128((__m128i *)(out->digits[digit] + 16 * half), _mm512_cvtepi32_epi8(bytes));
                out->halves[half][digit] = -bias * _mm512_reduce_add_epi32(bytes);
            }
        }
        for (size_t digit = 0; digit < DIGITS; digit++) {
            out->start[digit] = out->halves[0][digit] + out->halves[1][digit];
        }
    }
}

// Sixteen rows' numbers of a run, positive, four of each row at a time.
VNNI_INLINE void load_values(__m512i values[8], const uint8_t *bytes, const packing p) {
    if (p.bits == 8) {
        for (size_t group = 0; group < 8; group++) values[group] = _mm512_loadu_si512(bytes + 64 * group);
        return;
    }
    const __m512i low = _mm512_set1_epi8(15);
    for (size_t group = 0; group < 4; group++) {
        const __m512i both = _mm512_loadu_si512(bytes + 64 * group);
        values[group] = _mm512_and_si512(both, low);
        values[group + 4] = _mm512_and_si512(_mm512_srli_epi16(both, 4), low);
    }
    for (size_t bit = 4; bit < p.bits; bit++) {
        const __m512i value = _mm512_set1_epi8((char)(1 << bit));
        for (size_t group = 0; group < 8; group++) {
            __mmask64 chosen;
            memcpy(&chosen, bytes + 256 + 64 * (bit - 4) + 8 * group, sizeof chosen);
            values[group] = _mm512_mask_add_epi8(values[group], chosen, values[group], value);
        }
    }
}

// Σ over `count` groups from `first` on of numbers times inputs, as floats.
VNNI_INLINE __m512 integer_sum(const __m512i values[8], const input_run *x, const int32_t *start, size_t first,
                               size_t count) {
    __m512i sums[DIGITS];
    for (size_t digit = 0; digit < DIGITS; digit++) sums[digit] = _mm512_set1_epi32(start[digit]);
    for (size_t group = first; group < first + count; group++) {
        for (size_t digit = 0; digit < DIGITS; digit++) {
            int32_t four;
            memcpy(&four, x->digits[digit] + 4 * group, sizeof four);
            sums[digit] = _mm512_dpbusd_epi32(sums[digit], values[group], _mm512_set1_epi32(four));
        }
    }
    const __m512 lower =
        _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums[1]), _mm512_set1_ps(256.0f), _mm512_cvtepi32_ps(sums[0]));
    return _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums[2]), _mm512_set1_ps(65536.0f), lower);
}

VNNI_INLINE __m512 halves_at(const uint8_t *bytes) {
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)bytes));
}

VNNI_INLINE __m512 small_at(const uint8_t *bytes, bool is_signed) {
    const __m128i small = _mm_loadu_si128((const __m128i *)bytes);
    return _mm512_cvtepi32_ps(is_signed ? _mm512_cvtepi8_epi32(small) : _mm512_cvtepu8_epi32(small));
}

// One vector's products with sixteen rows.
VNNI_INLINE __m512 tile_product(const uint8_t *b, const input_run *x, size_t blocks, const packing p) {
    __m512 total = _mm512_setzero_ps();
    for (size_t block = 0; block < blocks; block++) {
        const __m512 scales = halves_at(b);
        const __m512 offsets = p.has_offset ? halves_at(b + 2 * ROWS) : _mm512_setzero_ps();
        b += header_bytes(p);
        for (size_t run = 0; run < p.count / RUN; run++, x++) {
            __m512 first = scales, second = offsets;
            if (p.has_small_scales) {
                first = _mm512_mul_ps(scales, small_at(b, p.has_halves));
                second = p.has_halves ? _mm512_mul_ps(scales, small_at(b + ROWS, true))
                                      : _mm512_mul_ps(offsets, _mm512_sub_ps(_mm512_setzero_ps(), small_at(b + ROWS, false)));
                b += 2 * ROWS;
            }
            for (size_t at = 0; at < value_bytes(p) + 2 * ROWS; at += 64) {
                _mm_prefetch((const char *)b + AHEAD + at, _MM_HINT_T0);
            }
            __m512i values[8];
            load_values(values, b, p);
            b += value_bytes(p);
            const __m512 scale = _mm512_set1_ps(x->scale);
            if (p.has_halves) {
                const __m512 near = integer_sum(values, x, x->halves[0], 0, 4);
                const __m512 far = integer_sum(values, x, x->halves[1], 4, 4);
                total = _mm512_fmadd_ps(near, _mm512_mul_ps(first, scale), total);
                total = _mm512_fmadd_ps(far, _mm512_mul_ps(second, scale), total);
            } else {
                total = _mm512_fmadd_ps(integer_sum(values, x, x->start, 0, 8), _mm512_mul_ps(first, scale), total);
                if (p.has_offset) total = _mm512_fmadd_ps(second, _mm512_set1_ps(x->sum), total);
            }
        }
    }
    return total;
}

#define KERNEL(name, id, ...)                                                                                          \
    VNNI static void name##_tiles(const tk_vectors *v, const tk_matvec_part *part, size_t begin, size_t end) {         \
        const packing p = {__VA_ARGS__};                                                                               \
        const size_t blocks = v->k / p.count, tile_bytes = blocks * block_bytes(p);                                    \
        for (size_t tile = begin; tile < end; tile++) {                                                                \
            const size_t row = ROWS * tile, rows = part->n - row < ROWS ? part->n - row : ROWS;                        \
            const __mmask16 chosen = (__mmask16)((1u << rows) - 1);                                                    \
            const __m512 bias = part->bias ? _mm512_maskz_loadu_ps(chosen, part->bias + row) : _mm512_setzero_ps();    \
            for (size_t i = 0; i < v->m; i++) {                                                                        \
                const input_run *x = (const input_run *)v->x + i * (v->k / RUN);                                       \
                const __m512 product = tile_product((const uint8_t *)part->w + tile * tile_bytes, x, blocks, p);       \
                _mm512_mask_storeu_ps(part->y + i * part->n + row, chosen, _mm512_add_ps(product, bias));              \
            }                                                                                                          \
        }                                                                                                              \
    }
PACKINGS(KERNEL)

static tk_block_format format_of(tk_row_type type) { return (tk_block_format)(type - TK_ROWS_PACKED); }

void tk_split_inputs(float *out, const float *x, size_t count, tk_row_type type) {
    split_inputs((input_run *)out, x, count / RUN, packing_of(format_of(type)).bias);
}

tk_row_kernel tk_packed_row_kernel(tk_row_type type) {
    tk_part_body body = 0;
    switch (format_of(type)) {
#define BODY(name, id, ...) case id: body = name##_tiles; break;
        PACKINGS(BODY)
    }
    return (tk_row_kernel){body, ROWS, 1};
}
#else
bool tk_has_packed_rows(void) { return false; }

size_t tk_split_scratch(size_t count) {
    (void)count;
    return 0;
}

void tk_split_inputs(float *out, const float *x, size_t count, tk_row_type type) { (void)out, (void)x, (void)count, (void)type; }

tk_row_kernel tk_packed_row_kernel(tk_row_type type) {
    (void)type;
    return (tk_row_kernel){0, ROWS, 1};
}
#endif
