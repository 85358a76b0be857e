// Attention on tensor cores: operands rounded to bfloat16, sums and the softmax in float32.
//
// A block of four warps has 64 queries, sixteen a warp, and takes 64 keys at a time through shared memory. Scores stay in
// the registers that the product left them in, which is also the form in which the second product reads its weights
// (FlashAttention-2, arXiv 2307.08691).
//
// Fragments of mma.m16n8k16, by lane = 4 g + t: A holds rows g and g + 8, columns 2t, 2t + 1 and 2t + 8, 2t + 9; B holds
// column g, rows 2t, 2t + 1 and 2t + 8, 2t + 9; C holds rows g and g + 8, columns 2t and 2t + 1.

enum { KEYS = 64, QUERIES = 64 };

// Two numbers in one register, the first in the low half.
__device__ __forceinline__ u32 packed(float low, float high) {
#ifdef CUDA_EMULATOR
    return (u32)narrow_bfloat16(low) | (u32)narrow_bfloat16(high) << 16;
#else
    u32 pair;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
    return pair;
#endif
}

// c += a · b for a 16 x 8 tile, sixteen products a sum.
__device__ __forceinline__ void multiply_add(float* c, const u32* a, const u32* b) {
#ifdef CUDA_EMULATOR
    int lane = threadIdx.x & 31, g = lane >> 2, t = lane & 3;
    for (int part = 0; part < 4; part++) {
        u32 rows[4], columns[2][2];
        for (int i = 0; i < 4; i++) rows[i] = (u32)__shfl_sync(0xffffffffu, (int)a[i], g * 4 + part);
        for (int n = 0; n < 2; n++)
            for (int i = 0; i < 2; i++)
                columns[n][i] = (u32)__shfl_sync(0xffffffffu, (int)b[i], (2 * t + n) * 4 + part);
        for (int half = 0; half < 2; half++)
            for (int n = 0; n < 2; n++)
                for (int i = 0; i < 2; i++) {
                    u32 x = rows[half + 2 * i], y = columns[n][i];
                    c[2 * half + n] += widen_bfloat16((u16)x) * widen_bfloat16((u16)y)
                        + widen_bfloat16((u16)(x >> 16)) * widen_bfloat16((u16)(y >> 16));
                }
    }
#else
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#endif
}

__device__ __forceinline__ float quad_maximum(float x) {
    x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, 1));
    return fmaxf(x, __shfl_xor_sync(0xffffffffu, x, 2));
}

// out: `[batch, queries, heads, dimension]` without gaps; log_sum_exp: `[batch, heads, queries]`.
// Grid: (blocks of queries, heads, batch); 128 threads. Shared memory: keys `[KEYS][D + 8]`, values `[D][KEYS + 8]`.
template <int D>
__device__ __forceinline__ void attention_bf16(
    float* out, float* log_sum_exp, const float* q, const float* k, const float* v, const Attention& a) {
    DYNAMIC_SHARED(u16, shared);
    const int key_stride = D + 8, value_stride = KEYS + 8;
    u16 *keys = shared, *values = shared + KEYS * key_stride;
    int b = blockIdx.z, h = blockIdx.y, lane = threadIdx.x & 31, g = lane >> 2, t = lane & 3;
    int first_query = blockIdx.x * QUERIES + (threadIdx.x >> 5) * 16 + g;

    u32 rows[D / 16][4];
    #pragma unroll
    for (int step = 0; step < D / 16; step++) {
        #pragma unroll
        for (int i = 0; i < 4; i++) {
            int query = first_query + (i & 1) * 8, channel = step * 16 + 2 * t + (i >> 1) * 8;
            const float* row = q + b * a.q.batch + query * a.q.token + h * a.q.head;
            bool is_inside = query < a.queries;
            rows[step][i] = packed(
                is_inside && channel < a.dimension ? row[channel] : 0.0f,
                is_inside && channel + 1 < a.dimension ? row[channel + 1] : 0.0f);
        }
    }
    float sum[D / 8][4];
    #pragma unroll
    for (int n = 0; n < D / 8; n++)
        #pragma unroll
        for (int i = 0; i < 4; i++) sum[n][i] = 0.0f;
    float largest[2] = {-LARGEST_FLOAT, -LARGEST_FLOAT}, total[2] = {0.0f, 0.0f};

    for (int first = 0; first < a.keys; first += KEYS) {
        __syncthreads();
        for (int i = threadIdx.x; i < KEYS * D; i += blockDim.x) {
            int row = i / D, channel = i % D, key = first + row;
            bool is_inside = key < a.keys && channel < a.dimension;
            float x = is_inside ? k[b * a.k.batch + key * a.k.token + h * a.k.head + channel] : 0.0f;
            float y = is_inside ? v[b * a.v.batch + key * a.v.token + h * a.v.head + channel] : 0.0f;
            keys[row * key_stride + channel] = narrow_bfloat16(x);
            values[channel * value_stride + row] = narrow_bfloat16(y);
        }
        __syncthreads();

        float scores[KEYS / 8][4];
        #pragma unroll
        for (int n = 0; n < KEYS / 8; n++) {
            #pragma unroll
            for (int i = 0; i < 4; i++) scores[n][i] = 0.0f;
            const u16* row = keys + (n * 8 + g) * key_stride + 2 * t;
            #pragma unroll
            for (int step = 0; step < D / 16; step++) {
                u32 column[2] = {*(const u32*)(row + step * 16), *(const u32*)(row + step * 16 + 8)};
                multiply_add(scores[n], rows[step], column);
            }
        }
        #pragma unroll
        for (int half = 0; half < 2; half++) {
            int query = first_query + half * 8;
            float peak = largest[half];
            #pragma unroll
            for (int n = 0; n < KEYS / 8; n++) {
                #pragma unroll
                for (int i = 0; i < 2; i++) {
                    float& s = scores[n][2 * half + i];
                    s = score(a, s, b, h, query, first + n * 8 + 2 * t + i);
                    peak = fmaxf(peak, s);
                }
            }
            peak = quad_maximum(peak);
            float shrink = expf(largest[half] - peak), part = 0.0f;
            largest[half] = peak;
            #pragma unroll
            for (int n = 0; n < KEYS / 8; n++) {
                #pragma unroll
                for (int i = 0; i < 2; i++) {
                    float& s = scores[n][2 * half + i];
                    s = expf(s - peak);
                    part += s;
                }
            }
            total[half] = total[half] * shrink + part;
            #pragma unroll
            for (int n = 0; n < D / 8; n++) {
                sum[n][2 * half] *= shrink;
                sum[n][2 * half + 1] *= shrink;
            }
        }
        #pragma unroll
        for (int step = 0; step < KEYS / 16; step++) {
            const float *low = scores[2 * step], *high = scores[2 * step + 1];
            u32 weights[4] = {packed(low[0], low[1]), packed(low[2], low[3]), packed(high[0], high[1]),
                              packed(high[2], high[3])};
            #pragma unroll
            for (int n = 0; n < D / 8; n++) {
                const u16* row = values + (n * 8 + g) * value_stride + step * 16 + 2 * t;
                u32 column[2] = {*(const u32*)row, *(const u32*)(row + 8)};
                multiply_add(sum[n], weights, column);
            }
        }
    }
    #pragma unroll
    for (int half = 0; half < 2; half++) {
        int query = first_query + half * 8;
        float all = quad_sum(total[half]);
        if (query >= a.queries) continue;
        float scale = all > 0.0f ? 1.0f / all : 0.0f;
        float* row = out + ((b * (i64)a.queries + query) * a.heads + h) * a.dimension;
        #pragma unroll
        for (int n = 0; n < D / 8; n++) {
            #pragma unroll
            for (int i = 0; i < 2; i++) {
                int channel = n * 8 + 2 * t + i;
                if (channel < a.dimension) row[channel] = sum[n][2 * half + i] * scale;
            }
        }
        if (t == 0) {
            log_sum_exp[(b * (i64)a.heads + h) * a.queries + query] =
                all > 0.0f ? largest[half] + logf(all) : -POSITIVE_INFINITY;
        }
    }
}

#define ATTENTION_BF16_KERNEL(D)                                                                                      \
    extern "C" __global__ void __launch_bounds__(128) attention_bf16_##D(                                             \
        float* out, float* log_sum_exp, const float* q, const float* k, const float* v, Attention a) {                \
        attention_bf16<D>(out, log_sum_exp, q, k, v, a);                                                              \
    }

ATTENTION_BF16_KERNEL(16)
ATTENTION_BF16_KERNEL(32)
ATTENTION_BF16_KERNEL(48)
ATTENTION_BF16_KERNEL(64)
ATTENTION_BF16_KERNEL(80)
ATTENTION_BF16_KERNEL(96)
ATTENTION_BF16_KERNEL(128)
ATTENTION_BF16_KERNEL(160)
