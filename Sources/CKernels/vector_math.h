// Inline elementary functions without branches, so that the loops that call them vectorise. fp32 in and out.
// Polynomials are minimax fits; the errors stated are against exact values.
#pragma once
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "parallel.h"

TK_INLINE int32_t tk_bits(float x) {
    int32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

TK_INLINE float tk_from_bits(int32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

// 2^n for n in -126 ... 127.
TK_INLINE float tk_power_of_two(int32_t n) { return tk_from_bits((int32_t)((uint32_t)(n + 127) << 23)); }

// math.h's functions may set errno, which bars vectorisation; these compile to the instruction.
TK_INLINE float tk_sqrt(float x) { return __builtin_elementwise_sqrt(x); }
TK_INLINE float tk_abs(float x) { return __builtin_elementwise_abs(x); }

// Maximum and minimum that pass a NaN on from either side.
TK_INLINE float tk_max(float a, float b) { return a > b || a != a ? a : b; }
TK_INLINE float tk_min(float a, float b) { return a < b || a != a ? a : b; }

// Adding 1.5 x 2^23 leaves the nearest integer in the low bits of the sum.
static const float tk_round_magic = 12582912.0f;

// e^x. Relative error below 1.2e-7; subnormal results are rounded once; 0 below -104, infinity above 88.73, NaN kept.
TK_INLINE float tk_exp(float x) {
    x = x > 89.0f ? 89.0f : x;
    x = x < -105.0f ? -105.0f : x;
    float shifted = x * 1.44269504f + tk_round_magic;
    float n = shifted - tk_round_magic;
    float r = x - n * 0.693359375f;
    r = r - n * -2.12194440e-4f;
    float p = 0.00138146094f;
    p = p * r + 0.00836870975f;
    p = p * r + 0.0416683874f;
    p = p * r + 0.166665207f;
    p = p * r + 0.499999935f;
    p = p * (r * r) + r + 1.0f;
    // 2^n in two factors, since n reaches -151 and 128. A NaN makes garbage factors, and NaN times anything is NaN.
    int32_t k = (int32_t)((uint32_t)tk_bits(shifted) - (uint32_t)tk_bits(tk_round_magic));
    int32_t half = k >> 1;
    return p * tk_power_of_two(half) * tk_power_of_two(k - half);
}

// 2^x for x <= 0: the inner loop of attention, where the largest term is 1 and what underflows does not count. Relative
// error below 1.5e-7 down to -126; from there at most 1e-38, and exactly 0 from -127 on. NaN gives 0.
TK_INLINE float tk_exp2_nonpositive(float x) {
    x = x > -127.0f ? x : -127.0f;
    float shifted = x + tk_round_magic;
    float r = x - (shifted - tk_round_magic);
    float p = 0.00132764715f;
    p = p * r + 0.00967554139f;
    p = p * r + 0.0555071328f;
    p = p * r + 0.240221197f;
    p = p * r + 0.693146967f;
    p = p * r + 1.0f;
    return tk_from_bits((int32_t)((uint32_t)tk_bits(p) + ((uint32_t)tk_bits(shifted) << 23)));
}

// Natural logarithm. Error below 1 unit in the last place; -infinity at 0, NaN below.
TK_INLINE float tk_log(float x) {
    float scaled = x < 1.17549435e-38f ? x * 8388608.0f : x;
    // Counted from sqrt(1/2), so that the mantissa lies in [sqrt(1/2), sqrt(2)).
    int32_t offset = (int32_t)((uint32_t)tk_bits(scaled) - 0x3f3504f3u);
    float e = (float)(offset >> 23) - (x < 1.17549435e-38f ? 23.0f : 0.0f);
    float f = tk_from_bits((offset & 0x007fffff) + 0x3f3504f3) - 1.0f;
    float p = -0.0763451966f;
    p = p * f + 0.127615696f;
    p = p * f + -0.131601708f;
    p = p * f + 0.142017588f;
    p = p * f + -0.166233586f;
    p = p * f + 0.200012269f;
    p = p * f + -0.25000821f;
    p = p * f + 0.333333317f;
    float square = f * f;
    float y = p * (square * f) - 0.5f * square + e * -2.12194440e-4f;
    y = y + f + e * 0.693359375f;
    y = x == INFINITY ? x : y;
    y = x == 0.0f ? -INFINITY : y;
    return x >= 0.0f ? y : NAN;
}

// log(1 + u) for u >= 0, exact to rounding where 1 + u loses the low bits of u.
TK_INLINE float tk_log1p_nonnegative(float u) {
    float w = 1.0f + u;
    return tk_log(w) + (u - (w - 1.0f)) / w;
}

typedef struct tk_sine_cosine {
    float sine, cosine;
} tk_sine_cosine;

// Both at once. Absolute error below 1e-7 for |x| up to 1e7 (the angle is reduced in double).
TK_INLINE tk_sine_cosine tk_sincos(float x) {
    double wide = x;
    double shifted = wide * 0.63661977236758134 + 6755399441055744.0;
    float r = (float)(wide - (shifted - 6755399441055744.0) * 1.5707963267948966);
    int64_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    int32_t quadrant = (int32_t)bits;
    float z = r * r;
    float s = -0.000195172993f;
    s = s * z + 0.00833217815f;
    s = s * z + -0.166666549f;
    s = s * z * r + r;
    float c = 2.44384528e-05f;
    c = c * z + -0.00138873675f;
    c = c * z + 0.0416666469f;
    c = c * (z * z) - 0.5f * z + 1.0f;
    float sine = quadrant & 1 ? c : s, cosine = quadrant & 1 ? s : c;
    sine = quadrant & 2 ? -sine : sine;
    cosine = (quadrant + 1) & 2 ? -cosine : cosine;
    return (tk_sine_cosine){sine, cosine};
}

TK_INLINE float tk_sin(float x) { return tk_sincos(x).sine; }
TK_INLINE float tk_cos(float x) { return tk_sincos(x).cosine; }

// Relative error below 3e-7.
TK_INLINE float tk_tanh(float x) {
    float z = x * x;
    float p = -0.00571704786f;
    p = p * z + 0.0206505899f;
    p = p * z + -0.0537434989f;
    p = p * z + 0.133314913f;
    p = p * z + -0.333332839f;
    float near = p * z * x + x;
    float size = tk_abs(x);
    float far = 1.0f - 2.0f / (tk_exp(2.0f * size) + 1.0f);
    far = x < 0.0f ? -far : far;
    return size < 0.625f ? near : far;
}

// 1 / (1 + e^-x).
TK_INLINE float tk_sigmoid(float x) { return 1.0f / (1.0f + tk_exp(-x)); }

// Error function. Relative error below 3e-7.
TK_INLINE float tk_erf(float x) {
    float size = tk_abs(x);
    float z = x * x;
    float p = 7.85386209e-05f;
    p = p * z + -0.000801019373f;
    p = p * z + 0.00518832768f;
    p = p * z + -0.0268538119f;
    p = p * z + 0.112835851f;
    p = p * z + -0.376126258f;
    p = p * z + 1.12837917f;
    float near = p * x;
    // Beyond 1: 1 - exp(log(erfc)), with log(erfc) as a polynomial. At 4 the result rounds to 1.
    float u = size > 4.0f ? 4.0f : size;
    float q = -2.16975647e-05f;
    q = q * u + 0.000441472044f;
    q = q * u + -0.00420528162f;
    q = q * u + 0.025210331f;
    q = q * u + -0.108422085f;
    q = q * u + -0.63321641f;
    q = q * u + -1.1295803f;
    q = q * u + 0.000188466336f;
    float far = 1.0f - tk_exp(q);
    far = x < 0.0f ? -far : far;
    return size < 1.0f ? near : far;
}

TK_INLINE float tk_silu(float x) { return x * tk_sigmoid(x); }

// d silu / dx = s (1 + x (1 - s)).
TK_INLINE float tk_silu_slope(float x) {
    float s = tk_sigmoid(x);
    return s * (1.0f + x * (1.0f - s));
}

// x Phi(x), the exact GELU.
TK_INLINE float tk_gelu(float x) { return 0.5f * x * (1.0f + tk_erf(x * 0.707106781f)); }

// Phi(x) + x phi(x).
TK_INLINE float tk_gelu_slope(float x) {
    return 0.5f * (1.0f + tk_erf(x * 0.707106781f)) + x * 0.398942280f * tk_exp(-0.5f * x * x);
}

TK_INLINE float tk_gelu_tanh(float x) {
    return 0.5f * x * (1.0f + tk_tanh(0.797884561f * (x + 0.044715f * x * x * x)));
}

TK_INLINE float tk_gelu_tanh_slope(float x) {
    float t = tk_tanh(0.797884561f * (x + 0.044715f * x * x * x));
    float inner = 0.797884561f * (1.0f + 0.134145f * x * x);
    return 0.5f * (1.0f + t) + 0.5f * x * (1.0f - t * t) * inner;
}

// log(1 + e^x).
TK_INLINE float tk_softplus(float x) {
    float linear = x > 0.0f ? x : 0.0f;
    return linear + tk_log1p_nonnegative(tk_exp(-tk_abs(x)));
}
