// Products of a few vectors with a matrix: every weight is read once, so memory sets the pace.
#include "include/tk_matvec.h"

#include "half_math.h"
#include "lanes.h"
#include "matvec_parts.h"

// Rows are read eight at a time: a processor fetches ahead within a page of memory alone, so that a single row, which
// ends soon after it has begun, leaves it waiting. The next eight rows are fetched while these are multiplied.
enum { GRAIN = 16, TILE = 8 };

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
#define MATVEC(NAME, TYPE, LOAD, WIDEN)                                                                                \
    TK_INLINE void NAME##_tile(const tk_vectors *v, const tk_matvec_part *part, size_t row, size_t rows) {             \
        const TYPE *restrict w = (const TYPE *)part->w + row * v->k;                                                   \
        for (size_t i = 0; i < v->m; i++) {                                                                            \
            const float *restrict x = (const float *)v->x + i * v->k;                                                  \
            lanes total[TILE] = {{0}};                                                                                 \
            size_t j = 0;                                                                                              \
            for (; j + LANES <= v->k; j += LANES) {                                                                    \
                lanes factor;                                                                                          \
                load_lanes(&factor, x + j);                                                                            \
                for (size_t r = 0; r < rows; r++) {                                                                    \
                    lanes weights;                                                                                     \
                    __builtin_prefetch(w + (r + TILE) * v->k + j);                                                     \
                    LOAD(&weights, w + r * v->k + j);                                                                  \
                    total[r] += factor * weights;                                                                      \
                }                                                                                                      \
            }                                                                                                          \
            for (size_t r = 0; r < rows; r++) {                                                                        \
                float sum = lane_sum(&total[r]);                                                                       \
                for (size_t l = j; l < v->k; l++) sum += x[l] * WIDEN(w[r * v->k + l]);                                \
                part->y[i * part->n + row + r] = part->bias ? sum + part->bias[row + r] : sum;                         \
            }                                                                                                          \
        }                                                                                                              \
    }                                                                                                                  \
    TK_KERNEL static void NAME##_rows(const tk_vectors *v, const tk_matvec_part *part, size_t begin, size_t end) {     \
        size_t row = begin;                                                                                            \
        for (; row + TILE <= end; row += TILE) NAME##_tile(v, part, row, TILE);                                        \
        for (; row < end; row++) NAME##_tile(v, part, row, 1);                                                         \
    }

MATVEC(f32, float, load_lanes, )
MATVEC(f16, uint16_t, load_f16, tk_widen_f16)
MATVEC(bf16, uint16_t, load_bf16, tk_widen_bf16)

tk_row_kernel tk_row_kernel_of(tk_row_type type) {
    switch (type) {
        case TK_ROWS_F32: return (tk_row_kernel){f32_rows, 1, GRAIN};
        case TK_ROWS_F16: return (tk_row_kernel){f16_rows, 1, GRAIN};
        case TK_ROWS_BF16: return (tk_row_kernel){bf16_rows, 1, GRAIN};
        default: return tk_packed_row_kernel(type);
    }
}

typedef struct matvec_context {
    tk_part_line line;
    tk_vectors vectors;
} matvec_context;

static void matvec_member(void *context, size_t begin, size_t end, size_t thread) {
    matvec_context *c = context;
    (void)begin, (void)end, (void)thread;
    tk_take_pieces(&c->line, &c->vectors);
}

size_t tk_matvec_scratch(tk_row_type type, size_t m, size_t k) { return type < TK_ROWS_PACKED ? 0 : tk_split_scratch(m * k); }

void tk_matvec(const tk_matvec_part *parts, size_t count, tk_row_type type, const float *x, size_t m, size_t k,
               float *scratch) {
    matvec_context context = {.vectors = {x, m, k}};
    if (type >= TK_ROWS_PACKED) {
        tk_split_inputs(scratch, x, m * k, type);
        context.vectors.x = scratch;
    }
    const size_t members =
        tk_line_up(&context.line, parts, count, tk_row_kernel_of(type), (size_t)omp_get_max_threads());
    tk_parallel_for(members, 1, matvec_member, &context);
}
