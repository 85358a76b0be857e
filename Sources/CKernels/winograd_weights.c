// Weights of a 3x3 convolution into Winograd's domain: U = G g G^T, in the order in which the products read it.
#include "winograd_weights.h"

typedef struct weights_context {
    float *u;
    tk_winograd_weights weights;
    const tk_winograd_shape *shape;
} weights_context;

TK_KERNEL static void weights_body(void *context, size_t begin, size_t end, size_t thread) {
    const weights_context *c = context;
    const tk_winograd_shape *s = c->shape;
    (void)thread;
    const size_t blocks = tk_ceiling(s->in_channels, TK_LANES);
    for (; begin < end; begin++) {
        const size_t chunk = begin / blocks, channel = begin % blocks * TK_LANES, depth = s->in_channels;
        float *u = c->u + tk_winograd_chunk(s, chunk);
        if (s->tile == 4) {
            tk_winograd_transform_block(u, 0, depth, c->weights, s, chunk, channel, 4);
        } else {
            tk_winograd_transform_block(u, 0, depth, c->weights, s, chunk, channel, 2);
        }
    }
}

size_t tk_winograd_transformed_count(const tk_winograd_shape *s) {
    return tk_winograd_points(s) * s->in_channels * tk_ceiling(s->out_channels, TK_LANES) * TK_LANES;
}

void tk_winograd_transform_weights_f32(float *u, tk_winograd_weights weights, const tk_winograd_shape *s) {
    weights_context context = {u, weights, s};
    const size_t chunks = tk_ceiling(s->out_channels, TK_CHUNK), blocks = tk_ceiling(s->in_channels, TK_LANES);
    tk_parallel_for(chunks * blocks, 1, weights_body, &context);
}
