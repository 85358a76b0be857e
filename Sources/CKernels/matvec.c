// Products of a few vectors with a matrix: every weight is read once, so memory sets the pace.
#include "include/tk_matvec.h"

#include "half_math.h"
#include "lanes.h"
#include "matvec_parts.h"

// Rows are read eight at a time: a processor fetches ahead within a page of memory alone, so that a single row, which
// ends soon after it has begun, leaves it waiting. The next eight rows are fetched while these are multiplied.
enum { GRAIN = 16, TILE = 8 };

typedef struct matvec_context {
    const float *x;
    size_t m, k;
} matvec_context;

typedef uint32_t words __attribute__((vector_size(64), aligned(4)));
typedef uint16_t halves __attribute__((vector_size(32), aligned(2)));

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

// Defines the product with weights of one type; LOAD makes floats of sixteen weights, WIDEN of one. A row's sum is the
// same alone and in a tile.
#define MATVEC(NAME, TYPE, LOAD, WIDEN)                                                                            \
    TK_INLINE void NAME##_tile(const matvec_context *c, const tk_matvec_part *part, size_t row, size_t rows) {     \
        const TYPE *restrict w = (const TYPE *)part->w + row * c->k;                                               \
        for (size_t i = 0; i < c->m; i++) {                                                                        \
            const float *restrict x = c->x + i * c->k;                                                             \
            lanes total[TILE] = {{0}};                                                                             \
            size_t j = 0;                                                                                          \
            for (; j + LANES <= c->k; j += LANES) {                                                                \
                lanes factor;                                                                                      \
                load_lanes(&factor, x + j);                                                                        \
                for (size_t r = 0; r < rows; r++) {                                                                \
                    lanes weights;                                                                                 \
                    __builtin_prefetch(w + (r + TILE) * c->k + j);                                                 \
                    LOAD(&weights, w + r * c->k + j);                                                              \
                    total[r] += factor * weights;                                                                  \
                }                                                                                                  \
            }                                                                                                      \
            for (size_t r = 0; r < rows; r++) {                                                                    \
                float sum = lane_sum(&total[r]);                                                                   \
                for (size_t l = j; l < c->k; l++) sum += x[l] * WIDEN(w[r * c->k + l]);                            \
                part->y[i * part->n + row + r] = part->bias ? sum + part->bias[row + r] : sum;                     \
            }                                                                                                      \
        }                                                                                                          \
    }                                                                                                              \
    TK_KERNEL static void NAME##_body(const void *context, const tk_matvec_part *part, size_t begin, size_t end) { \
        const matvec_context *c = context;                                                                         \
        size_t row = begin;                                                                                        \
        for (; row + TILE <= end; row += TILE) NAME##_tile(c, part, row, TILE);                                    \
        for (; row < end; row++) NAME##_tile(c, part, row, 1);                                                     \
    }                                                                                                              \
    void NAME(const tk_matvec_part *parts, size_t count, const float *x, size_t m, size_t k) {                     \
        const matvec_context context = {x, m, k};                                                                  \
        tk_parts_parallel(parts, count, 1, GRAIN, NAME##_body, &context);                                          \
    }

MATVEC(tk_matvec_f32, float, load_lanes, )
MATVEC(tk_matvec_f16, uint16_t, load_f16, tk_widen_f16)
MATVEC(tk_matvec_bf16, uint16_t, load_bf16, tk_widen_bf16)
