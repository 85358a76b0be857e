// Products of vectors with several matrices: the tiles of all parts stand in one line, from which threads take pieces. A
// thread that memory serves less well takes fewer.
#pragma once
#include <stdatomic.h>

#include "include/tk_matvec.h"
#include "parallel.h"

// m vectors of k numbers, in the form that the rows are multiplied with: floats, or what `tk_split_inputs` makes of them.
typedef struct tk_vectors {
    const void *x;
    size_t m, k;
} tk_vectors;

// A kernel's products of all vectors with tiles begin ..< end of one part.
typedef void (*tk_part_body)(const tk_vectors *vectors, const tk_matvec_part *part, size_t begin, size_t end);

// How rows of one type are multiplied: rows of a tile, and tiles of which a piece is a multiple.
typedef struct tk_row_kernel {
    tk_part_body body;
    size_t tile, grain;
} tk_row_kernel;

typedef struct tk_part_line {
    const tk_matvec_part *parts;
    tk_row_kernel kernel;
    size_t count, tiles, piece;
    atomic_size_t next;
} tk_part_line;

static inline size_t tk_part_tiles(const tk_part_line *line, size_t part) {
    return (line->parts[part].n + line->kernel.tile - 1) / line->kernel.tile;
}

// Puts the tiles of all parts in line for at most `threads` members of a team; returns for how many there is work.
static inline size_t tk_line_up(tk_part_line *line, const tk_matvec_part *parts, size_t count, tk_row_kernel kernel,
                                size_t threads) {
    enum { PIECES = 8 };  // of a thread
    *line = (tk_part_line){.parts = parts, .kernel = kernel, .count = count};
    for (size_t part = 0; part < count; part++) line->tiles += tk_part_tiles(line, part);
    const size_t most = (line->tiles + kernel.grain - 1) / kernel.grain;
    const size_t members = threads < most ? threads : most;
    const size_t pieces = members > 1 ? PIECES * members : 1;
    line->piece = (most + pieces - 1) / pieces * kernel.grain;
    return members;
}

static inline void tk_part_range(const tk_part_line *line, const tk_vectors *vectors, size_t begin, size_t end) {
    size_t start = 0;
    for (size_t part = 0; part < line->count && start < end; part++) {
        const size_t stop = start + tk_part_tiles(line, part);
        const size_t from = begin > start ? begin : start, to = end < stop ? end : stop;
        if (from < to) line->kernel.body(vectors, &line->parts[part], from - start, to - start);
        start = stop;
    }
}

// What one member of a team does: takes pieces until none is left.
static inline void tk_take_pieces(tk_part_line *line, const tk_vectors *vectors) {
    for (;;) {
        const size_t start = atomic_fetch_add_explicit(&line->next, line->piece, memory_order_relaxed);
        if (start >= line->tiles) return;
        const size_t rest = line->tiles - start;
        tk_part_range(line, vectors, start, start + (rest < line->piece ? rest : line->piece));
    }
}

// How rows of a type are multiplied; the second for packed ones.
tk_row_kernel tk_row_kernel_of(tk_row_type type);
tk_row_kernel tk_packed_row_kernel(tk_row_type type);

// What packed rows are multiplied with, made of `count` inputs: a multiple of 32. `tk_split_scratch` is its size in floats.
void tk_split_inputs(float *out, const float *x, size_t count, tk_row_type type);
size_t tk_split_scratch(size_t count);
