// Conversions between element types.
#include "include/tk_convert.h"

#include <math.h>

#include "half_math.h"
#include "parallel.h"

enum { GRAIN = 32768 };

typedef struct convert_context {
    void *out;
    const void *x;
} convert_context;

// Defines the parallel loop of one conversion: `x` is the element, RESULT its converted value.
#define CONVERSION(NAME, OUT, IN, RESULT)                                                         \
    TK_KERNEL static void NAME##_body(void *context, size_t begin, size_t end, size_t thread) {   \
        const convert_context *c = context;                                                       \
        (void)thread;                                                                             \
        OUT *restrict out = c->out;                                                               \
        const IN *restrict xs = c->x;                                                             \
        for (size_t i = begin; i < end; i++) {                                                    \
            const IN x = xs[i];                                                                   \
            out[i] = (OUT)(RESULT);                                                               \
        }                                                                                         \
    }                                                                                             \
    void NAME(OUT *out, const IN *x, size_t n) {                                                  \
        convert_context context = {out, x};                                                       \
        tk_parallel_for(n, GRAIN, NAME##_body, &context);                                         \
    }

// Adding a power of two whose last place is fp16's last place rounds to it, ties to even, in hardware.
TK_INLINE uint16_t narrow_f16(float x) {
    uint32_t bits = (uint32_t)tk_bits(x), sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
    // Subnormal results (below 2^-14): 0.5 has its last place at 2^-24.
    uint32_t subnormal = (uint32_t)tk_bits(tk_from_bits((int32_t)magnitude) + 0.5f) - 0x3f000000;
    // Normal results: round the 13 dropped bits, then move the exponent.
    uint32_t normal = (magnitude + 0x0fff + (magnitude >> 13 & 1) - 0x38000000) >> 13;
    uint32_t result = magnitude < 0x38800000 ? subnormal : normal;
    result = magnitude >= 0x477ff000 ? 0x7c00 : result;
    result = magnitude > 0x7f800000 ? 0x7e00 | (magnitude >> 13 & 0x3ff) : result;
    return (uint16_t)(result | sign);
}

CONVERSION(tk_f32_from_f16, float, uint16_t, tk_widen_f16(x))
CONVERSION(tk_f16_from_f32, uint16_t, float, narrow_f16(x))
CONVERSION(tk_f32_from_bf16, float, uint16_t, tk_widen_bf16(x))
CONVERSION(tk_bf16_from_f32, uint16_t, float, tk_narrow_bf16(x))
CONVERSION(tk_bf16_from_f16, uint16_t, uint16_t, tk_narrow_bf16(tk_widen_f16(x)))
CONVERSION(tk_f16_from_bf16, uint16_t, uint16_t, narrow_f16(tk_widen_bf16(x)))
CONVERSION(tk_f32_from_f64, float, double, x)
CONVERSION(tk_f64_from_f32, double, float, x)
CONVERSION(tk_f32_from_i32, float, int32_t, x)
CONVERSION(tk_f32_from_i64, float, int64_t, x)
CONVERSION(tk_f32_from_u8, float, uint8_t, x)
CONVERSION(tk_f32_from_i8, float, int8_t, x)
CONVERSION(tk_i32_from_f32, int32_t, float,
           x >= 2147483648.0f ? INT32_MAX : x < -2147483648.0f ? INT32_MIN : x != x ? 0 : (int32_t)x)
CONVERSION(tk_i64_from_f32, int64_t, float,
           x >= 0x1p63f ? INT64_MAX : x < -0x1p63f ? INT64_MIN : x != x ? 0 : (int64_t)x)
CONVERSION(tk_u8_from_f32, uint8_t, float, x >= 255.0f ? 255 : x > 0.0f ? (int32_t)x : 0)
CONVERSION(tk_i64_from_i32, int64_t, int32_t, x)
CONVERSION(tk_i32_from_i64, int32_t, int64_t, x)
CONVERSION(tk_i64_from_u8, int64_t, uint8_t, x)
CONVERSION(tk_bool_from_f32, uint8_t, float, x != 0.0f)
CONVERSION(tk_bool_from_i64, uint8_t, int64_t, x != 0)
CONVERSION(tk_bool_from_u8, uint8_t, uint8_t, x != 0)
