// Random streams that reproduce PyTorch's: mt19937 on the CPU, Philox 4x32-10 on CUDA.
#include "include/tk_random.h"

#include <math.h>

#include "parallel.h"
#include "vector_math.h"

enum { STATE = 624, SHIFT = 397 };

void tk_mt19937_seed(tk_mt19937 *generator, uint64_t seed) {
    generator->state[0] = (uint32_t)seed;
    for (uint32_t i = 1; i < STATE; i++) {
        const uint32_t last = generator->state[i - 1];
        generator->state[i] = 1812433253u * (last ^ last >> 30) + i;
    }
    generator->next = STATE;
    generator->has_normal = false;
    generator->normal = 0.0;
}

static uint32_t twisted(uint32_t high, uint32_t low, uint32_t shifted) {
    const uint32_t mixed = (high & 0x80000000u) | (low & 0x7fffffffu);
    return shifted ^ mixed >> 1 ^ (low & 1 ? 0x9908b0dfu : 0u);
}

static void refill(tk_mt19937 *generator) {
    uint32_t *s = generator->state;
    for (int i = 0; i < STATE - SHIFT; i++) s[i] = twisted(s[i], s[i + 1], s[i + SHIFT]);
    for (int i = STATE - SHIFT; i < STATE - 1; i++) s[i] = twisted(s[i], s[i + 1], s[i + SHIFT - STATE]);
    s[STATE - 1] = twisted(s[STATE - 1], s[0], s[SHIFT - 1]);
    generator->next = 0;
}

uint32_t tk_mt19937_u32(tk_mt19937 *generator) {
    if (generator->next >= STATE) refill(generator);
    uint32_t y = generator->state[generator->next++];
    y ^= y >> 11;
    y ^= y << 7 & 0x9d2c5680u;
    y ^= y << 15 & 0xefc60000u;
    return y ^ y >> 18;
}

uint64_t tk_mt19937_u64(tk_mt19937 *generator) {
    const uint64_t high = tk_mt19937_u32(generator);
    return high << 32 | tk_mt19937_u32(generator);
}

static float uniform_f32(tk_mt19937 *generator) {
    return (float)(tk_mt19937_u32(generator) & 0xffffff) * 0x1p-24f;
}

static double uniform_f64(tk_mt19937 *generator) {
    return (double)(tk_mt19937_u64(generator) & 0x1fffffffffffff) * 0x1p-53;
}

// One value at a time, in pairs: the second of a pair waits in the generator.
static double small_normal(tk_mt19937 *generator) {
    if (generator->has_normal) {
        generator->has_normal = false;
        return generator->normal;
    }
    const double angle = 6.283185307179586 * uniform_f64(generator);
    const double radius = sqrt(-2.0 * log1p(-uniform_f64(generator)));
    generator->normal = radius * sin(angle);
    generator->has_normal = true;
    return radius * cos(angle);
}

typedef struct normal_context {
    float *out;
    float mean, deviation;
    uint64_t seed;
    uint32_t offset;
} normal_context;

// Sixteen uniforms become sixteen normals: the first eight give radii, the last eight angles.
TK_INLINE void transform_sixteen(float *out, float mean, float deviation) {
    for (int i = 0; i < 8; i++) {
        const float radius = tk_sqrt(-2.0f * tk_log(1.0f - out[i]));
        const tk_sine_cosine angle = tk_sincos(6.28318531f * out[i + 8]);
        out[i] = radius * angle.cosine * deviation + mean;
        out[i + 8] = radius * angle.sine * deviation + mean;
    }
}

TK_KERNEL static void normal_body(void *context, size_t begin, size_t end, size_t thread) {
    const normal_context *c = context;
    (void)thread;
    for (; begin < end; begin++) transform_sixteen(c->out + begin * 16, c->mean, c->deviation);
}

void tk_normal_fill_f32(tk_mt19937 *generator, float *out, size_t n, float mean, float deviation) {
    if (n < 16) {
        for (size_t i = 0; i < n; i++) out[i] = (float)(small_normal(generator) * deviation + mean);
        return;
    }
    for (size_t i = 0; i < n; i++) out[i] = uniform_f32(generator);
    normal_context context = {.out = out, .mean = mean, .deviation = deviation};
    tk_parallel_for(n / 16, 256, normal_body, &context);
    if (n % 16) {  // the last sixteen are drawn again as a block of their own
        for (size_t i = n - 16; i < n; i++) out[i] = uniform_f32(generator);
        context.out = out + n - 16;
        normal_body(&context, 0, 1, 0);
    }
}

void tk_uniform_fill_f32(tk_mt19937 *generator, float *out, size_t n, float low, float high) {
    for (size_t i = 0; i < n; i++) out[i] = uniform_f32(generator) * (high - low) + low;
}

void tk_uniform_fill_f64(tk_mt19937 *generator, double *out, size_t n, double low, double high) {
    for (size_t i = 0; i < n; i++) out[i] = uniform_f64(generator) * (high - low) + low;
}

void tk_randint_fill_i64(tk_mt19937 *generator, int64_t *out, size_t n, int64_t low, int64_t high) {
    const uint64_t range = (uint64_t)high - (uint64_t)low;
    for (size_t i = 0; i < n; i++) {
        // From 2^28 on PyTorch draws 64 bits (older versions: from 2^32), to keep the remainder's bias small.
        const uint64_t draw = range >> 28 ? tk_mt19937_u64(generator) : tk_mt19937_u32(generator);
        out[i] = (int64_t)(draw % range + (uint64_t)low);
    }
}

void tk_randperm_i64(tk_mt19937 *generator, int64_t *out, size_t n) {
    for (size_t i = 0; i < n; i++) out[i] = (int64_t)i;
    for (size_t i = 0; i + 1 < n; i++) {
        const size_t other = i + tk_mt19937_u32(generator) % (n - i);
        const int64_t value = out[i];
        out[i] = out[other];
        out[other] = value;
    }
}

TK_INLINE void philox_round(uint32_t *c, uint32_t key_low, uint32_t key_high) {
    const uint64_t a = 0xD2511F53ull * c[0], b = 0xCD9E8D57ull * c[2];
    const uint32_t first = (uint32_t)(b >> 32) ^ c[1] ^ key_low, third = (uint32_t)(a >> 32) ^ c[3] ^ key_high;
    c[0] = first;
    c[1] = (uint32_t)b;
    c[2] = third;
    c[3] = (uint32_t)a;
}

TK_INLINE void philox(uint32_t *counter, uint64_t key) {
    uint32_t low = (uint32_t)key, high = (uint32_t)(key >> 32);
    for (int round = 0; round < 10; round++) {
        philox_round(counter, low, high);
        low += 0x9E3779B9u;
        high += 0xBB67AE85u;
    }
}

void tk_philox_4x32(uint32_t counter[4], uint64_t key) {
    philox(counter, key);
}

TK_KERNEL static void philox_normal_body(void *context, size_t begin, size_t end, size_t thread) {
    const normal_context *c = context;
    (void)thread;
    for (size_t i = begin; i < end; i++) {
        uint32_t counter[4] = {c->offset, 0, (uint32_t)i, 0};
        philox(counter, c->seed);
        const float u = (float)counter[0] * 0x1p-32f + 0x1p-33f;
        const float v = (float)counter[1] * (6.28318531f * 0x1p-32f) + 6.28318531f * 0x1p-33f;
        c->out[i] = tk_sqrt(-2.0f * tk_log(u)) * tk_sin(v);
    }
}

void tk_philox_normal_f32(float *out, size_t n, uint64_t seed, uint32_t offset) {
    normal_context context = {.out = out, .seed = seed, .offset = offset};
    tk_parallel_for(n, 4096, philox_normal_body, &context);
}
