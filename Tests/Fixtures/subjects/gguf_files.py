"""GGUF files: every block format with random blocks and what the `gguf` package widens them to, and the tiny language
models of `tiny-lm` as llama.cpp's conversion would write them.

- `gguf/blocks.gguf`, `gguf/blocks.safetensors`: tensors `NAME` of random bytes (scales are finite), and their numbers;
- `gguf/NAME.gguf`: the model of `tiny-lm/NAME` in F32.
"""

import json

import gguf
import numpy as np
import torch
from safetensors.torch import load_file

from fixture_tools import GOLDEN, metadata, save_tensors

SCRIPT = "subjects/gguf_files.py"
FORMATS = ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K"]
HALVES = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q4_K": [0, 2], "Q5_K": [0, 2],
          "Q6_K": [208]}


def make():
    folder = GOLDEN / "gguf"
    folder.mkdir(parents=True, exist_ok=True)
    make_blocks(folder)
    for name, write in {"llama": llama, "gemma2": gemma, "gemma3": gemma, "gpt2": gpt2, "gpt-neox": neox,
                        "mamba": mamba}.items():
        write_model(folder / f"{name}.gguf", name, write)


def make_blocks(folder):
    generator = np.random.default_rng(5)
    writer = gguf.GGUFWriter(folder / "blocks.gguf", "test")
    numbers = {}
    for name in FORMATS:
        kind = gguf.GGMLQuantizationType[name]
        count, size = gguf.GGML_QUANT_SIZES[kind]
        rows, blocks = 3, 2 if count == 256 else 5
        data = generator.integers(0, 256, (rows, blocks, size), dtype=np.uint8)
        for place in HALVES[name]:
            scales = generator.normal(0, 0.05, (rows, blocks)).astype(np.float16)
            # A subnormal scale and a zero among them.
            scales[0, 0], scales[1, 0] = np.float16(3e-7), np.float16(0)
            data[:, :, place:place + 2] = scales.view(np.uint8).reshape(rows, blocks, 2)
        data = data.reshape(rows, blocks * size)
        writer.add_tensor(name, data, raw_dtype=kind)
        numbers[name] = torch.from_numpy(gguf.quants.dequantize(data, kind).copy())
    half = generator.normal(0, 1, (3, 7)).astype(np.float16)
    writer.add_tensor("F16", half)
    numbers["F16"] = torch.from_numpy(half.astype(np.float32))
    brain = torch.from_numpy(generator.normal(0, 1, (3, 8)).astype(np.float32)).bfloat16()
    writer.add_tensor("BF16", brain.view(torch.uint16).numpy().view(np.uint8).reshape(3, 16),
                      raw_dtype=gguf.GGMLQuantizationType.BF16)
    numbers["BF16"] = brain.float()
    finish(writer)
    save_tensors(folder / "blocks.safetensors", numbers,
                 metadata(SCRIPT, 5, gguf=gguf.__version__ if hasattr(gguf, "__version__") else "0.19.0"))


def finish(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_model(path, name, write):
    source = GOLDEN / "tiny-lm" / name
    config = json.loads((source / "config.json").read_text())
    tensors = {key: value.numpy() for key, value in load_file(source / "model.safetensors").items()}
    architecture = {"gpt-neox": "gptneox"}.get(name, name)
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    for key, value in write(writer, config, tensors).items():
        writer.add_tensor(key, np.ascontiguousarray(value.astype(np.float32)))
    finish(writer)


def sizes(writer, config):
    writer.add_context_length(config.get("max_position_embeddings") or config.get("n_positions"))
    writer.add_embedding_length(config.get("hidden_size") or config.get("n_embd"))
    writer.add_block_count(config.get("num_hidden_layers") or config.get("n_layer"))
    inner = config.get("intermediate_size") or 4 * config["n_embd"]
    writer.add_feed_forward_length(inner)
    writer.add_head_count(config.get("num_attention_heads") or config.get("n_head"))


def renamed(tensors, names, layer_names, prefix):
    result = {}
    for key, value in tensors.items():
        stem, suffix = key.rsplit(".", 1) if key.endswith((".weight", ".bias")) else (key, "")
        if stem in names:
            target = names[stem]
        else:
            number, inner = stem.removeprefix(prefix + ".").split(".", 1)
            target = f"blk.{number}.{layer_names[inner]}"
        result[f"{target}.{suffix}" if suffix else target] = value
    return result


def side_by_side(weight, heads):
    """llama.cpp's order of the two channels of a turning pair."""
    return weight.reshape(heads, 2, weight.shape[0] // heads // 2, *weight.shape[1:]).swapaxes(1, 2).reshape(weight.shape)


DECODER = {
    "input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
}
OUTER = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}


def llama(writer, config, tensors):
    sizes(writer, config)
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(config["rope_parameters"]["rope_theta"])
    writer.add_rope_dimension_count(config["head_dim"])
    result = renamed(tensors, OUTER, {**DECODER, "post_attention_layernorm": "ffn_norm"}, "model.layers")
    for key in result:
        if "attn_q." in key:
            result[key] = side_by_side(result[key], config["num_attention_heads"])
        if "attn_k." in key:
            result[key] = side_by_side(result[key], config["num_key_value_heads"])
    return result


def gemma(writer, config, tensors):
    sizes(writer, config)
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_key_length(config["head_dim"])
    writer.add_value_length(config["head_dim"])
    writer.add_sliding_window(config["sliding_window"])
    if config["model_type"] == "gemma2":
        writer.add_attn_logit_softcapping(config["attn_logit_softcapping"])
        writer.add_final_logit_softcapping(config["final_logit_softcapping"])
    result = renamed(tensors, OUTER, {
        **DECODER, "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
        "post_attention_layernorm": "post_attention_norm", "pre_feedforward_layernorm": "ffn_norm",
        "post_feedforward_layernorm": "post_ffw_norm"}, "model.layers")
    return {key: value + 1 if key.endswith("norm.weight") else value for key, value in result.items()}


def gpt2(writer, config, tensors):
    sizes(writer, config)
    writer.add_layer_norm_eps(config["layer_norm_epsilon"])
    result = renamed(
        tensors, {"transformer.wte": "token_embd", "transformer.wpe": "position_embd", "transformer.ln_f": "output_norm"},
        {"ln_1": "attn_norm", "attn.c_attn": "attn_qkv", "attn.c_proj": "attn_output", "ln_2": "ffn_norm",
         "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down"}, "transformer.h")
    turned = ("attn_qkv.weight", "attn_output.weight", "ffn_up.weight", "ffn_down.weight")
    return {key: value.T if key.endswith(turned) else value for key, value in result.items()}


def neox(writer, config, tensors):
    sizes(writer, config)
    heads = config["num_attention_heads"]
    size = config["hidden_size"] // heads
    writer.add_layer_norm_eps(config["layer_norm_eps"])
    writer.add_rope_dimension_count(int(size * config["rope_parameters"]["partial_rotary_factor"]))
    writer.add_parallel_residual(config["use_parallel_residual"])
    result = renamed(
        tensors, {"gpt_neox.embed_in": "token_embd", "gpt_neox.final_layer_norm": "output_norm", "embed_out": "output",
                  "lm_head": "output"},
        {"input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
         "attention.query_key_value": "attn_qkv", "attention.dense": "attn_output", "mlp.dense_h_to_4h": "ffn_up",
         "mlp.dense_4h_to_h": "ffn_down"}, "gpt_neox.layers")
    for key, value in result.items():
        if "attn_qkv" in key:
            result[key] = value.reshape(heads, 3, size, *value.shape[1:]).swapaxes(0, 1).reshape(value.shape)
    return result


def mamba(writer, config, tensors):
    writer.add_context_length(2 ** 20)
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(0)
    writer.add_head_count(0)
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_ssm_conv_kernel(config["conv_kernel"])
    writer.add_ssm_inner_size(config["intermediate_size"])
    writer.add_ssm_state_size(config["state_size"])
    writer.add_ssm_time_step_rank(config["time_step_rank"])
    writer.add_layer_norm_rms_eps(config["layer_norm_epsilon"])
    result = renamed(
        tensors, {"backbone.embeddings": "token_embd", "backbone.norm_f": "output_norm", "lm_head": "output"},
        {"norm": "attn_norm", "mixer.in_proj": "ssm_in", "mixer.conv1d": "ssm_conv1d", "mixer.x_proj": "ssm_x",
         "mixer.dt_proj": "ssm_dt", "mixer.A_log": "ssm_a", "mixer.D": "ssm_d", "mixer.out_proj": "ssm_out"},
        "backbone.layers")
    for key, value in result.items():
        if key.endswith("ssm_a"):
            result[key] = -np.exp(value)
        if key.endswith("ssm_conv1d.weight"):
            result[key] = value.squeeze(1)
    return result
