// Resizing of channels-last maps (n, height, width, c). Sizes h, w are those of x; the result has its own.
#pragma once
#include <stddef.h>
#include <stdint.h>

// out: (n, h fh, w fw, c): every pixel repeated fh x fw times.
void tk_upsample_nearest_forward_f32(float *out, const float *x, size_t n, size_t h, size_t w, size_t c, size_t fh,
                                     size_t fw);
// The same for numbers of 16 bits of any kind.
void tk_upsample_nearest_forward_halves(uint16_t *out, const uint16_t *x, size_t n, size_t h, size_t w, size_t c,
                                        size_t fh, size_t fw);
// dx: (n, h, w, c) = sum over the fh x fw copies.
void tk_upsample_nearest_backward_f32(float *dx, const float *dy, size_t n, size_t h, size_t w, size_t c, size_t fh,
                                      size_t fw);

// out: (n, out_h, out_w, c), half-pixel centres (align_corners = false), no antialiasing.
void tk_resize_bilinear_forward_f32(float *out, const float *x, size_t n, size_t h, size_t w, size_t c, size_t out_h,
                                    size_t out_w);
void tk_resize_bilinear_backward_f32(float *dx, const float *dy, size_t n, size_t h, size_t w, size_t c, size_t out_h,
                                     size_t out_w);

// out: (n, (h - kh) / sh + 1, (w - kw) / sw + 1, c): means of kh x kw windows, no padding.
void tk_average_pool_forward_f32(float *out, const float *x, size_t n, size_t h, size_t w, size_t c, size_t kh,
                                 size_t kw, size_t sh, size_t sw);
void tk_average_pool_backward_f32(float *dx, const float *dy, size_t n, size_t h, size_t w, size_t c, size_t kh,
                                  size_t kw, size_t sh, size_t sw);
