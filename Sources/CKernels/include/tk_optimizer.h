// Fused optimiser steps.
#pragma once
#include <stdbool.h>
#include <stddef.h>

typedef struct tk_adam {
    float learning_rate, beta1, beta2, epsilon, weight_decay;
    double bias_correction1, bias_correction2;  // 1 - beta^step; 1 for none
    bool decoupled;                             // AdamW: p shrinks by 1 - lr wd; Adam otherwise: g grows by wd p
    float ema_decay;                            // read only when ema is given
} tk_adam;

// One step over n values, in PyTorch's order of operations:
//     m = m + (1 - beta1) (g - m);  v = beta2 v + (1 - beta2) g^2
//     p = p - learning_rate / c1  m / (sqrt(v) / sqrt(c2) + epsilon)
//     ema = ema_decay ema + (1 - ema_decay) p                          (when ema_out is not NULL)
// Each output may be its own input (in place).
void tk_adam_step_f32(float *p_out, float *m_out, float *v_out, float *ema_out, const float *p, const float *m,
                      const float *v, const float *ema, const float *g, size_t n, const tk_adam *settings);
