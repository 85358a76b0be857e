#include "CImageCodecs.h"

void tk_resample_rows_f32(float *restrict out, const uint8_t *restrict x, const int32_t *restrict first,
                          const float *restrict weights, size_t taps, size_t height, size_t width, size_t out_width) {
    for (size_t y = 0; y < height; y++) {
        const uint8_t *row = x + y * width * 3;
        for (size_t i = 0; i < out_width; i++) {
            const uint8_t *pixel = row + (size_t)first[i] * 3;
            float red = 0, green = 0, blue = 0;
            for (size_t t = 0; t < taps; t++) {
                float weight = weights[i * taps + t];
                red += weight * pixel[3 * t];
                green += weight * pixel[3 * t + 1];
                blue += weight * pixel[3 * t + 2];
            }
            float *target = out + (y * out_width + i) * 3;
            target[0] = red;
            target[1] = green;
            target[2] = blue;
        }
    }
}

void tk_resample_columns_u8(uint8_t *restrict out, const float *restrict x, const int32_t *restrict first,
                            const float *restrict weights, size_t taps, size_t out_height, size_t row) {
    for (size_t i = 0; i < out_height; i++) {
        const float *top = x + (size_t)first[i] * row;
        for (size_t j = 0; j < row; j++) {
            float sum = 0.5f;
            for (size_t t = 0; t < taps; t++) sum += weights[i * taps + t] * top[t * row + j];
            out[i * row + j] = sum <= 0 ? 0 : sum >= 255 ? 255 : (uint8_t)sum;
        }
    }
}
