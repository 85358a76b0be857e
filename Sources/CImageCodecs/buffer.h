// The growing byte buffer behind both writers, and the size check behind both readers.
#pragma once
#include "CImageCodecs.h"

// Returns 0 when memory runs out; the buffer is then unchanged.
int tk_codec_buffer_append(tk_codec_buffer *buffer, const uint8_t *bytes, size_t count);

static inline int tk_codec_fits(const tk_codec_limits *limits, uint32_t width, uint32_t height) {
    return width <= limits->width && height <= limits->height && (uint64_t)width * height <= limits->pixels;
}
