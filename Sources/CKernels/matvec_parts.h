// Products of vectors with several matrices: the tiles of all parts stand in one line, from which threads take pieces. A
// thread that memory serves less well takes fewer.
#pragma once
#include <stdatomic.h>

#include "include/tk_matvec.h"
#include "parallel.h"

// A kernel's products of all vectors with tiles begin ..< end of one part.
typedef void (*tk_part_body)(const void *context, const tk_matvec_part *part, size_t begin, size_t end);

typedef struct tk_part_line {
    const tk_matvec_part *parts;
    size_t count, tile, tiles, piece;
    tk_part_body body;
    const void *context;
    atomic_size_t next;
} tk_part_line;

static inline size_t tk_part_tiles(const tk_part_line *line, size_t part) {
    return (line->parts[part].n + line->tile - 1) / line->tile;
}

static inline void tk_part_range(const tk_part_line *line, size_t begin, size_t end) {
    size_t start = 0;
    for (size_t part = 0; part < line->count && start < end; part++) {
        const size_t stop = start + tk_part_tiles(line, part);
        const size_t from = begin > start ? begin : start, to = end < stop ? end : stop;
        if (from < to) line->body(line->context, &line->parts[part], from - start, to - start);
        start = stop;
    }
}

static void tk_part_member(void *context, size_t begin, size_t end, size_t thread) {
    tk_part_line *line = context;
    (void)begin, (void)end, (void)thread;
    for (;;) {
        const size_t start = atomic_fetch_add_explicit(&line->next, line->piece, memory_order_relaxed);
        if (start >= line->tiles) return;
        const size_t rest = line->tiles - start;
        tk_part_range(line, start, start + (rest < line->piece ? rest : line->piece));
    }
}

// tile: rows of a tile; grain: tiles of which a piece is a multiple.
static void tk_parts_parallel(const tk_matvec_part *parts, size_t count, size_t tile, size_t grain, tk_part_body body,
                              const void *context) {
    enum { PIECES = 8 };  // of a thread
    tk_part_line line = {.parts = parts, .count = count, .tile = tile, .body = body, .context = context};
    for (size_t part = 0; part < count; part++) line.tiles += tk_part_tiles(&line, part);
    const size_t most = (line.tiles + grain - 1) / grain, threads = (size_t)omp_get_max_threads();
    const size_t members = threads < most ? threads : most;
    const size_t pieces = members > 1 ? PIECES * members : 1;
    line.piece = (most + pieces - 1) / pieces * grain;
    tk_parallel_for(members, 1, tk_part_member, &line);
}
