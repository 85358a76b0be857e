// Half-precision numbers in plain C, without branches.
#pragma once
#include "vector_math.h"

// The exponent is moved by a multiplication, which is exact and makes fp16's subnormals normal on the way.
TK_INLINE float tk_widen_f16(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, magnitude = (uint32_t)(half & 0x7fff) << 13;
    float scaled = tk_from_bits((int32_t)magnitude) * 0x1p112f;
    uint32_t special = magnitude | 0x7f800000;  // infinity and NaN
    uint32_t bits = magnitude >= 0x0f800000 ? special : (uint32_t)tk_bits(scaled);
    return tk_from_bits((int32_t)(bits | sign));
}

// To the nearest, halves to even; a NaN stays one.
TK_INLINE uint16_t tk_narrow_bf16(float x) {
    uint32_t bits = (uint32_t)tk_bits(x);
    uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    return (uint16_t)((bits & 0x7fffffff) > 0x7f800000 ? bits >> 16 | 0x40 : rounded);
}

// Results that are stored as bfloat16 are made in lines of this many floats, which stay in the nearest cache.
enum { TK_LINE = 256 };

TK_INLINE void tk_narrow_line(uint16_t *restrict out, const float *restrict x, size_t n) {
    for (size_t i = 0; i < n; i++) out[i] = tk_narrow_bf16(x[i]);
}

TK_INLINE float tk_widen_bf16(uint16_t x) { return tk_from_bits((int32_t)((uint32_t)x << 16)); }
