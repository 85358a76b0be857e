// Group, layer and RMS norms.
//
// Group norm works on `[batch, pixels, channels]`. Statistics are taken in two passes, first the mean and then the mean
// square around it; sums run over chunks of pixels, whose parts a second kernel adds up in order.

// What a pass over the pixels sums, channel by channel.
enum { SUM_VALUES = 0, SUM_SQUARES = 1, SUM_GRADIENTS = 2 };

struct GroupNorm {
    const float* x;
    const float* gradient;  // of the output, in the backward pass
    const float* weight;    // null for ones
    const float* bias;      // null for zeros
    const float* mean;      // [batch, groups]
    const float* deviation;  // [batch, groups]: 1 / sqrt(variance + epsilon)
    i64 pixels;
    int channels;
    int groups;
    int is_silu;
};

__device__ __forceinline__ float normalized(const GroupNorm& norm, i64 batch, int channel, float x) {
    i64 group = batch * norm.groups + channel / (norm.channels / norm.groups);
    return (x - norm.mean[group]) * norm.deviation[group];
}

__device__ __forceinline__ float scaled(const GroupNorm& norm, int channel, float x) {
    return x * (norm.weight ? norm.weight[channel] : 1.0f) + (norm.bias ? norm.bias[channel] : 0.0f);
}

// The gradient before the activation that followed the norm.
__device__ __forceinline__ float inner_gradient(const GroupNorm& norm, int channel, float gradient, float unit) {
    if (!norm.is_silu) return gradient;
    float y = scaled(norm, channel, unit), s = sigmoid(y);
    return gradient * s * (1.0f + y * (1.0f - s));
}

// Blocks of 32 x 8 threads: 32 channels and a chunk of pixels. Grid: (channels, chunks, batch).
// `first` and `second` are `[batch, chunks, channels]`.
extern "C" __global__ void group_norm_sums(int kind, GroupNorm norm, float* first, float* second, i64 chunk) {
    __shared__ float parts[2][8][33];
    int channel = blockIdx.x * 32 + threadIdx.x;
    i64 batch = blockIdx.z, start = blockIdx.y * chunk;
    i64 end = start + chunk < norm.pixels ? start + chunk : norm.pixels;
    float a = 0.0f, b = 0.0f;
    if (channel < norm.channels) {
        i64 group = batch * norm.groups + channel / (norm.channels / norm.groups);
        float mean = kind == SUM_SQUARES ? norm.mean[group] : 0.0f;
        for (i64 pixel = start + threadIdx.y; pixel < end; pixel += 8) {
            i64 i = (batch * norm.pixels + pixel) * norm.channels + channel;
            float x = norm.x[i];
            if (kind == SUM_VALUES) {
                a += x;
            } else if (kind == SUM_SQUARES) {
                a += (x - mean) * (x - mean);
            } else {
                float unit = normalized(norm, batch, channel, x);
                float gradient = inner_gradient(norm, channel, norm.gradient[i], unit);
                a += gradient;
                b += gradient * unit;
            }
        }
    }
    parts[0][threadIdx.y][threadIdx.x] = a;
    parts[1][threadIdx.y][threadIdx.x] = b;
    __syncthreads();
    if (threadIdx.y != 0 || channel >= norm.channels) return;
    for (int i = 1; i < 8; i++) {
        a += parts[0][i][threadIdx.x];
        b += parts[1][i][threadIdx.x];
    }
    i64 target = (batch * gridDim.y + blockIdx.y) * norm.channels + channel;
    first[target] = a;
    if (second) second[target] = b;
}

// One warp a group: the mean of its sums, or 1 / sqrt(mean + epsilon). `sums` is `[batch, chunks, channels]`.
extern "C" __global__ void group_norm_statistic(
    int is_deviation, float* out, const float* sums, i64 count, i64 chunks, int channels, int groups, i64 pixels,
    float epsilon) {
    i64 index = blockIdx.x * (i64)(blockDim.x / 32) + threadIdx.x / 32;
    if (index >= count) return;
    int width = channels / groups, lane = threadIdx.x & 31;
    i64 batch = index / groups, group = index % groups;
    float total = 0.0f;
    for (i64 i = lane; i < chunks * width; i += 32)
        total += sums[(batch * chunks + i / width) * channels + group * width + i % width];
    total = warp_sum(total) / (float)(pixels * width);
    if (lane == 0) out[index] = is_deviation ? 1.0f / sqrtf(total + epsilon) : total;
}

extern "C" __global__ void group_norm_apply(float* out, GroupNorm norm, i64 count) {
    GRID_STRIDE(i, count) {
        int channel = (int)(i % norm.channels);
        i64 batch = i / norm.channels / norm.pixels;
        float y = scaled(norm, channel, normalized(norm, batch, channel, norm.x[i]));
        out[i] = norm.is_silu ? y * sigmoid(y) : y;
    }
}

// `sums` and `products` are `[batch, channels]`: of the inner gradient, and of it times the normalized input.
// One warp a group gives what its pixels share.
extern "C" __global__ void group_norm_shared_gradients(
    float* mean_gradient, float* mean_product, const float* sums, const float* products, const float* weight,
    i64 count, int channels, int groups, i64 pixels) {
    i64 index = blockIdx.x * (i64)(blockDim.x / 32) + threadIdx.x / 32;
    if (index >= count) return;
    int width = channels / groups, lane = threadIdx.x & 31;
    i64 start = index / groups * channels + index % groups * width;
    float a = 0.0f, b = 0.0f;
    for (int i = lane; i < width; i += 32) {
        float w = weight ? weight[index % groups * width + i] : 1.0f;
        a += w * sums[start + i];
        b += w * products[start + i];
    }
    a = warp_sum(a);
    b = warp_sum(b);
    if (lane != 0) return;
    mean_gradient[index] = a / (float)(pixels * width);
    mean_product[index] = b / (float)(pixels * width);
}

extern "C" __global__ void group_norm_input_gradient(
    float* out, GroupNorm norm, const float* mean_gradient, const float* mean_product, i64 count) {
    GRID_STRIDE(i, count) {
        int channel = (int)(i % norm.channels);
        i64 batch = i / norm.channels / norm.pixels;
        i64 group = batch * norm.groups + channel / (norm.channels / norm.groups);
        float unit = normalized(norm, batch, channel, norm.x[i]);
        float inner = inner_gradient(norm, channel, norm.gradient[i], unit);
        float weight = norm.weight ? norm.weight[channel] : 1.0f;
        out[i] = norm.deviation[group] * (weight * inner - mean_gradient[group] - unit * mean_product[group]);
    }
}

// Norms of rows, one warp a row. Without `mean` it is an RMS norm.
extern "C" __global__ void row_norm(
    float* out, float* mean, float* deviation, const float* x, const float* weight, const float* bias, i64 rows,
    i64 columns, float epsilon) {
    i64 row = blockIdx.x * (i64)(blockDim.x / 32) + threadIdx.x / 32;
    if (row >= rows) return;
    int lane = threadIdx.x & 31;
    const float* start = x + row * columns;
    float centre = 0.0f;
    if (mean) {
        // Around the first element, so that a row of equal numbers has exactly their mean.
        for (i64 i = lane; i < columns; i += 32) centre += start[i] - start[0];
        centre = warp_sum(centre) / (float)columns + start[0];
    }
    float squares = 0.0f;
    for (i64 i = lane; i < columns; i += 32) squares += (start[i] - centre) * (start[i] - centre);
    float scale = 1.0f / sqrtf(warp_sum(squares) / (float)columns + epsilon);
    for (i64 i = lane; i < columns; i += 32) {
        float y = (start[i] - centre) * scale * (weight ? weight[i] : 1.0f);
        out[row * columns + i] = bias ? y + bias[i] : y;
    }
    if (lane != 0) return;
    if (mean) mean[row] = centre;
    deviation[row] = scale;
}

extern "C" __global__ void row_norm_input_gradient(
    float* out, const float* gradient, const float* x, const float* mean, const float* deviation,
    const float* weight, i64 rows, i64 columns) {
    i64 row = blockIdx.x * (i64)(blockDim.x / 32) + threadIdx.x / 32;
    if (row >= rows) return;
    int lane = threadIdx.x & 31;
    i64 start = row * columns;
    float centre = mean ? mean[row] : 0.0f, scale = deviation[row];
    float sum = 0.0f, product = 0.0f;
    for (i64 i = lane; i < columns; i += 32) {
        float inner = gradient[start + i] * (weight ? weight[i] : 1.0f);
        sum += inner;
        product += inner * (x[start + i] - centre) * scale;
    }
    sum = mean ? warp_sum(sum) / (float)columns : 0.0f;
    product = warp_sum(product) / (float)columns;
    for (i64 i = lane; i < columns; i += 32) {
        float inner = gradient[start + i] * (weight ? weight[i] : 1.0f);
        out[start + i] = scale * (inner - sum - (x[start + i] - centre) * scale * product);
    }
}

// Blocks of 32 x 8 threads: sums over a chunk of rows. Grid: (columns, chunks). Both results are `[chunks, columns]`.
extern "C" __global__ void row_norm_parameter_gradients(
    float* weight_parts, float* bias_parts, const float* gradient, const float* x, const float* mean,
    const float* deviation, i64 rows, i64 columns, i64 chunk) {
    __shared__ float parts[2][8][33];
    i64 column = blockIdx.x * 32ll + threadIdx.x, first = blockIdx.y * chunk;
    i64 last = first + chunk < rows ? first + chunk : rows;
    float a = 0.0f, b = 0.0f;
    if (column < columns) {
        for (i64 row = first + threadIdx.y; row < last; row += 8) {
            float g = gradient[row * columns + column];
            a += g * (x[row * columns + column] - (mean ? mean[row] : 0.0f)) * deviation[row];
            b += g;
        }
    }
    parts[0][threadIdx.y][threadIdx.x] = a;
    parts[1][threadIdx.y][threadIdx.x] = b;
    __syncthreads();
    if (threadIdx.y != 0 || column >= columns) return;
    for (int i = 1; i < 8; i++) {
        a += parts[0][i][threadIdx.x];
        b += parts[1][i][threadIdx.x];
    }
    weight_parts[blockIdx.y * columns + column] = a;
    bias_parts[blockIdx.y * columns + column] = b;
}
