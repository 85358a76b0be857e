"""Values and gradients of the tensor operations: `ops.safetensors` and its index `ops.json`.

Inputs are float32 draws; each operation runs in double precision on them and its results are rounded once to float32,
so the file holds the exact answer and the whole tolerance belongs to the implementation under test.
"""

import torch
import torch.nn.functional as F

from fixture_tools import GOLDEN, metadata, save_json, save_tensors

SEED = 20260101
SCRIPT = "subjects/ops.py"


class Cases:
    """Collects cases: draws inputs, runs the operation and its backward pass, names the tensors."""

    def __init__(self):
        self.generator = torch.Generator().manual_seed(SEED)
        self.tensors, self.index = {}, {}

    def draw(self, *shape, scale=1.0, shift=0.0):
        return torch.randn(shape, generator=self.generator) * scale + shift

    def integers(self, high, *shape):
        return torch.randint(0, high, shape, generator=self.generator)

    def add(self, case, op, inputs, run, parameters=None):
        """`inputs` maps names to float32 tensors (differentiated) or int64 and bool ones (not), in `run`'s order."""
        doubles = {
            name: value.double().requires_grad_() if value.is_floating_point() else value
            for name, value in inputs.items()
        }
        out = run(*doubles.values())
        grad_out = self.draw(*out.shape)
        leaves = {name: value for name, value in doubles.items() if value.is_floating_point()}
        gradients = torch.autograd.grad(out, list(leaves.values()), grad_out.double())
        for name, value in inputs.items():
            self.tensors[f"{case}/{name}"] = value
        self.tensors[f"{case}/out"] = out.float()
        self.tensors[f"{case}/grad_out"] = grad_out
        for name, value in zip(leaves, gradients):
            self.tensors[f"{case}/grad_{name}"] = value.float()
        self.index[case] = {
            "op": op,
            "parameters": parameters or {},
            "inputs": {name: list(value.shape) for name, value in inputs.items()},
            "out": list(out.shape),
            "differentiated": list(leaves),
        }


def make():
    cases = Cases()
    for add in (convolutions, products, norms, softmaxes, attentions, activations, resampling, indexing, reductions):
        add(cases)
    save_tensors(GOLDEN / "ops.safetensors", cases.tensors, metadata(SCRIPT, SEED, computed="float64"))
    save_json(GOLDEN / "ops.json", cases.index)


def convolutions(cases):
    def conv(case, batch, channels, height, width, out_channels, kernel, stride=1, padding=0, groups=1, bias=True,
             dilation=1, asymmetric=None):
        inputs = {
            "x": cases.draw(batch, channels, height, width),
            "weight": cases.draw(out_channels, channels // groups, kernel, kernel, scale=0.2),
        }
        if bias:
            inputs["bias"] = cases.draw(out_channels)

        def run(x, weight, bias=None):
            # `asymmetric` is (left, right, top, bottom), as in F.pad.
            padded = F.pad(x, asymmetric) if asymmetric else x
            return F.conv2d(padded, weight, bias, stride, padding, dilation, groups)

        cases.add(case, "conv2d", inputs, run, {
            "stride": stride, "padding": padding, "groups": groups, "dilation": dilation,
            "pad_left_right_top_bottom": list(asymmetric) if asymmetric else [0, 0, 0, 0],
        })

    conv("conv2d_3x3_s1_p1", 2, 6, 9, 7, 5, 3, padding=1)
    conv("conv2d_3x3_s1_p1_wide", 1, 32, 13, 14, 16, 3, padding=1)
    conv("conv2d_3x3_s1_p1_rgb", 2, 3, 8, 8, 16, 3, padding=1)
    conv("conv2d_3x3_s1_p0", 1, 4, 6, 5, 3, 3)
    conv("conv2d_3x3_s2_p1", 2, 6, 9, 8, 5, 3, stride=2, padding=1)
    conv("conv2d_3x3_s2_p1_wide", 1, 16, 12, 12, 32, 3, stride=2, padding=1)
    conv("conv2d_3x3_s2_asymmetric", 2, 6, 8, 10, 5, 3, stride=2, asymmetric=(0, 1, 0, 1))
    conv("conv2d_1x1", 2, 10, 5, 6, 7, 1)
    conv("conv2d_1x1_no_bias", 1, 16, 4, 4, 48, 1, bias=False)
    conv("conv2d_1x1_s2", 1, 4, 7, 6, 6, 1, stride=2)
    conv("conv2d_groups2", 2, 8, 6, 5, 6, 3, padding=1, groups=2)
    conv("conv2d_depthwise", 2, 6, 7, 7, 6, 3, padding=1, groups=6)
    conv("conv2d_depthwise_multiplier2", 1, 4, 6, 6, 8, 3, padding=1, groups=4)
    conv("conv2d_5x5", 1, 4, 9, 8, 6, 5, padding=2)
    conv("conv2d_4x4_s4_patches", 1, 3, 8, 12, 10, 4, stride=4)
    conv("conv2d_3x3_dilation2", 1, 4, 9, 9, 4, 3, padding=2, dilation=2)


def products(cases):
    cases.add("linear", "linear", {"x": cases.draw(3, 5, 12), "weight": cases.draw(7, 12), "bias": cases.draw(7)},
              lambda x, weight, bias: F.linear(x, weight, bias))
    cases.add("linear_no_bias", "linear", {"x": cases.draw(33, 40), "weight": cases.draw(24, 40)},
              lambda x, weight: F.linear(x, weight))
    cases.add("linear_one_row", "linear", {"x": cases.draw(1, 64), "weight": cases.draw(16, 64),
                                           "bias": cases.draw(16)},
              lambda x, weight, bias: F.linear(x, weight, bias))
    cases.add("matmul", "matmul", {"a": cases.draw(9, 17), "b": cases.draw(17, 11)}, lambda a, b: a @ b)
    cases.add("bmm", "bmm", {"a": cases.draw(4, 6, 9), "b": cases.draw(4, 9, 5)}, torch.bmm)
    cases.add("matmul_batch_broadcast", "matmul", {"a": cases.draw(2, 3, 4, 5), "b": cases.draw(3, 5, 6)},
              torch.matmul)


def norms(cases):
    def group(case, shape, groups, epsilon, affine=True, shift=0.0):
        inputs = {"x": cases.draw(*shape, shift=shift)}
        if affine:
            inputs["weight"] = cases.draw(shape[1], shift=1)
            inputs["bias"] = cases.draw(shape[1])
        cases.add(case, "group_norm", inputs,
                  lambda x, weight=None, bias=None: F.group_norm(x, groups, weight, bias, epsilon),
                  {"groups": groups, "epsilon": epsilon})

    group("group_norm", (2, 8, 5, 6), 4, 1e-5)
    group("group_norm_epsilon_1e-6", (2, 12, 4, 4), 4, 1e-6)
    group("group_norm_one_group", (2, 6, 3, 5), 1, 1e-5)
    group("group_norm_instance", (2, 6, 4, 3), 6, 1e-5)
    group("group_norm_wide", (1, 64, 8, 8), 32, 1e-5)
    group("group_norm_tokens", (2, 8, 11), 2, 1e-6)
    group("group_norm_no_affine", (1, 8, 4, 4), 2, 1e-5, affine=False)
    group("group_norm_large_mean", (1, 8, 6, 6), 2, 1e-5, shift=30.0)
    cases.add("layer_norm", "layer_norm",
              {"x": cases.draw(3, 7, 20), "weight": cases.draw(20, shift=1), "bias": cases.draw(20)},
              lambda x, weight, bias: F.layer_norm(x, (20,), weight, bias, 1e-5), {"epsilon": 1e-5})
    cases.add("layer_norm_large_mean", "layer_norm",
              {"x": cases.draw(5, 33, shift=50), "weight": cases.draw(33, shift=1), "bias": cases.draw(33)},
              lambda x, weight, bias: F.layer_norm(x, (33,), weight, bias, 1e-5), {"epsilon": 1e-5})
    cases.add("layer_norm_no_affine", "layer_norm", {"x": cases.draw(4, 18)},
              lambda x: F.layer_norm(x, (18,), None, None, 1e-6), {"epsilon": 1e-6})
    cases.add("rms_norm", "rms_norm", {"x": cases.draw(3, 7, 20), "weight": cases.draw(20, shift=1)},
              lambda x, weight: F.rms_norm(x, (20,), weight, 1e-6), {"epsilon": 1e-6})


def softmaxes(cases):
    cases.add("softmax", "softmax", {"x": cases.draw(3, 4, 19, scale=3)}, lambda x: x.softmax(-1), {"axis": -1})
    cases.add("softmax_axis_1", "softmax", {"x": cases.draw(2, 6, 5, scale=3)}, lambda x: x.softmax(1), {"axis": 1})
    cases.add("softmax_large_values", "softmax", {"x": cases.draw(4, 9, scale=40, shift=200)},
              lambda x: x.softmax(-1), {"axis": -1})
    cases.add("log_softmax", "log_softmax", {"x": cases.draw(3, 4, 19, scale=3)}, lambda x: x.log_softmax(-1),
              {"axis": -1})
    cases.add("logsumexp", "logsumexp", {"x": cases.draw(5, 13, scale=4)}, lambda x: x.logsumexp(-1), {"axis": -1})
    cases.add("logsumexp_axis_0_kept", "logsumexp", {"x": cases.draw(5, 7, scale=4)},
              lambda x: x.logsumexp(0, keepdim=True), {"axis": 0, "keep": True})


def attentions(cases):
    def attention(case, heads, queries, keys, dimension, batch=2, causal=False, mask=None, scale=None):
        inputs = {
            "queries": cases.draw(batch, heads, queries, dimension),
            "keys": cases.draw(batch, heads, keys, dimension),
            "values": cases.draw(batch, heads, keys, dimension),
        }
        if mask is not None:
            inputs["mask"] = mask
        cases.add(case, "attention", inputs,
                  lambda queries, keys, values, mask=None: F.scaled_dot_product_attention(
                      queries, keys, values, attn_mask=mask, is_causal=causal, scale=scale),
                  {"causal": causal, "scale": scale or dimension ** -0.5,
                   "mask": "additive" if mask is not None else None})

    attention("attention_self_d8", 3, 21, 21, 8)
    attention("attention_self_d40", 2, 17, 17, 40, batch=1)
    attention("attention_self_d64", 1, 19, 19, 64, batch=1)
    attention("attention_cross_77_d8", 2, 24, 77, 8)
    attention("attention_cross_77_d40", 1, 12, 77, 40, batch=1)
    attention("attention_cross_77_d64", 1, 9, 77, 64, batch=1)
    attention("attention_causal_d8", 2, 33, 33, 8, causal=True)
    attention("attention_causal_d40", 1, 14, 14, 40, causal=True)
    attention("attention_causal_d64", 1, 15, 15, 64, batch=1, causal=True)
    attention("attention_masked_d8", 2, 10, 23, 8, mask=cases.draw(2, 1, 10, 23, scale=2))
    attention("attention_masked_d40", 1, 8, 20, 40, mask=cases.draw(8, 20, scale=2))
    attention("attention_scaled_d8", 2, 6, 9, 8, scale=0.5)
    attention("attention_tiles_d8", 1, 150, 530, 8, batch=1)
    attention("attention_causal_tiles_d8", 1, 210, 210, 8, batch=1, causal=True)


def activations(cases):
    def elementwise(name, run, **parameters):
        cases.add(name, name, {"x": cases.draw(3, 43, scale=3)}, run, parameters)

    elementwise("silu", F.silu)
    elementwise("gelu", F.gelu)
    elementwise("gelu_tanh", lambda x: F.gelu(x, approximate="tanh"))
    elementwise("quick_gelu", lambda x: x * torch.sigmoid(1.702 * x))
    elementwise("sigmoid", torch.sigmoid)
    elementwise("tanh", torch.tanh)
    elementwise("exp", torch.exp)
    elementwise("softplus", F.softplus)
    elementwise("relu", F.relu)
    elementwise("sin", torch.sin)
    elementwise("cos", torch.cos)
    cases.add("log", "log", {"x": cases.draw(3, 11).abs() + 0.05}, torch.log)
    cases.add("sqrt", "sqrt", {"x": cases.draw(3, 11).abs() + 0.05}, torch.sqrt)
    cases.add("rsqrt", "rsqrt", {"x": cases.draw(3, 11).abs() + 0.05}, torch.rsqrt)
    cases.add("clamp", "clamp", {"x": cases.draw(3, 11, scale=2)}, lambda x: x.clamp(-1, 1.5),
              {"minimum": -1, "maximum": 1.5})

    def geglu(x, weight, bias):
        hidden, gate = F.linear(x, weight, bias).chunk(2, dim=-1)
        return hidden * F.gelu(gate)

    cases.add("geglu", "geglu", {"x": cases.draw(2, 5, 12), "weight": cases.draw(32, 12, scale=0.4),
                                 "bias": cases.draw(32)}, geglu)
    cases.add("geglu_gate_only", "geglu_gate", {"x": cases.draw(2, 5, 24)},
              lambda x: x.chunk(2, dim=-1)[0] * F.gelu(x.chunk(2, dim=-1)[1]))


def resampling(cases):
    def resize(case, shape, size, mode):
        align = {"align_corners": False} if mode in ("bilinear", "bicubic") else {}
        cases.add(case, f"interpolate_{mode}", {"x": cases.draw(*shape)},
                  lambda x: F.interpolate(x, size=size, mode=mode, **align), {"size": list(size), **align})

    resize("nearest_x2", (2, 3, 5, 4), (10, 8), "nearest")
    resize("nearest_to_odd_size", (1, 3, 4, 3), (7, 5), "nearest")
    resize("bilinear_x2", (2, 3, 5, 4), (10, 8), "bilinear")
    resize("bilinear_to_7x11", (1, 2, 5, 6), (7, 11), "bilinear")
    resize("bilinear_down", (1, 2, 9, 8), (4, 3), "bilinear")
    cases.add("avg_pool2d_2x2", "avg_pool2d", {"x": cases.draw(2, 3, 6, 8)}, lambda x: F.avg_pool2d(x, 2),
              {"kernel": 2, "stride": 2})
    cases.add("avg_pool2d_2x2_odd", "avg_pool2d", {"x": cases.draw(1, 3, 7, 5)}, lambda x: F.avg_pool2d(x, 2),
              {"kernel": 2, "stride": 2})
    cases.add("pad_constant", "pad_constant", {"x": cases.draw(2, 3, 4, 5)},
              lambda x: F.pad(x, (1, 2, 0, 3), value=0.5), {"pad_left_right_top_bottom": [1, 2, 0, 3], "value": 0.5})
    cases.add("pad_reflect", "pad_reflect", {"x": cases.draw(2, 3, 4, 5)},
              lambda x: F.pad(x, (2, 1, 1, 3), mode="reflect"), {"pad_left_right_top_bottom": [2, 1, 1, 3]})
    cases.add("pad_replicate", "pad_replicate", {"x": cases.draw(1, 2, 4, 5)},
              lambda x: F.pad(x, (2, 1, 1, 3), mode="replicate"), {"pad_left_right_top_bottom": [2, 1, 1, 3]})


def indexing(cases):
    cases.add("embedding", "embedding", {"indices": cases.integers(11, 3, 6), "table": cases.draw(11, 8)},
              lambda indices, table: F.embedding(indices, table))
    cases.add("gather_axis_1", "gather", {"x": cases.draw(4, 7), "indices": cases.integers(7, 4, 5)},
              lambda x, indices: x.gather(1, indices), {"axis": 1})
    cases.add("gather_axis_0", "gather", {"x": cases.draw(5, 3), "indices": cases.integers(5, 8, 3)},
              lambda x, indices: x.gather(0, indices), {"axis": 0})
    cases.add("index_select", "index_select", {"x": cases.draw(4, 6, 3), "indices": cases.integers(6, 9)},
              lambda x, indices: x.index_select(1, indices), {"axis": 1})
    cases.add("index_add", "index_add",
              {"x": cases.draw(6, 4), "indices": cases.integers(6, 9), "source": cases.draw(9, 4)},
              lambda x, indices, source: x.index_add(0, indices, source), {"axis": 0})
    cases.add("scatter_add", "scatter_add",
              {"x": cases.draw(4, 6), "indices": cases.integers(6, 4, 9), "source": cases.draw(4, 9)},
              lambda x, indices, source: x.scatter_add(1, indices, source), {"axis": 1})
    cases.add("cat_axis_1", "cat", {"a": cases.draw(2, 3, 4, 5), "b": cases.draw(2, 2, 4, 5)},
              lambda a, b: torch.cat([a, b], 1), {"axis": 1})
    cases.add("cat_axis_last", "cat", {"a": cases.draw(2, 3, 4), "b": cases.draw(2, 3, 6)},
              lambda a, b: torch.cat([a, b], -1), {"axis": -1})
    cases.add("where", "where", {"condition": cases.integers(2, 4, 5).bool(), "a": cases.draw(4, 5),
                                 "b": cases.draw(4, 1)},
              lambda condition, a, b: torch.where(condition, a, b))


def reductions(cases):
    cases.add("sum_axes_0_2", "sum", {"x": cases.draw(3, 4, 5)}, lambda x: x.sum((0, 2)), {"axes": [0, 2]})
    cases.add("mean_axis_1_kept", "mean", {"x": cases.draw(3, 4, 5)}, lambda x: x.mean(1, keepdim=True),
              {"axes": [1], "keep": True})
    cases.add("max_axis_1", "max", {"x": cases.draw(5, 7)}, lambda x: x.amax(1), {"axes": [1]})
    cases.add("var_axis_1", "var", {"x": cases.draw(4, 9, shift=5)}, lambda x: x.var(1, correction=1),
              {"axes": [1], "correction": 1})
    cases.add("var_biased_axes_1_2", "var", {"x": cases.draw(3, 4, 5, shift=5)},
              lambda x: x.var((1, 2), correction=0), {"axes": [1, 2], "correction": 0})
    cases.add("cumsum_axis_1", "cumsum", {"x": cases.draw(3, 9)}, lambda x: x.cumsum(1), {"axis": 1})
    cases.add("cumsum_axis_0", "cumsum", {"x": cases.draw(6, 4)}, lambda x: x.cumsum(0), {"axis": 0})
    cases.add("cumprod_axis_1", "cumprod", {"x": cases.draw(3, 9)}, lambda x: x.cumprod(1), {"axis": 1})
    with_zero = cases.draw(3, 6)
    with_zero[0, 2] = 0
    with_zero[1, 1] = with_zero[1, 4] = 0
    cases.add("cumprod_with_zeros", "cumprod", {"x": with_zero}, lambda x: x.cumprod(1), {"axis": 1})
    cases.add("multiply_broadcast", "multiply", {"a": cases.draw(3, 1, 5), "b": cases.draw(4, 1)},
              lambda a, b: a * b)
    cases.add("divide_broadcast", "divide", {"a": cases.draw(3, 4), "b": cases.draw(4).abs() + 0.5},
              lambda a, b: a / b)
