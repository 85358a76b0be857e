// Filling, copying, converting and indexing.

#define FILL_KERNEL(bits, T) \
    extern "C" __global__ void fill_##bits(T* out, T value, i64 count) { GRID_STRIDE(i, count) out[i] = value; }

FILL_KERNEL(8, u8)
FILL_KERNEL(16, u16)
FILL_KERNEL(32, u32)
FILL_KERNEL(64, i64)

// Element i of a shape (slowest dimension first) lies at `to` in the target and at `from` in the source.
struct Move {
    int rank;
    u32 shape[8];
    i64 to[8];
    i64 from[8];
};

#define MOVE_KERNEL(bits, T)                                                                 \
    extern "C" __global__ void move_##bits(T* out, const T* x, Move move, i64 count) {       \
        GRID_STRIDE(i, count) {                                                              \
            i64 to = 0, from = 0;                                                            \
            u32 rest = (u32)i;                                                               \
            for (int d = move.rank - 1; d >= 0; d--) {                                       \
                u32 next = rest / move.shape[d];                                             \
                u32 index = rest - next * move.shape[d];                                     \
                rest = next;                                                                 \
                to += index * move.to[d];                                                    \
                from += index * move.from[d];                                                \
            }                                                                                \
            out[to] = x[from];                                                               \
        }                                                                                    \
    }

MOVE_KERNEL(8, u8)
MOVE_KERNEL(16, u16)
MOVE_KERNEL(32, u32)
MOVE_KERNEL(64, i64)

// Element types by number: float32, bfloat16, float16, int32, int64, uint8, bool.
__device__ __forceinline__ float as_float(int type, const void* x, i64 i) {
    switch (type) {
        case 0: return ((const float*)x)[i];
        case 1: return widen_bfloat16(((const u16*)x)[i]);
        case 2: return widen_float16(((const u16*)x)[i]);
        case 3: return (float)((const int*)x)[i];
        case 4: return (float)((const i64*)x)[i];
        default: return (float)((const u8*)x)[i];
    }
}

__device__ __forceinline__ i64 as_integer(int type, const void* x, i64 i) {
    switch (type) {
        case 3: return ((const int*)x)[i];
        case 4: return ((const i64*)x)[i];
        default: return ((const u8*)x)[i];
    }
}

__device__ __forceinline__ i64 truncated(float x, float low, float high, i64 lowest, i64 highest) {
    return x != x ? 0 : (x >= high ? highest : (x < low ? lowest : (i64)x));
}

extern "C" __global__ void convert(int from, int to, void* out, const void* x, i64 count) {
    GRID_STRIDE(i, count) {
        if (from >= 3 && to >= 3) {
            i64 value = as_integer(from, x, i);
            switch (to) {
                case 3: ((int*)out)[i] = (int)value; break;
                case 4: ((i64*)out)[i] = value; break;
                case 5: ((u8*)out)[i] = from == 6 ? (u8)value : (u8)(value < 0 ? 0 : (value > 255 ? 255 : value)); break;
                default: ((u8*)out)[i] = value != 0; break;
            }
            continue;
        }
        float value = as_float(from, x, i);
        switch (to) {
            case 0: ((float*)out)[i] = value; break;
            case 1: ((u16*)out)[i] = narrow_bfloat16(value); break;
            case 2: ((u16*)out)[i] = narrow_float16(value); break;
            case 3: ((int*)out)[i] = (int)truncated(value, -2147483648.0f, 2147483648.0f, -2147483648ll, 2147483647ll); break;
            case 4:
                ((i64*)out)[i] = truncated(
                    value, -9223372036854775808.0f, 9223372036854775808.0f, -9223372036854775807ll - 1,
                    9223372036854775807ll);
                break;
            case 5: ((u8*)out)[i] = value >= 255.0f ? 255 : (value > 0.0f ? (u8)value : 0); break;
            default: ((u8*)out)[i] = value != 0.0f; break;
        }
    }
}

// Rows as words of four bytes, or as bytes.
#define GATHER_ROWS_KERNEL(bits, T)                                                                              \
    extern "C" __global__ void gather_rows_##bits(T* out, const T* table, const i64* rows, i64 count, i64 width) { \
        GRID_STRIDE(i, count * width) out[i] = table[rows[i / width] * width + i % width];                        \
    }

GATHER_ROWS_KERNEL(8, u8)
GATHER_ROWS_KERNEL(32, u32)

// One thread adds all rows that go to its place, in their order, so that the sum has the same bits every time.
extern "C" __global__ void scatter_add_rows_f32(
    float* out, const float* rows, const i64* indices, i64 count, i64 places, i64 width) {
    GRID_STRIDE(i, places * width) {
        i64 place = i / width, column = i % width;
        float sum = 0.0f;
        for (i64 row = 0; row < count; row++)
            if (indices[row] == place) sum += rows[row * width + column];
        out[i] = sum;
    }
}

#define GATHER_KERNEL(bits, T)                                                                          \
    extern "C" __global__ void gather_##bits(                                                           \
        T* out, const T* x, const i64* indices, i64 count, i64 size, i64 picked, i64 inner) {           \
        GRID_STRIDE(i, count) {                                                                         \
            i64 outer = i / (picked * inner);                                                           \
            out[i] = x[(outer * size + indices[i]) * inner + i % inner];                                \
        }                                                                                               \
    }

GATHER_KERNEL(8, u8)
GATHER_KERNEL(16, u16)
GATHER_KERNEL(32, u32)
GATHER_KERNEL(64, i64)

// One thread a line along the axis; `out` is zero before.
extern "C" __global__ void scatter_add_f32(
    float* out, const float* updates, const i64* indices, i64 lines, i64 size, i64 picked, i64 inner) {
    GRID_STRIDE(line, lines) {
        i64 outer = line / inner, column = line % inner;
        for (i64 j = 0; j < picked; j++) {
            i64 i = (outer * picked + j) * inner + column;
            out[(outer * size + indices[i]) * inner + column] += updates[i];
        }
    }
}
