// A token's way through a decoder is some hundred short steps, of which a region of its own for each would cost more than
// the step. Here the team stays together for all layers and waits for each other where a step reads what others made.
// Short steps are done by every thread for itself.
#include "include/tk_decoder.h"

#include <sched.h>
#include <string.h>

#include "include/tk_gated.h"
#include "include/tk_norm.h"
#include "include/tk_rotary.h"
#include "matvec_parts.h"

// ROUND: floats of two cache lines, so that no thread writes into another's. PATIENCE: turns of waiting, some ten
// microseconds, after which others may run; at once where there are more members than processors. PIECE: a length that is
// done by one thread.
enum { MATRICES = TK_DECODER_MATRICES, ROUND = 32, PATIENCE = 256, PIECE = 4096 };

int omp_get_num_procs(void);

typedef struct meeting {
    atomic_size_t arrived, round;
} meeting;

typedef struct decoding {
    const float *x;
    float *out;
    const tk_decoder_layer *layers;
    const tk_decoder_shape *shape;
    meeting *meeting;
    // For each layer: what is to be multiplied, and how far the team is with it.
    tk_matvec_part (*parts)[MATRICES];
    tk_part_line (*lines)[MATRICES];
    // Made by all: queries, keys and values; what attention read; what the layer adds; gate and up.
    float *projected, *read, *added, *inner;
    float *scores, *own;
} decoding;

// What a thread has for itself.
typedef struct member {
    const decoding *shared;
    size_t thread, members, patience;
    float *h, *normed, *queries, *activated, *split;
} member;

// Returns when all members have come. The last one lets the others go; who waits long lets others run.
static void meet(const member *m) {
    meeting *place = m->shared->meeting;
    const size_t round = atomic_load_explicit(&place->round, memory_order_acquire);
    if (atomic_fetch_add_explicit(&place->arrived, 1, memory_order_acq_rel) + 1 == m->members) {
        atomic_store_explicit(&place->arrived, 0, memory_order_relaxed);
        atomic_store_explicit(&place->round, round + 1, memory_order_release);
        return;
    }
    for (size_t waits = 0; atomic_load_explicit(&place->round, memory_order_acquire) == round; waits++) {
        if (waits >= m->patience) sched_yield();
#if defined(__x86_64__)
        __builtin_ia32_pause();
#endif
    }
}

// This member's share of the products of x with the matrices first ... last of a layer.
static void multiply(const member *m, size_t layer, size_t first, size_t last, const float *x, size_t k) {
    tk_row_type split = TK_ROWS_F32;
    const tk_rows *rows = m->shared->layers[layer].rows;
    for (size_t i = first; i <= last; i++) {
        const tk_row_type type = rows[i].type;
        const bool is_packed = type >= TK_ROWS_PACKED;
        if (is_packed && type != split) tk_split_inputs(m->split, x, k, type);
        if (is_packed) split = type;
        const tk_vectors vectors = {is_packed ? m->split : x, 1, k};
        tk_take_pieces(&m->shared->lines[layer][i], &vectors);
    }
}

TK_KERNEL static void add(float *restrict h, const float *restrict y, size_t n) {
    TK_SIMD for (size_t i = 0; i < n; i++) h[i] += y[i];
}

// Turns the queries for this member, and the keys for all, into the cache.
static void turn(const member *m, const tk_decoder_layer *layer) {
    const tk_decoder_shape *s = m->shared->shape;
    const size_t d = s->head_dimension, keys = s->key_heads * d;
    const float *projected = m->shared->projected;
    tk_rotary_shape shape = {.batch = 1, .tokens = 1, .heads = s->heads, .head_dimension = d, .pairs = s->pairs,
                             .x_h = (ptrdiff_t)d};
    tk_rotary_f32(m->queries, projected, s->cosines, s->sines, &shape);
    if (m->thread > 0) return;
    projected += s->heads * d;
    shape.heads = s->key_heads;
    tk_rotary_f32(layer->cached_keys + (s->tokens - 1) * keys, projected, s->cosines, s->sines, &shape);
    memcpy(layer->cached_values + (s->tokens - 1) * keys, projected + keys, keys * sizeof(float));
}

static void attend(const member *m, const tk_decoder_layer *layer) {
    const tk_decoder_shape *s = m->shared->shape;
    const size_t share = s->heads / m->members, rest = s->heads % m->members;
    const size_t first = m->thread * share + (m->thread < rest ? m->thread : rest);
    const ptrdiff_t d = (ptrdiff_t)s->head_dimension, token = (ptrdiff_t)s->key_heads * d;
    const tk_attention_step_shape shape = {
        .batch = 1, .heads = s->heads, .key_heads = s->key_heads, .keys = s->tokens, .head_dimension = s->head_dimension,
        .scale = s->scale, .q_h = d, .k_t = token, .k_h = d, .v_t = token, .v_h = d,
    };
    tk_attention_step_heads_f32(m->shared->read, NULL, m->queries, layer->cached_keys, layer->cached_values, &shape, first,
                                share + (m->thread < rest ? 1 : 0), m->thread, m->shared->scores);
}

static void run_layer(const member *m, size_t index) {
    const decoding *c = m->shared;
    const tk_decoder_shape *s = c->shape;
    const tk_decoder_layer *layer = &c->layers[index];
    tk_rmsnorm_forward_f32(m->normed, NULL, m->h, layer->norm1, 1, s->width, s->epsilon);
    multiply(m, index, TK_QUERIES, TK_VALUES, m->normed, s->width);
    meet(m);
    turn(m, layer);
    meet(m);
    attend(m, layer);
    meet(m);
    multiply(m, index, TK_OUTPUT, TK_OUTPUT, c->read, s->heads * s->head_dimension);
    meet(m);
    add(m->h, c->added, s->width);
    tk_rmsnorm_forward_f32(m->normed, NULL, m->h, layer->norm2, 1, s->width, s->epsilon);
    multiply(m, index, TK_GATE, TK_UP, m->normed, s->width);
    meet(m);
    for (size_t i = 0; i < s->inner; i += PIECE) {
        const size_t count = s->inner - i < PIECE ? s->inner - i : PIECE;
        tk_swiglu_forward_f32(m->activated + i, c->inner + i, c->inner + s->inner + i, count);
    }
    multiply(m, index, TK_DOWN, TK_DOWN, m->activated, s->inner);
    meet(m);
    add(m->h, c->added, s->width);
}

static size_t rounded(size_t floats) { return (floats + ROUND - 1) / ROUND * ROUND; }

static size_t longest_input(const tk_decoder_shape *s) {
    const size_t read = s->heads * s->head_dimension, longer = s->width > read ? s->width : read;
    return longer > s->inner ? longer : s->inner;
}

static size_t own_size(const tk_decoder_shape *s) {
    return 2 * rounded(s->width) + rounded(s->heads * s->head_dimension) + rounded(s->inner) +
           rounded(tk_split_scratch(longest_input(s)));
}

static size_t projected_size(const tk_decoder_shape *s) { return (s->heads + 2 * s->key_heads) * s->head_dimension; }

static size_t scores_size(const tk_decoder_shape *s) {
    const tk_attention_step_shape shape = {.keys = s->tokens};
    return tk_attention_step_scratch(&shape);
}

static void run_member(void *data) {
    const decoding *c = data;
    const tk_decoder_shape *s = c->shape;
    member m = {.shared = c, .thread = (size_t)omp_get_thread_num(), .members = (size_t)omp_get_num_threads()};
    m.patience = m.members > (size_t)omp_get_num_procs() ? 0 : PATIENCE;
    float *own = c->own + m.thread * own_size(s);
    m.h = own;
    m.normed = m.h + rounded(s->width);
    m.queries = m.normed + rounded(s->width);
    m.activated = m.queries + rounded(s->heads * s->head_dimension);
    m.split = m.activated + rounded(s->inner);
    memcpy(m.h, c->x, s->width * sizeof(float));
    for (size_t layer = 0; layer < s->layers; layer++) run_layer(&m, layer);
    if (m.thread == 0) memcpy(c->out, m.h, s->width * sizeof(float));
}

size_t tk_decoder_scratch(const tk_decoder_shape *s) {
    const size_t lines = s->layers * MATRICES * (sizeof(tk_part_line) + sizeof(tk_matvec_part)) + sizeof(meeting);
    return rounded(lines / sizeof(float) + ROUND) + rounded(projected_size(s)) +
           rounded(s->heads * s->head_dimension) + rounded(s->width) + rounded(2 * s->inner) + rounded(scores_size(s)) +
           (size_t)omp_get_max_threads() * own_size(s);
}

void tk_decoder_layers_f32(float *out, const float *x, const tk_decoder_layer *layers, const tk_decoder_shape *shape,
                           float *scratch) {
    const tk_decoder_shape *s = shape;
    const size_t threads = (size_t)omp_get_max_threads();
    decoding c = {.x = x, .out = out, .layers = layers, .shape = s};
    c.projected = scratch;
    c.read = c.projected + rounded(projected_size(s));
    c.added = c.read + rounded(s->heads * s->head_dimension);
    c.inner = c.added + rounded(s->width);
    c.scores = c.inner + rounded(2 * s->inner);
    c.own = c.scores + rounded(scores_size(s));
    c.lines = (void *)(c.own + threads * own_size(s));
    c.parts = (void *)(c.lines + s->layers);
    c.meeting = (void *)(c.parts + s->layers);
    *c.meeting = (meeting){0};
    float *const keys = c.projected + s->heads * s->head_dimension;
    float *const outputs[MATRICES] = {
        c.projected, keys, keys + s->key_heads * s->head_dimension, c.added, c.inner, c.inner + s->inner, c.added,
    };
    for (size_t layer = 0; layer < s->layers; layer++) {
        for (size_t i = 0; i < MATRICES; i++) {
            const tk_rows *rows = &layers[layer].rows[i];
            c.parts[layer][i] = (tk_matvec_part){outputs[i], rows->w, rows->bias, rows->n};
            tk_line_up(&c.lines[layer][i], &c.parts[layer][i], 1, tk_row_kernel_of(rows->type), threads);
        }
    }
    // The whole team is woken, whatever the work.
    if (threads > 1) {
        GOMP_parallel(run_member, &c, 0, 0);
    } else {
        run_member(&c);
    }
}
