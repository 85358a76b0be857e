#include "buffer.h"
#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

struct tk_png_reader {
    png_structp png;
    png_infop info;
    const uint8_t *bytes;
    size_t count, position;
    uint32_t width, height;
    uint8_t *rgba;    // width * height * 4 while an image with alpha is decoded
    png_bytep *rows;  // row pointers while decoding
    tk_codec_report report;
};

static void png_fail(png_structp png, png_const_charp message) {
    tk_codec_report *report = png_get_error_ptr(png);
    strncpy(report->message, message, sizeof report->message - 1);
    png_longjmp(png, 1);
}

static void png_ignore(png_structp png, png_const_charp message) {
    (void)png;
    (void)message;
}

static void png_take(png_structp png, png_bytep out, size_t count) {
    tk_png_reader *reader = png_get_io_ptr(png);
    if (count > reader->count - reader->position) png_error(png, "the file ends early");
    memcpy(out, reader->bytes + reader->position, count);
    reader->position += count;
}

static uint32_t big_endian(const uint8_t *bytes) {
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

// Chunks that would not change an 8-bit RGB picture: skipped unread, so a faulty colour profile is no obstacle.
static const png_byte skipped_chunks[] =
    "bKGD\0cHRM\0eXIf\0gAMA\0hIST\0iCCP\0oFFs\0pCAL\0pHYs\0sBIT\0sCAL\0sPLT\0sTER\0sRGB\0tIME";

tk_png_reader *tk_png_open(const uint8_t *bytes, size_t count, const tk_codec_limits *limits,
                           tk_codec_status *status, tk_codec_report *report) {
    *report = (tk_codec_report){0};
    *status = TK_CODEC_CORRUPT;
    // The size first, from the fixed place of IHDR, so that a giant is refused before libpng sees it.
    if (count < 33 || memcmp(bytes + 12, "IHDR", 4) != 0) {
        strcpy(report->message, count < 33 ? "the file ends early" : "IHDR is not the first chunk");
        return NULL;
    }
    report->width = big_endian(bytes + 16);
    report->height = big_endian(bytes + 20);
    if (!tk_codec_fits(limits, report->width, report->height)) {
        *status = TK_CODEC_TOO_LARGE;
        return NULL;
    }
    tk_png_reader *reader = calloc(1, sizeof *reader);
    if (!reader) {
        *status = TK_CODEC_OUT_OF_MEMORY;
        return NULL;
    }
    reader->bytes = bytes;
    reader->count = count;
    reader->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &reader->report, png_fail, png_ignore);
    if (reader->png) reader->info = png_create_info_struct(reader->png);
    if (!reader->info) {
        *status = TK_CODEC_OUT_OF_MEMORY;
        tk_png_close(reader);
        return NULL;
    }
    if (setjmp(png_jmpbuf(reader->png))) {
        memcpy(report->message, reader->report.message, sizeof report->message);
        tk_png_close(reader);
        return NULL;
    }
    png_structp png = reader->png;
    png_set_read_fn(png, reader, png_take);
    png_set_crc_action(png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
    png_set_benign_errors(png, 0);
    png_set_user_limits(png, limits->width, limits->height);
    png_set_chunk_cache_max(png, limits->chunks);
    png_set_chunk_malloc_max(png, limits->chunk_bytes);
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, 0);
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, skipped_chunks, sizeof skipped_chunks / 5);
    png_read_info(png, reader->info);
    png_set_expand(png);
    png_set_scale_16(png);
    png_set_gray_to_rgb(png);
    png_set_interlace_handling(png);
    png_read_update_info(png, reader->info);
    reader->width = png_get_image_width(png, reader->info);
    reader->height = png_get_image_height(png, reader->info);
    *status = TK_CODEC_OK;
    return reader;
}

// out = color * alpha + white * (1 - alpha), rounded to nearest.
static void compose_over_white(uint8_t *restrict rgb, const uint8_t *restrict rgba, size_t pixels) {
    for (size_t i = 0; i < pixels; i++) {
        unsigned alpha = rgba[4 * i + 3];
        for (size_t c = 0; c < 3; c++)
            rgb[3 * i + c] = (uint8_t)((rgba[4 * i + c] * alpha + 255u * (255u - alpha) + 127u) / 255u);
    }
}

tk_codec_status tk_png_decode(tk_png_reader *reader, uint8_t *rgb, tk_codec_report *report) {
    *report = (tk_codec_report){.width = reader->width, .height = reader->height};
    size_t width = reader->width, height = reader->height;
    size_t row_bytes = png_get_rowbytes(reader->png, reader->info);
    if (row_bytes != width * 3 && row_bytes != width * 4) {
        strcpy(report->message, "an unexpected pixel layout");
        return TK_CODEC_UNSUPPORTED;
    }
    int alpha = row_bytes == width * 4;
    if (alpha) reader->rgba = malloc(row_bytes * height);
    reader->rows = malloc(height * sizeof *reader->rows);
    if (!reader->rows || (alpha && !reader->rgba)) return TK_CODEC_OUT_OF_MEMORY;
    uint8_t *first = alpha ? reader->rgba : rgb;
    for (size_t y = 0; y < height; y++) reader->rows[y] = first + y * row_bytes;
    if (setjmp(png_jmpbuf(reader->png))) {
        memcpy(report->message, reader->report.message, sizeof report->message);
        return TK_CODEC_CORRUPT;
    }
    png_read_image(reader->png, reader->rows);
    png_read_end(reader->png, reader->info);
    if (reader->rgba) compose_over_white(rgb, reader->rgba, width * height);
    return TK_CODEC_OK;
}

size_t tk_png_text_count(const tk_png_reader *reader) {
    png_textp texts;
    int count = 0;
    png_get_text(reader->png, reader->info, &texts, &count);
    return count > 0 ? (size_t)count : 0;
}

tk_codec_text tk_png_text(const tk_png_reader *reader, size_t index) {
    png_textp texts;
    int count = 0;
    png_get_text(reader->png, reader->info, &texts, &count);
    const png_text *text = &texts[index];
    int international = text->compression >= PNG_ITXT_COMPRESSION_NONE;
    return (tk_codec_text){.keyword = text->key,
                           .bytes = (const uint8_t *)text->text,
                           .count = international ? text->itxt_length : text->text_length,
                           .kind = international};
}

void tk_png_close(tk_png_reader *reader) {
    if (!reader) return;
    if (reader->png) png_destroy_read_struct(&reader->png, &reader->info, NULL);
    free(reader->rgba);
    free(reader->rows);
    free(reader);
}

static void png_give(png_structp png, png_bytep bytes, size_t count) {
    if (!tk_codec_buffer_append(png_get_io_ptr(png), bytes, count)) png_error(png, "out of memory");
}

static void png_flush_nothing(png_structp png) { (void)png; }

tk_codec_status tk_png_write(tk_codec_buffer *out, const uint8_t *rgb, uint32_t width, uint32_t height,
                             const tk_codec_text *texts, size_t text_count, tk_codec_report *report) {
    *out = (tk_codec_buffer){0};
    *report = (tk_codec_report){.width = width, .height = height};
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, report, png_fail, png_ignore);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    png_text *chunks = calloc(text_count ? text_count : 1, sizeof *chunks);
    if (!info || !chunks) {
        free(chunks);
        png_destroy_write_struct(&png, &info);
        return TK_CODEC_OUT_OF_MEMORY;
    }
    if (setjmp(png_jmpbuf(png))) {
        free(chunks);
        png_destroy_write_struct(&png, &info);
        tk_codec_buffer_free(out);
        return TK_CODEC_UNSUPPORTED;
    }
    png_set_write_fn(png, out, png_give, png_flush_nothing);
    png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    // Everything that shapes the compressed bytes is fixed here, so equal pictures make equal files.
    png_set_compression_level(png, 6);
    png_set_compression_mem_level(png, 8);
    png_set_compression_window_bits(png, 15);
    png_set_compression_strategy(png, 1);  // Z_FILTERED
    png_set_compression_buffer_size(png, 1 << 16);
    png_set_filter(png, PNG_FILTER_TYPE_BASE, PNG_ALL_FILTERS);
    png_set_IHDR(png, info, width, height, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    for (size_t i = 0; i < text_count; i++) {
        chunks[i].compression = texts[i].kind ? PNG_ITXT_COMPRESSION_NONE : PNG_TEXT_COMPRESSION_NONE;
        chunks[i].key = (png_charp)texts[i].keyword;
        chunks[i].text = (png_charp)texts[i].bytes;  // NUL-terminated by the caller
        *(texts[i].kind ? &chunks[i].itxt_length : &chunks[i].text_length) = texts[i].count;
    }
    png_set_text(png, info, chunks, (int)text_count);
    png_write_info(png, info);
    for (uint32_t y = 0; y < height; y++) png_write_row(png, rgb + (size_t)y * width * 3);
    png_write_end(png, info);
    free(chunks);
    png_destroy_write_struct(&png, &info);
    return TK_CODEC_OK;
}
