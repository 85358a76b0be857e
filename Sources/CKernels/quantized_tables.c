// Products with weights of four bits where a register holds sixteen numbers: a block's sixteen values are a table,
//
//     table[q] = scale * q + offset,
//
// from which one instruction takes sixteen weights. No weight is widened, shifted apart or scaled on its own.
#include "quantized_tables.h"

#if defined(__x86_64__) && defined(__linux__)
#include <immintrin.h>

#include "parallel.h"

#define TABLES __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,f16c,fma")))

typedef struct tables_context {
    float *y;
    const float *x, *bias;
    const uint8_t *w;
    size_t m, n, k;
} tables_context;

#define CODES _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)

// Low and high halves of `bytes` index a table each; two sums go on.
#define ADD_BYTES(BYTES, LOW, HIGH, X, X_HIGH)                                                              \
    do {                                                                                                    \
        const __m512i index = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(BYTES)));              \
        const __m512 near = _mm512_permutexvar_ps(index, LOW);                                              \
        const __m512 far = _mm512_permutexvar_ps(_mm512_srli_epi32(index, 4), HIGH);                        \
        first = _mm512_fmadd_ps(near, _mm512_loadu_ps(X), first);                                           \
        second = _mm512_fmadd_ps(far, _mm512_loadu_ps(X_HIGH), second);                                     \
    } while (0)

// The two halves of a block's first four bytes, as floats in turn: scale, offset, scale, offset...
#define HALVES(BLOCK) _mm512_cvtph_ps(_mm256_set1_epi32(word_at(BLOCK)))

TK_INLINE int word_at(const uint8_t *bytes) {
    int word;
    __builtin_memcpy(&word, bytes, sizeof word);
    return word;
}

// Defines the product of one format; BODY adds the part of the block at `b`, whose inputs begin at `x`.
#define KERNEL(NAME, COUNT, BYTES, BODY)                                                                    \
    TABLES static void NAME(void *context, size_t begin, size_t end, size_t thread) {                       \
        const tables_context *c = context;                                                                  \
        (void)thread;                                                                                       \
        const __m512 codes = CODES;                                                                         \
        const size_t blocks = c->k / (COUNT);                                                               \
        for (size_t row = begin; row < end; row++) {                                                        \
            for (size_t i = 0; i < c->m; i++) {                                                             \
                const uint8_t *b = c->w + row * blocks * (BYTES);                                           \
                const float *x = c->x + i * c->k;                                                           \
                __m512 first = _mm512_setzero_ps(), second = _mm512_setzero_ps();                           \
                for (size_t block = 0; block < blocks; block++, b += (BYTES), x += (COUNT)) BODY            \
                const float sum = _mm512_reduce_add_ps(_mm512_add_ps(first, second));                       \
                c->y[i * c->n + row] = c->bias ? sum + c->bias[row] : sum;                                  \
            }                                                                                               \
        }                                                                                                   \
    }

KERNEL(body_q4_0, 32, 18, {
    const __m512 scale = _mm512_broadcastss_ps(_mm_cvtph_ps(_mm_cvtsi32_si128(word_at(b))));
    const __m512 table = _mm512_mul_ps(_mm512_sub_ps(codes, _mm512_set1_ps(8)), scale);
    ADD_BYTES(b + 2, table, table, x, x + 16);
})

KERNEL(body_q4_1, 32, 20, {
    const __m512 halves = HALVES(b);
    const __m512 table = _mm512_fmadd_ps(codes, _mm512_moveldup_ps(halves), _mm512_movehdup_ps(halves));
    ADD_BYTES(b + 4, table, table, x, x + 16);
})

// One number of a vector in all places.
#define SPREAD(V, AT) _mm512_permutexvar_ps(_mm512_set1_epi32(AT), V)

// Eight runs of 32: six-bit scales and minima times two halves, scale[run] q - minimum[run]. The runs of a pair are the
// low and the high halves of the same 32 bytes.
KERNEL(body_q4_k, 256, 144, {
    const __m512 halves = HALVES(b);
    uint32_t words[3];
    __builtin_memcpy(words, b + 4, sizeof words);
    const uint32_t low_scales = words[0] & 0x3f3f3f3f;
    const uint32_t high_scales = (words[2] & 0x0f0f0f0f) | (words[0] >> 2 & 0x30303030);
    const uint32_t low_minima = words[1] & 0x3f3f3f3f;
    const uint32_t high_minima = (words[2] >> 4 & 0x0f0f0f0f) | (words[1] >> 2 & 0x30303030);
    // Scales in the even places and minima in the odd ones, as the halves lie.
    const __m128i scales = _mm_set_epi64x(0, (long long)((uint64_t)high_scales << 32 | low_scales));
    const __m128i minima = _mm_set_epi64x(0, (long long)((uint64_t)high_minima << 32 | low_minima));
    const __m512 six = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_unpacklo_epi8(scales, minima)));
    const __m512 both = _mm512_mul_ps(halves, six);
    for (int pair = 0; pair < 4; pair++) {
        const int at = 4 * pair;
        const __m512 low = _mm512_fmsub_ps(codes, SPREAD(both, at), SPREAD(both, at + 1));
        const __m512 high = _mm512_fmsub_ps(codes, SPREAD(both, at + 2), SPREAD(both, at + 3));
        const uint8_t *bytes = b + 16 + 32 * pair;
        ADD_BYTES(bytes, low, high, x + 64 * pair, x + 64 * pair + 32);
        ADD_BYTES(bytes + 16, low, high, x + 64 * pair + 16, x + 64 * pair + 48);
    }
})

static tk_body body(tk_block_format format) {
    switch (format) {
    case TK_Q4_0: return body_q4_0;
    case TK_Q4_1: return body_q4_1;
    case TK_Q4_K: return body_q4_k;
    default: return 0;
    }
}

bool tk_matvec_tables(float *y, const float *x, const void *w, const float *bias, tk_block_format format, size_t m,
                      size_t n, size_t k) {
    __builtin_cpu_init();
    const tk_body chosen = __builtin_cpu_supports("x86-64-v4") ? body(format) : 0;
    if (!chosen) return false;
    tables_context context = {y, x, bias, w, m, n, k};
    tk_parallel_for(n, 16, chosen, &context);
    return true;
}
#else
bool tk_matvec_tables(float *y, const float *x, const void *w, const float *bias, tk_block_format format, size_t m,
                      size_t n, size_t k) {
    (void)y, (void)x, (void)w, (void)bias, (void)format, (void)m, (void)n, (void)k;
    return false;
}
#endif
