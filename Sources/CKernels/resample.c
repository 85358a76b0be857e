// Resizing of channels-last maps. Every item is one row of what is written, so backward passes gather instead of
// scattering and need no atomics.
#include "include/tk_resample.h"

#include <math.h>
#include <string.h>

#include "parallel.h"

enum { GRAIN = 8192 };

typedef struct resample_context {
    float *out;
    const float *x;
    size_t n, h, w, c;    // of the smaller side (upsampling) or of x
    size_t out_h, out_w;
    size_t kh, kw, sh, sw;
} resample_context;

TK_INLINE void add_scaled(float *restrict out, const float *restrict x, float scale, size_t n) {
    for (size_t i = 0; i < n; i++) out[i] += scale * x[i];
}

TK_INLINE void clear(float *out, size_t n) {
    for (size_t i = 0; i < n; i++) out[i] = 0.0f;
}

static size_t row_grain(size_t floats) {
    return GRAIN / (floats + 1) + 1;
}

// Items are rows of out: (n, h kh).
TK_KERNEL static void nearest_body(void *context, size_t begin, size_t end, size_t thread) {
    const resample_context *k = context;
    (void)thread;
    for (size_t row = begin; row < end; row++) {
        const float *restrict x = k->x + row / k->kh * k->w * k->c;
        float *restrict out = k->out + row * k->w * k->kw * k->c;
        for (size_t column = 0; column < k->w * k->kw; column++) {
            for (size_t i = 0; i < k->c; i++) out[column * k->c + i] = x[column / k->kw * k->c + i];
        }
    }
}

TK_KERNEL static void nearest_halves_body(void *context, size_t begin, size_t end, size_t thread) {
    const resample_context *k = context;
    (void)thread;
    const size_t bytes = k->c * sizeof(uint16_t);
    for (size_t row = begin; row < end; row++) {
        const char *x = (const char *)k->x + row / k->kh * k->w * bytes;
        char *out = (char *)k->out + row * k->w * k->kw * bytes;
        for (size_t column = 0; column < k->w * k->kw; column++) {
            memcpy(out + column * bytes, x + column / k->kw * bytes, bytes);
        }
    }
}

void tk_upsample_nearest_forward_halves(uint16_t *out, const uint16_t *x, size_t n, size_t h, size_t w, size_t c,
                                        size_t fh, size_t fw) {
    resample_context context = {
        .out = (float *)out, .x = (const float *)x, .n = n, .h = h, .w = w, .c = c, .kh = fh, .kw = fw,
    };
    tk_parallel_for(n * h * fh, row_grain(w * fw * c), nearest_halves_body, &context);
}

void tk_upsample_nearest_forward_f32(float *out, const float *x, size_t n, size_t h, size_t w, size_t c, size_t fh,
                                     size_t fw) {
    resample_context context = {.out = out, .x = x, .n = n, .h = h, .w = w, .c = c, .kh = fh, .kw = fw};
    tk_parallel_for(n * h * fh, row_grain(w * fw * c), nearest_body, &context);
}

// Items are rows of dx: (n, h).
TK_KERNEL static void nearest_backward_body(void *context, size_t begin, size_t end, size_t thread) {
    const resample_context *k = context;
    (void)thread;
    for (size_t row = begin; row < end; row++) {
        float *dx = k->out + row * k->w * k->c;
        clear(dx, k->w * k->c);
        for (size_t y = 0; y < k->kh; y++) {
            const float *dy = k->x + (row * k->kh + y) * k->w * k->kw * k->c;
            for (size_t column = 0; column < k->w * k->kw; column++) {
                add_scaled(dx + column / k->kw * k->c, dy + column * k->c, 1.0f, k->c);
            }
        }
    }
}

void tk_upsample_nearest_backward_f32(float *dx, const float *dy, size_t n, size_t h, size_t w, size_t c, size_t fh,
                                      size_t fw) {
    resample_context context = {.out = dx, .x = dy, .n = n, .h = h, .w = w, .c = c, .kh = fh, .kw = fw};
    tk_parallel_for(n * h, row_grain(w * fw * fh * c), nearest_backward_body, &context);
}

// The two source positions of one target position, and the share of the second.
typedef struct neighbours {
    size_t first, second;
    float share;
} neighbours;

TK_INLINE neighbours source(size_t position, size_t size, size_t out_size) {
    const float scale = (float)size / (float)out_size;
    float place = ((float)position + 0.5f) * scale - 0.5f;
    place = place < 0.0f ? 0.0f : place;
    neighbours at;
    at.first = (size_t)place < size - 1 ? (size_t)place : size - 1;
    at.second = at.first + 1 < size ? at.first + 1 : at.first;
    at.share = place - (float)at.first;
    return at;
}

// Items are rows of out: (n, out_h).
TK_KERNEL static void bilinear_body(void *context, size_t begin, size_t end, size_t thread) {
    const resample_context *k = context;
    (void)thread;
    const size_t c = k->c, line = k->w * c;
    for (size_t row = begin; row < end; row++) {
        const neighbours y = source(row % k->out_h, k->h, k->out_h);
        const float *image = k->x + row / k->out_h * k->h * line;
        const float *restrict top = image + y.first * line, *restrict bottom = image + y.second * line;
        for (size_t column = 0; column < k->out_w; column++) {
            const neighbours x = source(column, k->w, k->out_w);
            const size_t left = x.first * c, right = x.second * c;
            const float a = (1.0f - y.share) * (1.0f - x.share), b = (1.0f - y.share) * x.share;
            const float d = y.share * (1.0f - x.share), e = y.share * x.share;
            float *restrict out = k->out + (row * k->out_w + column) * c;
            for (size_t i = 0; i < c; i++) {
                out[i] = a * top[left + i] + b * top[right + i] + d * bottom[left + i] + e * bottom[right + i];
            }
        }
    }
}

void tk_resize_bilinear_forward_f32(float *out, const float *x, size_t n, size_t h, size_t w, size_t c, size_t out_h,
                                    size_t out_w) {
    resample_context context = {.out = out, .x = x, .n = n, .h = h, .w = w, .c = c, .out_h = out_h, .out_w = out_w};
    tk_parallel_for(n * out_h, row_grain(out_w * c), bilinear_body, &context);
}

// Items are rows of dx: (n, h). The rows of dy that may touch row y have their centre within one source row of it.
TK_KERNEL static void bilinear_backward_body(void *context, size_t begin, size_t end, size_t thread) {
    const resample_context *k = context;
    (void)thread;
    const size_t c = k->c;
    const float stretch = (float)k->out_h / (float)k->h;
    for (size_t row = begin; row < end; row++) {
        float *dx = k->out + row * k->w * c;
        clear(dx, k->w * c);
        const size_t y = row % k->h;
        const float low = y == 0 ? 0.0f : ((float)y - 0.5f) * stretch - 2.0f;
        const float high = ((float)y + 1.5f) * stretch + 2.0f;
        const size_t first = low > 0.0f ? (size_t)low : 0;
        const size_t last = y + 1 == k->h || high >= (float)k->out_h ? k->out_h : (size_t)high;
        for (size_t target = first; target < last; target++) {
            const neighbours at = source(target, k->h, k->out_h);
            const float weight = (at.first == y ? 1.0f - at.share : 0.0f) + (at.second == y ? at.share : 0.0f);
            if (weight == 0.0f) continue;
            const float *dy = k->x + (row / k->h * k->out_h + target) * k->out_w * c;
            for (size_t column = 0; column < k->out_w; column++) {
                const neighbours x = source(column, k->w, k->out_w);
                add_scaled(dx + x.first * c, dy + column * c, weight * (1.0f - x.share), c);
                add_scaled(dx + x.second * c, dy + column * c, weight * x.share, c);
            }
        }
    }
}

void tk_resize_bilinear_backward_f32(float *dx, const float *dy, size_t n, size_t h, size_t w, size_t c, size_t out_h,
                                     size_t out_w) {
    resample_context context = {.out = dx, .x = dy, .n = n, .h = h, .w = w, .c = c, .out_h = out_h, .out_w = out_w};
    tk_parallel_for(n * h, row_grain(w * c), bilinear_backward_body, &context);
}

// Items are rows of out: (n, out_h).
TK_KERNEL static void pool_body(void *context, size_t begin, size_t end, size_t thread) {
    const resample_context *k = context;
    (void)thread;
    const size_t c = k->c;
    const float share = 1.0f / (float)(k->kh * k->kw);
    for (size_t row = begin; row < end; row++) {
        const float *image = k->x + (row / k->out_h * k->h + row % k->out_h * k->sh) * k->w * c;
        for (size_t column = 0; column < k->out_w; column++) {
            float *out = k->out + (row * k->out_w + column) * c;
            clear(out, c);
            for (size_t y = 0; y < k->kh; y++) {
                for (size_t x = 0; x < k->kw; x++) {
                    add_scaled(out, image + (y * k->w + column * k->sw + x) * c, 1.0f, c);
                }
            }
            for (size_t i = 0; i < c; i++) out[i] *= share;
        }
    }
}

void tk_average_pool_forward_f32(float *out, const float *x, size_t n, size_t h, size_t w, size_t c, size_t kh,
                                 size_t kw, size_t sh, size_t sw) {
    if (h < kh || w < kw) return;
    resample_context context = {
        .out = out, .x = x, .n = n, .h = h, .w = w, .c = c, .out_h = (h - kh) / sh + 1, .out_w = (w - kw) / sw + 1,
        .kh = kh, .kw = kw, .sh = sh, .sw = sw,
    };
    tk_parallel_for(n * context.out_h, row_grain(kh * w * c), pool_body, &context);
}

// Items are rows of dx: (n, h). Row y lies in the windows whose first row is within kh - 1 above it.
TK_KERNEL static void pool_backward_body(void *context, size_t begin, size_t end, size_t thread) {
    const resample_context *k = context;
    (void)thread;
    const size_t c = k->c;
    const float share = 1.0f / (float)(k->kh * k->kw);
    for (size_t row = begin; row < end; row++) {
        float *dx = k->out + row * k->w * c;
        clear(dx, k->w * c);
        const size_t y = row % k->h;
        const size_t first = y + 1 > k->kh ? (y + 1 - k->kh + k->sh - 1) / k->sh : 0;
        for (size_t window = first; window < k->out_h && window * k->sh <= y; window++) {
            const float *dy = k->x + (row / k->h * k->out_h + window) * k->out_w * c;
            for (size_t column = 0; column < k->out_w; column++) {
                for (size_t x = 0; x < k->kw; x++) {
                    add_scaled(dx + (column * k->sw + x) * c, dy + column * c, share, c);
                }
            }
        }
    }
}

void tk_average_pool_backward_f32(float *dx, const float *dy, size_t n, size_t h, size_t w, size_t c, size_t kh,
                                  size_t kw, size_t sh, size_t sw) {
    resample_context context = {
        .out = dx, .x = dy, .n = n, .h = h, .w = w, .c = c, .out_h = h < kh ? 0 : (h - kh) / sh + 1,
        .out_w = w < kw ? 0 : (w - kw) / sw + 1, .kh = kh, .kw = kw, .sh = sh, .sw = sw,
    };
    tk_parallel_for(n * h, row_grain(w * c), pool_backward_body, &context);
}
