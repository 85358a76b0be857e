"""Tiny random language models of every family and what they compute: `tiny-lm/NAME`.

Each folder holds the model as transformers saves it and `golden.safetensors`:

- `prefill/...`: the logits of one row of tokens, and the value of every site;
- `decode/...`: the logits of the tokens that follow, one at a time, from the cache;
- `padded/...`: the logits of two rows of different length, the shorter one padded on the left;
- `gradient/...`: of sum(logits * weights) with respect to every parameter, and, under `activation/`, some sites.
"""

import copy
import json

import torch
from transformers import (AutoModelForCausalLM, Gemma2Config, Gemma3TextConfig, GPT2Config, GPTNeoXConfig,
                          LlamaConfig, MambaConfig)

from fixture_tools import GOLDEN, SiteRecorder, check_spread, forget_origin, metadata, randomize, save_tensors

SCRIPT = "subjects/language_models.py"
VOCABULARY = 97
LENGTH = 11
STEPS = 3
SHORT = 7

COMMON = {"vocab_size": VOCABULARY, "hidden_size": 32, "intermediate_size": 56, "num_hidden_layers": 2,
          "num_attention_heads": 4, "max_position_embeddings": 64, "bos_token_id": 1, "eos_token_id": 2}
SMALL = {**COMMON, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2}


def configurations():
    return {
        "gpt2": GPT2Config(vocab_size=VOCABULARY, n_embd=32, n_layer=2, n_head=4, n_positions=64,
                           bos_token_id=1, eos_token_id=2),
        "gpt-neox": GPTNeoXConfig(**COMMON),
        "gpt-neox-serial": GPTNeoXConfig(**SMALL, use_parallel_residual=False, rotary_pct=1.0),
        "llama": LlamaConfig(**COMMON, num_key_value_heads=2),
        "llama-tied": LlamaConfig(**SMALL, tie_word_embeddings=True, attention_bias=True, mlp_bias=True, head_dim=12),
        "llama-linear": LlamaConfig(**SMALL, rope_parameters={
            "rope_type": "linear", "factor": 4.0, "rope_theta": 500.0}),
        "llama-dynamic": LlamaConfig(**{**SMALL, "max_position_embeddings": 8}, rope_parameters={
            "rope_type": "dynamic", "factor": 2.0, "rope_theta": 10000.0}),
        "llama-llama3": LlamaConfig(**SMALL, rope_parameters={
            "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 32, "rope_theta": 10000.0}),
        "gemma2": Gemma2Config(**COMMON, num_key_value_heads=2, head_dim=12, query_pre_attn_scalar=10,
                               sliding_window=5, attn_logit_softcapping=3.0, final_logit_softcapping=8.0),
        "gemma3": Gemma3TextConfig(**{**COMMON, "num_hidden_layers": 3}, num_key_value_heads=2, head_dim=12,
                                   query_pre_attn_scalar=10, sliding_window=5, sliding_window_pattern=2),
        "mamba": MambaConfig(vocab_size=VOCABULARY, hidden_size=24, state_size=16, num_hidden_layers=2),
        "mamba-bias": MambaConfig(vocab_size=VOCABULARY, hidden_size=16, state_size=5, num_hidden_layers=1,
                                  use_bias=True, use_conv_bias=False, conv_kernel=3, tie_word_embeddings=False),
    }


def make():
    for seed, (name, config) in enumerate(configurations().items()):
        make_model(GOLDEN / "tiny-lm" / name, config, 300 + seed)


def build(config, seed):
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager") \
        if config.model_type != "mamba" else AutoModelForCausalLM.from_config(config)
    randomize(model, seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("A_log"):
                parameter.copy_(torch.log(1 + torch.arange(parameter.shape[1]).float()) + 0.1 * parameter)
            elif "norm" in name and name.endswith("weight") and parameter.ndim == 1:
                centre = 0.0 if config.model_type.startswith("gemma") else 1.0
                parameter.copy_(centre + 0.25 * torch.randn(
                    parameter.shape, generator=torch.Generator().manual_seed(seed + len(name))))
    return model


def arguments(model, ids, mask):
    """What the library's own `generate` would pass: Mamba takes a mask with the prompt only."""
    if model.config.model_type == "mamba":
        return {"input_ids": ids, "attention_mask": mask} if mask.shape == ids.shape else {"input_ids": ids}
    positions = (mask.cumsum(-1) - 1).clamp(min=0)[:, -ids.shape[1]:]
    return {"input_ids": ids, "attention_mask": mask, "position_ids": positions}


def make_model(folder, config, seed):
    model = build(config, seed)
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    forget_origin(folder)
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(3, VOCABULARY, (1, LENGTH + STEPS), generator=generator)
    tensors = {"input/ids": ids}
    # Models of their own: the angles of dynamic scaling remember the longest text that they saw.
    prefill(copy.deepcopy(model), ids[:, :LENGTH], tensors, folder.name)
    decode(copy.deepcopy(model), ids, tensors)
    padded(copy.deepcopy(model), ids[:, :LENGTH], generator, tensors)
    gradients(model, ids[:, :LENGTH], generator, tensors)
    save_tensors(folder / "golden.safetensors", tensors,
                 metadata(SCRIPT, seed, loss="sum(logits * input/weights)", length=LENGTH, aliases=ALIASES.pop()))


ALIASES = []


def prefill(model, ids, tensors, name):
    with torch.no_grad(), SiteRecorder(model, leave_out=("rotary_emb",)) as recorder:
        output = model(**arguments(model, ids, torch.ones_like(ids)), use_cache=False)
    check_spread(f"{name} logits", output.logits)
    tensors["prefill/logits"] = output.logits
    for key, value in recorder.tensors().items():
        # Queries and keys have tokens before heads here.
        tensors[key] = value.transpose(1, 2) if key.endswith(("q_norm", "k_norm")) else value
    ALIASES.append(json.dumps(recorder.aliases, sort_keys=True))
    if model.config.model_type != "mamba":
        output = model(**arguments(model, ids, torch.ones_like(ids)), use_cache=False, output_attentions=True)
        for index, pattern in enumerate(output.attentions):
            tensors[f"pattern/{index}"] = pattern


def decode(model, ids, tensors):
    """The cache is filled with the first tokens, then takes one token at a time."""
    with torch.no_grad():
        output = model(**arguments(model, ids[:, :LENGTH], torch.ones((1, LENGTH), dtype=torch.long)), use_cache=True)
        logits = []
        cache = {"past_key_values": output.past_key_values} if "past_key_values" in output \
            else {"cache_params": output.cache_params}
        for step in range(LENGTH, LENGTH + STEPS):
            mask = torch.ones((1, step + 1), dtype=torch.long)
            output = model(**arguments(model, ids[:, step:step + 1], mask), use_cache=True, **cache)
            logits.append(output.logits)
    tensors["decode/logits"] = torch.cat(logits, 1)


def padded(model, ids, generator, tensors):
    """The second row is shorter; then both go on for one token."""
    short = torch.randint(3, VOCABULARY, (1, SHORT), generator=generator)
    both = torch.cat([ids, torch.cat([torch.zeros((1, LENGTH - SHORT), dtype=torch.long), short], 1)])
    mask = torch.ones_like(both)
    mask[1, :LENGTH - SHORT] = 0
    following = torch.randint(3, VOCABULARY, (2, 1), generator=generator)
    with torch.no_grad():
        output = model(**arguments(model, both, mask), use_cache=True)
        cache = {"past_key_values": output.past_key_values} if "past_key_values" in output \
            else {"cache_params": output.cache_params}
        longer = torch.cat([mask, torch.ones((2, 1), dtype=torch.long)], 1)
        after = model(**arguments(model, following, longer), use_cache=True, **cache)
    tensors.update({"padded/short": short, "padded/next": following, "padded/logits": output.logits[1:, -SHORT:],
                    "padded/decoded": after.logits})


def gradients(model, ids, generator, tensors):
    """Gradients of every parameter, and of the outputs of the layers."""
    weights = torch.randn((1, LENGTH, VOCABULARY), generator=generator)
    kept, handles = {}, []

    def keep(path):
        def hook(module, arguments, output):
            value = output[0] if isinstance(output, tuple) else output
            value.retain_grad()
            kept[path] = value
        return hook

    for path, module in model.named_modules():
        if path.split(".")[-1].isdigit() or path.endswith(("mlp", "mixer.out_proj", "o_proj", "dense", "attn.c_proj")):
            handles.append(module.register_forward_hook(keep(path)))
    model.zero_grad()
    logits = model(**arguments(model, ids, torch.ones_like(ids)), use_cache=False).logits
    (logits * weights).sum().backward()
    for handle in handles:
        handle.remove()
    tensors["input/weights"] = weights
    for path, value in kept.items():
        tensors[f"activation/{path}"] = value.grad
    for name, parameter in model.named_parameters():
        tensors[f"gradient/{name}"] = parameter.grad
