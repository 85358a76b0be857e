// Calls into libpng and libjpeg, and the resampling kernel. Both libraries report errors with longjmp, which must not
// cross a Swift frame: every setjmp lives in this target, and callers see a status and a message.
#pragma once
#include <stddef.h>
#include <stdint.h>

typedef enum {
    TK_CODEC_OK = 0,
    TK_CODEC_CORRUPT,      // the bytes break the format; `message` says how
    TK_CODEC_TOO_LARGE,    // width and height are set and exceed the limits
    TK_CODEC_UNSUPPORTED,  // a valid file of a kind that is not read; `message` names the kind
    TK_CODEC_OUT_OF_MEMORY,
} tk_codec_status;

typedef struct {
    uint32_t width, height;  // largest allowed size
    uint64_t pixels;         // largest allowed width * height
    uint32_t scans;          // progressive JPEG scans
    uint32_t chunks;         // ancillary PNG chunks kept
    size_t chunk_bytes;      // bytes of one ancillary PNG chunk, after inflating
    size_t working_bytes;    // libjpeg's coefficient buffers
} tk_codec_limits;

typedef struct {
    uint32_t width, height;
    char message[256];  // the library's words, NUL-terminated, empty when the status is OK
} tk_codec_report;

// A text chunk or a marker's payload. Lives as long as the reader that returned it and the bytes it reads.
typedef struct {
    const char *keyword;  // NUL-terminated Latin-1 (PNG only, else NULL)
    const uint8_t *bytes;
    size_t count;
    int kind;  // PNG: 0 Latin-1 (tEXt, zTXt), 1 UTF-8 (iTXt). JPEG: the marker code (0xFE comment, 0xE1 EXIF).
} tk_codec_text;

typedef struct {
    uint8_t *bytes;
    size_t count, capacity;
} tk_codec_buffer;

void tk_codec_buffer_free(tk_codec_buffer *buffer);

// Readers. `bytes` must outlive the reader. `open` reads up to the first pixel and checks the size against the limits
// before anything of that size is allocated; it returns NULL and fills the report on failure. `decode` writes
// width * height * 3 bytes, alpha composed over white, and reads to the end of the file. Close in every case.
typedef struct tk_png_reader tk_png_reader;
tk_png_reader *tk_png_open(const uint8_t *bytes, size_t count, const tk_codec_limits *limits,
                           tk_codec_status *status, tk_codec_report *report);
tk_codec_status tk_png_decode(tk_png_reader *reader, uint8_t *rgb, tk_codec_report *report);
size_t tk_png_text_count(const tk_png_reader *reader);  // complete after decode
tk_codec_text tk_png_text(const tk_png_reader *reader, size_t index);
void tk_png_close(tk_png_reader *reader);

typedef struct tk_jpeg_reader tk_jpeg_reader;
tk_jpeg_reader *tk_jpeg_open(const uint8_t *bytes, size_t count, const tk_codec_limits *limits,
                             tk_codec_status *status, tk_codec_report *report);
tk_codec_status tk_jpeg_decode(tk_jpeg_reader *reader, uint8_t *rgb, tk_codec_report *report);
size_t tk_jpeg_marker_count(const tk_jpeg_reader *reader);  // comments and EXIF segments; at most 64, more are an error
tk_codec_text tk_jpeg_marker(const tk_jpeg_reader *reader, size_t index);
void tk_jpeg_close(tk_jpeg_reader *reader);

// Writers. rgb: (height, width, 3). The bytes depend on the arguments and the library versions only.
// On failure `out` is empty. Free it with tk_codec_buffer_free.
tk_codec_status tk_png_write(tk_codec_buffer *out, const uint8_t *rgb, uint32_t width, uint32_t height,
                             const tk_codec_text *texts, size_t text_count, tk_codec_report *report);
tk_codec_status tk_jpeg_write(tk_codec_buffer *out, const uint8_t *rgb, uint32_t width, uint32_t height, int quality,
                              int full_chroma, const tk_codec_text *markers, size_t marker_count,
                              tk_codec_report *report);

// Resampling along one axis: out[i] = sum over t of weights[i * taps + t] * x[first[i] + t], for three channels.
// rows_f32: x (height, width, 3) bytes -> out (height, out_width, 3) floats.
// columns_u8: x (height, row) floats -> out (out_height, row) bytes, rounded and clamped; row = width * 3.
void tk_resample_rows_f32(float *restrict out, const uint8_t *restrict x, const int32_t *restrict first,
                          const float *restrict weights, size_t taps, size_t height, size_t width, size_t out_width);
void tk_resample_columns_u8(uint8_t *restrict out, const float *restrict x, const int32_t *restrict first,
                            const float *restrict weights, size_t taps, size_t out_height, size_t row);
