// Tile registers of x86's advanced matrix extensions, and the target of functions that use them or bfloat16 dot products.
#pragma once
#if defined(__x86_64__) && defined(__linux__)
#define TK_HAS_AMX_CODE 1
#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

// Functions that use tiles where the processor has them; whatever they call inline needs no more than this.
#define TK_AMX __attribute__((target("amx-tile,amx-bf16,avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,fma,bmi2")))

// All eight tiles as 16 rows of 64 bytes.
typedef struct tk_tile_configuration {
    uint8_t palette, start_row, reserved[14];
    uint16_t columns[16];
    uint8_t rows[16];
} tk_tile_configuration;

TK_AMX static inline void tk_configure_tiles(bool has_tiles) {
    if (!has_tiles) return;
    tk_tile_configuration configuration;
    memset(&configuration, 0, sizeof configuration);
    configuration.palette = 1;
    for (int tile = 0; tile < 8; tile++) {
        configuration.columns[tile] = 64;
        configuration.rows[tile] = 16;
    }
    _tile_loadconfig(&configuration);
}

TK_AMX static inline void tk_release_tiles(bool has_tiles) {
    if (has_tiles) _tile_release();
}
#endif
