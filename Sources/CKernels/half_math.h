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

TK_INLINE float tk_widen_bf16(uint16_t x) { return tk_from_bits((int32_t)((uint32_t)x << 16)); }
