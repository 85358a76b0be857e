// Attention with an online softmax: the score matrix never exists.
//
// Four threads share a query (or, for the gradients of keys and values, a key): each holds every fourth group of four
// channels, so that their reads of a row in shared memory lie side by side. Sums over channels are two shuffles.

enum { TILE = 32, ROWS = 32 };  // keys (or queries) in shared memory; queries (or keys) of a block of 128 threads

// Channel e of this thread's share.
__device__ __forceinline__ int channel_of(int part, int e) { return ((e >> 2) * 4 + part) * 4 + (e & 3); }

// A query that sees no key has a log-sum-exp of -infinity; its weights must become 0, not 0 / 0.
__device__ __forceinline__ float finite(float x) { return fmaxf(x, -LARGEST_FLOAT); }

// Rows `first ..< first + TILE` of a head into shared memory, zeros beyond the last row and the last channel.
template <int D>
__device__ __forceinline__ void load_tile(
    float* tile, const float* x, i64 stride, int first, int count, int dimension) {
    for (int i = threadIdx.x; i < TILE * D; i += blockDim.x) {
        int row = first + i / D, channel = i % D;
        tile[i] = row < count && channel < dimension ? x[row * stride + channel] : 0.0f;
    }
}

template <int D>
__device__ __forceinline__ void load_row(float* share, const float* row, int part, int dimension) {
    for (int e = 0; e < D / 4; e++) {
        int channel = channel_of(part, e);
        share[e] = row && channel < dimension ? row[channel] : 0.0f;
    }
}

template <int D>
__device__ __forceinline__ void store_row(float* row, const float* share, int part, int dimension) {
    for (int e = 0; e < D / 4; e++) {
        int channel = channel_of(part, e);
        if (channel < dimension) row[channel] = share[e];
    }
}

template <int D>
__device__ __forceinline__ float dot(const float* share, const float* row, int part) {
    float sum = 0.0f;
    for (int c = 0; c < D / 16; c++) {
        float4 x = ((const float4*)row)[c * 4 + part];
        sum += share[4 * c] * x.x + share[4 * c + 1] * x.y + share[4 * c + 2] * x.z + share[4 * c + 3] * x.w;
    }
    return quad_sum(sum);
}

template <int D>
__device__ __forceinline__ void add_scaled(float* share, float factor, const float* row, int part) {
    for (int c = 0; c < D / 16; c++) {
        float4 x = ((const float4*)row)[c * 4 + part];
        share[4 * c] += factor * x.x;
        share[4 * c + 1] += factor * x.y;
        share[4 * c + 2] += factor * x.z;
        share[4 * c + 3] += factor * x.w;
    }
}

// out: `[batch, queries, heads, dimension]` without gaps; log_sum_exp: `[batch, heads, queries]`.
// Grid: (blocks of queries, heads, batch).
template <int D>
__device__ __forceinline__ void attention_forward(
    float* out, float* log_sum_exp, const float* q, const float* k, const float* v, const Attention& a) {
    DYNAMIC_SHARED(float, shared);
    float *keys = shared, *values = shared + TILE * D;
    int b = blockIdx.z, h = blockIdx.y, part = threadIdx.x & 3, query = blockIdx.x * ROWS + threadIdx.x / 4;
    float share[D / 4], sum[D / 4];
    const float* row = q + b * a.q.batch + query * a.q.token + h * a.q.head;
    load_row<D>(share, query < a.queries ? row : 0, part, a.dimension);
    for (int e = 0; e < D / 4; e++) sum[e] = 0.0f;
    float largest = -LARGEST_FLOAT, total = 0.0f;
    for (int first = 0; first < a.keys; first += TILE) {
        __syncthreads();
        load_tile<D>(keys, k + b * a.k.batch + h * a.k.head, a.k.token, first, a.keys, a.dimension);
        load_tile<D>(values, v + b * a.v.batch + h * a.v.head, a.v.token, first, a.keys, a.dimension);
        __syncthreads();
        for (int start = 0; start < TILE && first + start < a.keys; start += 8) {
            float scores[8], peak = largest;
            for (int j = 0; j < 8; j++) {
                float product = dot<D>(share, keys + (start + j) * D, part);
                scores[j] = score(a, product, b, h, query, first + start + j);
                peak = fmaxf(peak, scores[j]);
            }
            float shrink = expf(largest - peak);
            largest = peak;
            total *= shrink;
            for (int e = 0; e < D / 4; e++) sum[e] *= shrink;
            for (int j = 0; j < 8; j++) {
                float weight = expf(scores[j] - peak);
                total += weight;
                add_scaled<D>(sum, weight, values + (start + j) * D, part);
            }
        }
    }
    if (query >= a.queries) return;
    float scale = total > 0.0f ? 1.0f / total : 0.0f;
    for (int e = 0; e < D / 4; e++) sum[e] *= scale;
    store_row<D>(out + ((b * (i64)a.queries + query) * a.heads + h) * a.dimension, sum, part, a.dimension);
    if (part == 0)
        log_sum_exp[(b * (i64)a.heads + h) * a.queries + query] = total > 0.0f ? largest + logf(total) : -POSITIVE_INFINITY;
}

// What the gradients of a query's scores have in common: gradient · output, `[batch, heads, queries]`.
extern "C" __global__ void attention_delta(
    float* delta, const float* gradient, const float* output, i64 count, int queries, int heads, int dimension) {
    GRID_STRIDE(i, count) {
        i64 query = i % queries, h = i / queries % heads, b = i / queries / heads;
        i64 start = ((b * queries + query) * heads + h) * dimension;
        float sum = 0.0f;
        for (int e = 0; e < dimension; e++) sum += gradient[start + e] * output[start + e];
        delta[i] = sum;
    }
}

// Inputs, output and gradients here are `[batch, tokens, heads, dimension]` without gaps.
// Grid: (blocks of queries, heads, batch).
template <int D>
__device__ __forceinline__ void attention_query_gradient(
    float* query_gradient, const float* gradient, const float* q, const float* k, const float* v, const float* delta,
    const float* log_sum_exp, const Attention& a) {
    DYNAMIC_SHARED(float, shared);
    float *keys = shared, *values = shared + TILE * D;
    int b = blockIdx.z, h = blockIdx.y, part = threadIdx.x & 3, query = blockIdx.x * ROWS + threadIdx.x / 4;
    bool is_inside = query < a.queries;
    i64 step = (i64)a.heads * a.dimension, place = (b * (i64)a.queries + query) * step + h * a.dimension;
    float share[D / 4], outer[D / 4], sum[D / 4];
    load_row<D>(share, is_inside ? q + place : 0, part, a.dimension);
    load_row<D>(outer, is_inside ? gradient + place : 0, part, a.dimension);
    for (int e = 0; e < D / 4; e++) sum[e] = 0.0f;
    i64 statistic = (b * (i64)a.heads + h) * a.queries + query;
    float shift = is_inside ? finite(log_sum_exp[statistic]) : 0.0f, common = is_inside ? delta[statistic] : 0.0f;
    i64 origin = b * (i64)a.keys * step + h * a.dimension;
    for (int first = 0; first < a.keys; first += TILE) {
        __syncthreads();
        load_tile<D>(keys, k + origin, step, first, a.keys, a.dimension);
        load_tile<D>(values, v + origin, step, first, a.keys, a.dimension);
        __syncthreads();
        for (int j = 0; j < TILE && first + j < a.keys; j++) {
            float product = dot<D>(share, keys + j * D, part);
            float weight = expf(score(a, product, b, h, query, first + j) - shift);
            float slope = dot<D>(outer, values + j * D, part) - common;
            add_scaled<D>(sum, weight * slope * a.scale, keys + j * D, part);
        }
    }
    if (is_inside) store_row<D>(query_gradient + place, sum, part, a.dimension);
}

// Grid: (blocks of keys, heads, batch).
template <int D>
__device__ __forceinline__ void attention_key_gradient(
    float* key_gradient, float* value_gradient, const float* gradient, const float* q, const float* k, const float* v,
    const float* delta, const float* log_sum_exp, const Attention& a) {
    DYNAMIC_SHARED(float, shared);
    float *queries = shared, *outers = shared + TILE * D, *shifts = shared + 2 * TILE * D, *commons = shifts + TILE;
    int b = blockIdx.z, h = blockIdx.y, part = threadIdx.x & 3, key = blockIdx.x * ROWS + threadIdx.x / 4;
    bool is_inside = key < a.keys;
    i64 step = (i64)a.heads * a.dimension, place = (b * (i64)a.keys + key) * step + h * a.dimension;
    float share[D / 4], value[D / 4], key_sum[D / 4], value_sum[D / 4];
    load_row<D>(share, is_inside ? k + place : 0, part, a.dimension);
    load_row<D>(value, is_inside ? v + place : 0, part, a.dimension);
    for (int e = 0; e < D / 4; e++) key_sum[e] = value_sum[e] = 0.0f;
    i64 origin = b * (i64)a.queries * step + h * a.dimension, statistics = (b * (i64)a.heads + h) * a.queries;
    for (int first = 0; first < a.queries; first += TILE) {
        __syncthreads();
        load_tile<D>(queries, q + origin, step, first, a.queries, a.dimension);
        load_tile<D>(outers, gradient + origin, step, first, a.queries, a.dimension);
        for (int i = threadIdx.x; i < TILE; i += blockDim.x) {
            bool is_query = first + i < a.queries;
            shifts[i] = is_query ? finite(log_sum_exp[statistics + first + i]) : 0.0f;
            commons[i] = is_query ? delta[statistics + first + i] : 0.0f;
        }
        __syncthreads();
        for (int j = 0; j < TILE && first + j < a.queries; j++) {
            float product = dot<D>(share, queries + j * D, part);
            float weight = expf(score(a, product, b, h, first + j, key) - shifts[j]);
            float slope = dot<D>(value, outers + j * D, part) - commons[j];
            add_scaled<D>(value_sum, weight, outers + j * D, part);
            add_scaled<D>(key_sum, weight * slope * a.scale, queries + j * D, part);
        }
    }
    if (!is_inside) return;
    store_row<D>(key_gradient + place, key_sum, part, a.dimension);
    store_row<D>(value_gradient + place, value_sum, part, a.dimension);
}

#define ATTENTION_KERNELS(D)                                                                                          \
    extern "C" __global__ void __launch_bounds__(128) attention_forward_##D(                                          \
        float* out, float* log_sum_exp, const float* q, const float* k, const float* v, Attention a) {                \
        attention_forward<D>(out, log_sum_exp, q, k, v, a);                                                           \
    }                                                                                                                 \
    extern "C" __global__ void __launch_bounds__(128) attention_query_gradient_##D(                                   \
        float* query_gradient, const float* gradient, const float* q, const float* k, const float* v,                 \
        const float* delta, const float* log_sum_exp, Attention a) {                                                  \
        attention_query_gradient<D>(query_gradient, gradient, q, k, v, delta, log_sum_exp, a);                        \
    }                                                                                                                 \
    extern "C" __global__ void __launch_bounds__(128) attention_key_gradient_##D(                                     \
        float* key_gradient, float* value_gradient, const float* gradient, const float* q, const float* k,            \
        const float* v, const float* delta, const float* log_sum_exp, Attention a) {                                  \
        attention_key_gradient<D>(key_gradient, value_gradient, gradient, q, k, v, delta, log_sum_exp, a);            \
    }

ATTENTION_KERNELS(16)
ATTENTION_KERNELS(32)
ATTENTION_KERNELS(48)
ATTENTION_KERNELS(64)
ATTENTION_KERNELS(80)
ATTENTION_KERNELS(96)
ATTENTION_KERNELS(128)
ATTENTION_KERNELS(160)
