// Products of vectors with several matrices: the rows of all parts stand in one line, which threads divide.
#pragma once
#include "include/tk_matvec.h"
#include "parallel.h"

// A kernel's products of all vectors with rows or tiles begin ..< end of one part.
typedef void (*tk_part_body)(const void *context, const tk_matvec_part *part, size_t begin, size_t end);

typedef struct tk_part_line {
    const tk_matvec_part *parts;
    size_t count, tile;  // rows of a tile
    tk_part_body body;
    const void *context;
} tk_part_line;

static inline size_t tk_part_tiles(const tk_part_line *line, size_t part) {
    return (line->parts[part].n + line->tile - 1) / line->tile;
}

static void tk_part_range(void *context, size_t begin, size_t end, size_t thread) {
    const tk_part_line *line = context;
    (void)thread;
    size_t start = 0;
    for (size_t part = 0; part < line->count && start < end; part++) {
        const size_t tiles = tk_part_tiles(line, part), stop = start + tiles;
        const size_t from = begin > start ? begin : start, to = end < stop ? end : stop;
        if (from < to) line->body(line->context, &line->parts[part], from - start, to - start);
        start = stop;
    }
}

static void tk_parts_parallel(const tk_matvec_part *parts, size_t count, size_t tile, size_t grain, tk_part_body body,
                              const void *context) {
    tk_part_line line = {parts, count, tile, body, context};
    size_t tiles = 0;
    for (size_t part = 0; part < count; part++) tiles += tk_part_tiles(&line, part);
    tk_parallel_for(tiles, grain, tk_part_range, &line);
}
