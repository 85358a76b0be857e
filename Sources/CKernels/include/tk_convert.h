// Conversions between element types, contiguous. fp16 and bf16 travel as their bits in uint16_t.
// Narrowing rounds to nearest, ties to even; NaN stays NaN; too large becomes infinity.
#pragma once
#include <stddef.h>
#include <stdint.h>

void tk_f32_from_f16(float *out, const uint16_t *x, size_t n);
void tk_f16_from_f32(uint16_t *out, const float *x, size_t n);
void tk_f32_from_bf16(float *out, const uint16_t *x, size_t n);
void tk_bf16_from_f32(uint16_t *out, const float *x, size_t n);
void tk_bf16_from_f16(uint16_t *out, const uint16_t *x, size_t n);
void tk_f16_from_bf16(uint16_t *out, const uint16_t *x, size_t n);
void tk_f32_from_f64(float *out, const double *x, size_t n);
void tk_f64_from_f32(double *out, const float *x, size_t n);
void tk_f32_from_i32(float *out, const int32_t *x, size_t n);
void tk_f32_from_i64(float *out, const int64_t *x, size_t n);
void tk_f32_from_u8(float *out, const uint8_t *x, size_t n);
void tk_f32_from_i8(float *out, const int8_t *x, size_t n);
// To integers: towards zero; NaN gives 0, out of range gives the nearest representable value.
void tk_i32_from_f32(int32_t *out, const float *x, size_t n);
void tk_i64_from_f32(int64_t *out, const float *x, size_t n);
void tk_u8_from_f32(uint8_t *out, const float *x, size_t n);
void tk_i64_from_i32(int64_t *out, const int32_t *x, size_t n);
void tk_i32_from_i64(int32_t *out, const int64_t *x, size_t n);  // keeps the low 32 bits
void tk_i64_from_u8(int64_t *out, const uint8_t *x, size_t n);
// Truth: out[i] = x[i] != 0, so NaN is true.
void tk_bool_from_f32(uint8_t *out, const float *x, size_t n);
void tk_bool_from_i64(uint8_t *out, const int64_t *x, size_t n);
void tk_bool_from_u8(uint8_t *out, const uint8_t *x, size_t n);
