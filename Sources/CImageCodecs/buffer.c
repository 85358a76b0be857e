#include "buffer.h"
#include <stdlib.h>
#include <string.h>

int tk_codec_buffer_append(tk_codec_buffer *buffer, const uint8_t *bytes, size_t count) {
    if (count > buffer->capacity - buffer->count) {
        size_t capacity = buffer->capacity ? buffer->capacity : 1 << 16;
        while (capacity - buffer->count < count) {
            if (capacity > SIZE_MAX / 2) return 0;
            capacity *= 2;
        }
        uint8_t *grown = realloc(buffer->bytes, capacity);
        if (!grown) return 0;
        buffer->bytes = grown;
        buffer->capacity = capacity;
    }
    memcpy(buffer->bytes + buffer->count, bytes, count);
    buffer->count += count;
    return 1;
}

void tk_codec_buffer_free(tk_codec_buffer *buffer) {
    free(buffer->bytes);
    *buffer = (tk_codec_buffer){0};
}
