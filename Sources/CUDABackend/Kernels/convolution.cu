// Convolutions as matrix products: patches of a channels-last map become rows, and rows go back to the map.

struct Patches {
    int batch;
    int height;
    int width;
    int channels;        // of the map
    int first_channel;   // of the group
    int group_channels;
    int out_height;
    int out_width;
    int kernel_height;
    int kernel_width;
    int stride;
    int dilation;
    int pad_top;
    int pad_left;
};

// `[batch * out_height * out_width, kernel_height * kernel_width * group_channels]`, zeros beyond the map's edge.
// `lanes` elements of a pixel are moved at once: 1, or 4 where four divides both channel counts.
#define PATCHES_KERNEL(suffix, T, lanes)                                                                              \
    extern "C" __global__ void patches_from_map_##suffix(T* out, const T* x, T zero, Patches p, i64 count) {          \
        u32 channels = p.group_channels / lanes, taps = p.kernel_height * p.kernel_width;                             \
        GRID_STRIDE(i, count) {                                                                                       \
            u32 c = (u32)(i % channels);                                                                              \
            i64 rest = i / channels;                                                                                  \
            u32 tap = (u32)(rest % taps);                                                                             \
            rest /= taps;                                                                                             \
            int out_column = (int)(rest % p.out_width);                                                               \
            rest /= p.out_width;                                                                                      \
            int out_row = (int)(rest % p.out_height);                                                                 \
            i64 n = rest / p.out_height;                                                                              \
            int row = out_row * p.stride - p.pad_top + (int)(tap / p.kernel_width) * p.dilation;                      \
            int column = out_column * p.stride - p.pad_left + (int)(tap % p.kernel_width) * p.dilation;               \
            bool is_inside = row >= 0 && row < p.height && column >= 0 && column < p.width;                           \
            i64 pixel = (n * p.height + row) * p.width + column;                                                      \
            out[i] = is_inside ? x[(pixel * p.channels + p.first_channel) / lanes + c] : zero;                        \
        }                                                                                                             \
    }

PATCHES_KERNEL(f32, float, 1)
PATCHES_KERNEL(f32_by_four, float4, 4)
PATCHES_KERNEL(bf16, u16, 1)
PATCHES_KERNEL(bf16_by_four, i64, 4)

// The transpose of `patches_from_map`: each element of the map gathers what its copies received.
// `count` runs over `[batch, height, width, group_channels]`.
extern "C" __global__ void map_from_patches(float* out, const float* patches, Patches p, i64 count) {
    GRID_STRIDE(i, count) {
        u32 c = (u32)(i % p.group_channels);
        i64 rest = i / p.group_channels;
        int column = (int)(rest % p.width);
        rest /= p.width;
        int row = (int)(rest % p.height);
        i64 n = rest / p.height;
        float sum = 0.0f;
        for (int ky = 0; ky < p.kernel_height; ky++) {
            int y = row + p.pad_top - ky * p.dilation;
            if (y < 0 || y % p.stride != 0 || y / p.stride >= p.out_height) continue;
            for (int kx = 0; kx < p.kernel_width; kx++) {
                int x = column + p.pad_left - kx * p.dilation;
                if (x < 0 || x % p.stride != 0 || x / p.stride >= p.out_width) continue;
                i64 patch = (n * p.out_height + y / p.stride) * p.out_width + x / p.stride;
                sum += patches[(patch * p.kernel_height * p.kernel_width + ky * p.kernel_width + kx) * p.group_channels + c];
            }
        }
        out[((n * p.height + row) * p.width + column) * p.channels + p.first_channel + c] = sum;
    }
}

// Adds `bias [columns]` to every row.
extern "C" __global__ void add_bias(float* out, const float* bias, i64 count, i64 columns) {
    GRID_STRIDE(i, count) out[i] += bias[i % columns];
}

// Repeats each pixel `factor` times in both directions; `count` runs over the result.
extern "C" __global__ void upsample_nearest(
    float* out, const float* x, i64 count, int height, int width, int channels, int factor) {
    GRID_STRIDE(i, count) {
        int c = (int)(i % channels);
        i64 rest = i / channels;
        int column = (int)(rest % (width * factor)) / factor;
        rest /= width * factor;
        int row = (int)(rest % (height * factor)) / factor;
        i64 n = rest / (height * factor);
        out[i] = x[((n * height + row) * width + column) * channels + c];
    }
}

// `count` runs over `[batch, height, width, channels]`.
extern "C" __global__ void upsample_nearest_backward(
    float* out, const float* gradient, i64 count, int height, int width, int channels, int factor) {
    GRID_STRIDE(i, count) {
        int c = (int)(i % channels);
        i64 rest = i / channels;
        int column = (int)(rest % width);
        rest /= width;
        int row = (int)(rest % height);
        i64 n = rest / height;
        float sum = 0.0f;
        for (int dy = 0; dy < factor; dy++)
            for (int dx = 0; dx < factor; dx++)
                sum += gradient[((n * height * factor + row * factor + dy) * (i64)width * factor + column * factor + dx) * channels + c];
        out[i] = sum;
    }
}
