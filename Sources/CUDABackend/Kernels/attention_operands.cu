// What both files of attention kernels begin with.

struct AttentionStrides {
    i64 batch;
    i64 token;
    i64 head;
};

struct Attention {
    int batch;
    int heads;
    int queries;
    int keys;
    int dimension;
    int is_causal;
    float scale;
    const float* mask;  // null for none
    i64 mask_batch;
    i64 mask_head;
    i64 mask_query;
    i64 mask_key;
    AttentionStrides q;
    AttentionStrides k;
    AttentionStrides v;
};

// The sum over four neighbouring lanes, in each of them.
__device__ __forceinline__ float quad_sum(float x) {
    x += __shfl_xor_sync(0xffffffffu, x, 1);
    return x + __shfl_xor_sync(0xffffffffu, x, 2);
}

// scale * (q · k) + mask, or -infinity where the key is not seen.
__device__ __forceinline__ float score(const Attention& a, float product, int b, int h, int query, int key) {
    if (query >= a.queries || key >= a.keys) return -POSITIVE_INFINITY;
    if (a.is_causal && key > query + a.keys - a.queries) return -POSITIVE_INFINITY;
    float s = product * a.scale;
    return a.mask ? s + a.mask[b * a.mask_batch + h * a.mask_head + query * a.mask_query + key * a.mask_key] : s;
}
