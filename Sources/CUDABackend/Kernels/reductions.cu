// Reductions of `[outer, axis, inner]` over the axis, running sums, and the softmax of rows.
// Every sum is taken in an order that depends on the shape only.

template <typename T>
__device__ __forceinline__ T combine(int reduction, T a, T b) {
    switch (reduction) {
        case 0: return a + b;
        case 1: return a != a || b != b ? a + b : (a > b ? a : b);
        case 2: return a != a || b != b ? a + b : (a < b ? a : b);
        default: return a * b;
    }
}

template <typename T>
__device__ __forceinline__ T neutral(int reduction, T lowest, T highest) {
    return reduction == 0 ? (T)0 : (reduction == 1 ? lowest : (reduction == 2 ? highest : (T)1));
}

// inner == 1: one block of 256 threads a chunk of a row. Grid: (rows, chunks). `out` is `[rows, chunks]`.
extern "C" __global__ void reduce_rows_f32(int reduction, float* out, const float* x, i64 axis, i64 chunk) {
    __shared__ float parts[256];
    const float* row = x + blockIdx.x * axis;
    i64 last = (blockIdx.y + 1) * chunk < axis ? (blockIdx.y + 1) * chunk : axis;
    float total = neutral<float>(reduction, -POSITIVE_INFINITY, POSITIVE_INFINITY);
    for (i64 i = blockIdx.y * chunk + threadIdx.x; i < last; i += blockDim.x)
        total = combine<float>(reduction, total, row[i]);
    parts[threadIdx.x] = total;
    __syncthreads();
    for (int distance = blockDim.x / 2; distance > 0; distance /= 2) {
        if (threadIdx.x < distance)
            parts[threadIdx.x] = combine<float>(reduction, parts[threadIdx.x], parts[threadIdx.x + distance]);
        __syncthreads();
    }
    if (threadIdx.x == 0) out[(i64)blockIdx.x * gridDim.y + blockIdx.y] = parts[0];
}

// One thread a line, for short axes.
extern "C" __global__ void reduce_lines_f32(
    int reduction, float* out, const float* x, i64 lines, i64 axis, i64 inner) {
    GRID_STRIDE(line, lines) {
        const float* start = x + line / inner * axis * inner + line % inner;
        float total = neutral<float>(reduction, -POSITIVE_INFINITY, POSITIVE_INFINITY);
        for (i64 i = 0; i < axis; i++) total = combine<float>(reduction, total, start[i * inner]);
        out[line] = total;
    }
}

// Blocks of 32 x 8 threads: 32 columns of `inner`, and a chunk of the axis that eight threads share.
// Grid: (columns, chunks, outer). `out` is `[outer, chunks, inner]`.
extern "C" __global__ void reduce_columns_f32(
    int reduction, float* out, const float* x, i64 axis, i64 inner, i64 chunk) {
    __shared__ float parts[8][33];
    i64 column = blockIdx.x * 32ll + threadIdx.x;
    i64 first = blockIdx.y * chunk;
    i64 last = first + chunk < axis ? first + chunk : axis;
    float total = neutral<float>(reduction, -POSITIVE_INFINITY, POSITIVE_INFINITY);
    if (column < inner)
        for (i64 i = first + threadIdx.y; i < last; i += 8)
            total = combine<float>(reduction, total, x[(blockIdx.z * axis + i) * inner + column]);
    parts[threadIdx.y][threadIdx.x] = total;
    __syncthreads();
    if (threadIdx.y != 0 || column >= inner) return;
    for (int i = 1; i < 8; i++) total = combine<float>(reduction, total, parts[i][threadIdx.x]);
    out[((i64)blockIdx.z * gridDim.y + blockIdx.y) * inner + column] = total;
}

extern "C" __global__ void reduce_i64(int reduction, i64* out, const i64* x, i64 lines, i64 axis, i64 inner) {
    GRID_STRIDE(line, lines) {
        const i64* start = x + line / inner * axis * inner + line % inner;
        i64 total = neutral<i64>(reduction, -9223372036854775807ll - 1, 9223372036854775807ll);
        for (i64 i = 0; i < axis; i++) total = combine<i64>(reduction, total, start[i * inner]);
        out[line] = total;
    }
}

// A NaN counts as the largest.
extern "C" __global__ void argument_maximum_f32(i64* out, const float* x, i64 lines, i64 axis, i64 inner) {
    GRID_STRIDE(line, lines) {
        const float* start = x + line / inner * axis * inner + line % inner;
        i64 best = 0;
        for (i64 i = 1; i < axis; i++) {
            float value = start[i * inner], leader = start[best * inner];
            if (leader == leader && (value > leader || value != value)) best = i;
        }
        out[line] = best;
    }
}

extern "C" __global__ void cumulative_f32(
    int is_product, int is_reversed, float* out, const float* x, i64 lines, i64 axis, i64 inner) {
    GRID_STRIDE(line, lines) {
        i64 start = line / inner * axis * inner + line % inner;
        float total = is_product ? 1.0f : 0.0f;
        for (i64 step = 0; step < axis; step++) {
            i64 i = start + (is_reversed ? axis - 1 - step : step) * inner;
            total = is_product ? total * x[i] : total + x[i];
            out[i] = total;
        }
    }
}

// One block of 256 threads a row.
extern "C" __global__ void softmax_f32(int is_logarithm, float* out, const float* x, i64 columns) {
    __shared__ float shared[32];
    const float* row = x + blockIdx.x * columns;
    float* result = out + blockIdx.x * columns;
    float largest = -POSITIVE_INFINITY;
    for (i64 i = threadIdx.x; i < columns; i += blockDim.x) largest = fmaxf(largest, row[i]);
    largest = block_max(largest, shared);
    float total = 0.0f;
    for (i64 i = threadIdx.x; i < columns; i += blockDim.x) total += expf(row[i] - largest);
    total = block_sum(total, shared);
    float scale = 1.0f / total, shift = largest + logf(total);
    for (i64 i = threadIdx.x; i < columns; i += blockDim.x)
        result[i] = is_logarithm ? row[i] - shift : expf(row[i] - largest) * scale;
}

extern "C" __global__ void softmax_backward_f32(
    int is_logarithm, float* out, const float* gradient, const float* y, i64 columns) {
    __shared__ float shared[32];
    i64 start = blockIdx.x * columns;
    float total = 0.0f;
    for (i64 i = start + threadIdx.x; i < start + columns; i += blockDim.x)
        total += is_logarithm ? gradient[i] : gradient[i] * y[i];
    total = block_sum(total, shared);
    for (i64 i = start + threadIdx.x; i < start + columns; i += blockDim.x)
        out[i] = is_logarithm ? gradient[i] - expf(y[i]) * total : y[i] * (gradient[i] - total);
}
