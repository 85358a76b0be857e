// Products of a few vectors with a matrix: every weight is read once, so memory sets the pace.
#include "include/tk_matvec.h"

#include "half_math.h"

// Rows are read eight at a time: a processor fetches ahead within a page of memory alone, so that a single row, which
// ends soon after it has begun, leaves it waiting. The next eight rows are fetched while these are multiplied.
enum { GRAIN = 16, TILE = 8, LANES = 16 };

typedef float lanes __attribute__((vector_size(64), aligned(4)));

typedef struct matvec_context {
    float *y;
    const float *x, *bias;
    const void *w;
    size_t m, n, k;
} matvec_context;

typedef uint32_t words __attribute__((vector_size(64), aligned(4)));
typedef uint16_t halves __attribute__((vector_size(32), aligned(2)));

TK_INLINE void load_f32(lanes *out, const float *w) { memcpy(out, w, sizeof *out); }

TK_INLINE void load_words(words *out, const uint16_t *w) {
    halves narrow;
    memcpy(&narrow, w, sizeof narrow);
    *out = __builtin_convertvector(narrow, words);
}

TK_INLINE void load_bf16(lanes *out, const uint16_t *w) {
    words bits;
    load_words(&bits, w);
    *out = (lanes)(bits << 16);
}

// tk_widen_f16, sixteen at a time.
TK_INLINE void load_f16(lanes *out, const uint16_t *w) {
    words bits;
    load_words(&bits, w);
    const words magnitude = (bits & 0x7fff) << 13, special = (words)(magnitude >= 0x0f800000);
    const words scaled = (words)((lanes)magnitude * 0x1p112f);
    *out = (lanes)(((bits & 0x8000) << 16) | (special & (magnitude | 0x7f800000)) | (~special & scaled));
}

#define FOLDED(V, ...) (__builtin_shufflevector(V, V, __VA_ARGS__))

// Halves are added until one number is left.
TK_INLINE float lane_sum(const lanes *total) {
    const lanes v = *total;
    typedef float four __attribute__((vector_size(16)));
    const four even = FOLDED(v, 0, 1, 2, 3) + FOLDED(v, 8, 9, 10, 11);
    const four odd = FOLDED(v, 4, 5, 6, 7) + FOLDED(v, 12, 13, 14, 15);
    const four sum = even + odd;
    return (sum[0] + sum[2]) + (sum[1] + sum[3]);
}

// Defines the product with weights of one type; LOAD makes floats of sixteen weights, WIDEN of one. A row's sum is the
// same alone and in a tile.
#define MATVEC(NAME, TYPE, LOAD, WIDEN)                                                                            \
    TK_INLINE void NAME##_tile(const matvec_context *c, size_t row, size_t rows) {                           \
        const TYPE *restrict w = (const TYPE *)c->w + row * c->k;                                            \
        for (size_t i = 0; i < c->m; i++) {                                                                  \
            const float *restrict x = c->x + i * c->k;                                                       \
            lanes total[TILE] = {{0}};                                                                       \
            size_t j = 0;                                                                                    \
            for (; j + LANES <= c->k; j += LANES) {                                                          \
                lanes factor;                                                                                \
                memcpy(&factor, x + j, sizeof factor);                                                       \
                for (size_t r = 0; r < rows; r++) {                                                          \
                    lanes weights;                                                                           \
                    __builtin_prefetch(w + (r + TILE) * c->k + j);                                           \
                    LOAD(&weights, w + r * c->k + j);                                                        \
                    total[r] += factor * weights;                                                            \
                }                                                                                            \
            }                                                                                                \
            for (size_t r = 0; r < rows; r++) {                                                              \
                float sum = lane_sum(&total[r]);                                                             \
                for (size_t l = j; l < c->k; l++) sum += x[l] * WIDEN(w[r * c->k + l]);                      \
                c->y[i * c->n + row + r] = c->bias ? sum + c->bias[row + r] : sum;                           \
            }                                                                                                \
        }                                                                                                    \
    }                                                                                                        \
    TK_KERNEL static void NAME##_body(void *context, size_t begin, size_t end, size_t thread) {              \
        const matvec_context *c = context;                                                                   \
        (void)thread;                                                                                        \
        size_t row = begin;                                                                                  \
        for (; row + TILE <= end; row += TILE) NAME##_tile(c, row, TILE);                                    \
        for (; row < end; row++) NAME##_tile(c, row, 1);                                                     \
    }                                                                                                        \
    void NAME(float *y, const float *x, const TYPE *w, const float *bias, size_t m, size_t n, size_t k) {    \
        matvec_context context = {y, x, bias, w, m, n, k};                                                   \
        tk_parallel_for(n, GRAIN, NAME##_body, &context);                                                    \
    }

MATVEC(tk_matvec_f32, float, load_f32, )
MATVEC(tk_matvec_f16, uint16_t, load_f16, tk_widen_f16)
MATVEC(tk_matvec_bf16, uint16_t, load_bf16, tk_widen_bf16)
