// GEGLU and the step of Adam.

__device__ __forceinline__ float normal_cdf(float x) { return 0.5f * (1.0f + erff(x * 0.7071067811865476f)); }

// `x [rows, 2 * channels]`: hidden first, gate second.
extern "C" __global__ void geglu(float* out, const float* x, i64 count, i64 channels) {
    GRID_STRIDE(i, count) {
        i64 row = i / channels, channel = i % channels;
        float hidden = x[row * 2 * channels + channel], gate = x[row * 2 * channels + channels + channel];
        out[i] = hidden * gate * normal_cdf(gate);
    }
}

extern "C" __global__ void geglu_backward(float* out, const float* gradient, const float* x, i64 count, i64 channels) {
    GRID_STRIDE(i, count) {
        i64 row = i / channels, channel = i % channels, first = row * 2 * channels + channel;
        float hidden = x[first], gate = x[first + channels], cdf = normal_cdf(gate);
        float density = 0.3989422804014327f * expf(-0.5f * gate * gate);
        out[first] = gradient[i] * gate * cdf;
        out[first + channels] = gradient[i] * hidden * (cdf + gate * density);
    }
}

struct Adam {
    float learning_rate;
    float beta1;
    float beta2;
    float epsilon;
    float weight_decay;
    float correction1;  // 1 - beta1^n
    float correction2;  // 1 - beta2^n
    float gradient_scale;
    int is_decoupled;
};

extern "C" __global__ void adam_step(
    float* parameter_out, float* first_out, float* second_out, const float* parameter, const float* first,
    const float* second, const float* gradient, Adam adam, i64 count) {
    float rate = adam.learning_rate / adam.correction1, root = sqrtf(adam.correction2);
    GRID_STRIDE(i, count) {
        float p = parameter[i], g = gradient[i] * adam.gradient_scale;
        if (adam.is_decoupled) {
            p *= 1.0f - adam.learning_rate * adam.weight_decay;
        } else {
            g += adam.weight_decay * p;
        }
        float m = first[i] + (1.0f - adam.beta1) * (g - first[i]);
        float v = adam.beta2 * second[i] + (1.0f - adam.beta2) * g * g;
        first_out[i] = m;
        second_out[i] = v;
        parameter_out[i] = p - rate * m / (sqrtf(v) / root + adam.epsilon);
    }
}
