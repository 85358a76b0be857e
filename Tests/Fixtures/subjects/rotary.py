"""Rotary scalings that stretch a model beyond the length of its training: YaRN and LongRoPE.

- `tiny-lm/llama-yarn`, `tiny-lm/llama-longrope`: tiny models with everything that `language_models` records. The
  first tokens of the LongRoPE model are a short text, and decoding goes on into a long one.
- `rotary.json`: configurations in all spellings, with the frequencies and the attention factor of each.
"""

import copy

from transformers import LlamaConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from fixture_tools import GOLDEN, metadata, save_json
from subjects.language_models import LENGTH, SMALL, make_model

SCRIPT = "subjects/rotary.py"

YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16, "rope_theta": 10000.0}
LONG = {"rope_type": "longrope", "short_factor": [1.0, 1.1, 1.3, 1.7], "long_factor": [1.5, 2.0, 4.0, 7.0],
        "original_max_position_embeddings": LENGTH + 1, "rope_theta": 10000.0}


def cases():
    """Keys of a `config.json`, beside those of the smallest model."""
    long16 = {"rope_type": "longrope", "short_factor": [1 + 0.05 * i for i in range(16)],
              "long_factor": [1 + 0.9 * i for i in range(16)], "rope_theta": 10000.0}
    wide = {"head_dim": 32}
    return [
        {"rope_parameters": YARN},
        {**wide, "rope_parameters": {**YARN, "original_max_position_embeddings": 4096}},
        {**wide, "rope_parameters": {**YARN, "factor": 40.0, "original_max_position_embeddings": 4096,
                                     "mscale": 1.0, "mscale_all_dim": 0.8}},
        {**wide, "rope_parameters": {**YARN, "original_max_position_embeddings": 2048, "beta_fast": 16.0,
                                     "beta_slow": 2.0, "truncate": False, "attention_factor": 1.25}},
        {**wide, "rope_theta": 500000.0, "max_position_embeddings": 8192,
         "rope_scaling": {"type": "yarn", "factor": 2.0, "original_max_position_embeddings": 4096}},
        {**wide, "max_position_embeddings": 1024, "rope_parameters": {"rope_type": "yarn", "factor": 8.0,
                                                                      "rope_theta": 10000.0}},
        {"max_position_embeddings": 48, "rope_parameters": LONG},
        {**wide, "max_position_embeddings": 8192,
         "rope_parameters": {**long16, "original_max_position_embeddings": 2048}},
        {**wide, "max_position_embeddings": 8192,
         "rope_parameters": {**long16, "factor": 16.0, "original_max_position_embeddings": 2048}},
        {**wide, "max_position_embeddings": 8192, "original_max_position_embeddings": 1024,
         "rope_parameters": {**long16, "attention_factor": 1.5}},
    ]


def make():
    make_model(GOLDEN / "tiny-lm" / "llama-yarn", LlamaConfig(**SMALL, rope_parameters=copy.deepcopy(YARN)), 340)
    make_model(GOLDEN / "tiny-lm" / "llama-longrope", LlamaConfig(
        **{**SMALL, "max_position_embeddings": 48}, rope_parameters=copy.deepcopy(LONG)), 341)
    rows = []
    for case in cases():
        keys = {**SMALL, **copy.deepcopy(case)}
        config = LlamaConfig(**copy.deepcopy(keys))
        rule = ROPE_INIT_FUNCTIONS[config.rope_parameters["rope_type"]]
        lengths = [1, config.rope_parameters["original_max_position_embeddings"] + 1]
        found = [rule(config, "cpu", seq_len=length) for length in lengths]
        rows.append({"config": {"model_type": "llama", **keys}, "lengths": lengths,
                     "frequencies": [frequencies.tolist() for frequencies, _ in found],
                     "attention_factor": found[0][1]})
    save_json(GOLDEN / "rotary.json", {"metadata": metadata(SCRIPT, "none"), "cases": rows})
