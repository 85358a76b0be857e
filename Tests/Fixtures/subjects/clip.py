"""Tiny CLIP text encoders and what they compute.

- `tiny-clip`: quick GELU, padded with the end token, `eos_token_id` 2 as old configurations say (the pooled row is then
  the one with the largest id), weights with the `text_model.` prefix and the `position_ids` of published folders;
- `tiny-clip-gelu`: GELU, padded with token 0, `eos_token_id` the end token's own id (the pooled row is the first one
  with it), weights as the library writes a new model today, without a prefix; run on 24 tokens only.

Each folder also holds `golden_forward.safetensors` and `golden_gradients.safetensors`.
"""

import json

import torch
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from fixture_tools import GOLDEN, SiteRecorder, check_spread, metadata, randomize, save_json, save_tensors

SCRIPT = "subjects/clip.py"
PROMPTS = ["a portrait of an old man with white hair, smiling", ""]
FACTS = {
    "tiny-clip": {"seed": 101, "hidden_act": "quick_gelu", "prefixed": True, "rows": 2, "length": 77},
    "tiny-clip-gelu": {"seed": 102, "hidden_act": "gelu", "prefixed": False, "rows": 1, "length": 24},
}


def make():
    for name, facts in FACTS.items():
        make_encoder(GOLDEN / name, facts)


def make_encoder(folder, facts):
    tokenizer = CLIPTokenizer.from_pretrained(folder)
    vocabulary = len(tokenizer)
    config = CLIPTextConfig(
        vocab_size=vocabulary, hidden_size=32, intermediate_size=72, num_hidden_layers=3, num_attention_heads=4,
        max_position_embeddings=77, hidden_act=facts["hidden_act"], projection_dim=32,
        bos_token_id=vocabulary - 2, eos_token_id=2 if facts["prefixed"] else vocabulary - 1,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = randomize(CLIPTextModel(config), facts["seed"])
    model.save_pretrained(folder)
    if facts["prefixed"]:
        write_as_published(folder)
        check_prefixed(folder, model)
    prompts = PROMPTS[:facts["rows"]]
    ids = tokenizer(prompts, padding="max_length", max_length=facts["length"], truncation=True,
                    return_tensors="pt")["input_ids"]
    save_forward(folder, model, prompts, ids, facts["seed"])
    save_gradients(folder, model, ids, facts["seed"])


def write_as_published(folder):
    """Adds the `text_model.` prefix and the integer `position_ids`, and the old fields of the configuration."""
    path = folder / "model.safetensors"
    tensors = {f"text_model.{key}": value for key, value in load_file(path).items()}
    tensors["text_model.embeddings.position_ids"] = torch.arange(77).unsqueeze(0)
    save_file(tensors, path, metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    config["torch_dtype"] = config.pop("dtype")
    config["transformers_version"] = "4.25.0.dev0"
    config["dropout"] = 0.0
    save_json(folder / "config.json", config)


def check_prefixed(folder, model):
    """The library must read the published spelling back as the same model."""
    again = CLIPTextModel.from_pretrained(folder)
    for (name, left), right in zip(model.named_parameters(), again.parameters()):
        if not torch.equal(left, right):
            raise SystemExit(f"{folder.name}: {name} does not survive the published spelling")


def save_forward(folder, model, prompts, ids, seed):
    with torch.no_grad(), SiteRecorder(model, "text_model.") as recorder:
        output = model(ids, output_hidden_states=True)
    check_spread(f"{folder.name} last hidden state", output.last_hidden_state)
    tensors = {"input/input_ids": ids, "output/last_hidden_state": output.last_hidden_state,
               "output/pooled": output.pooler_output}
    for index, state in enumerate(output.hidden_states):
        tensors[f"output/hidden_states.{index}"] = state
    # The first prompt's row alone: the sites are there to show where a difference starts.
    tensors.update({key: value[:1] for key, value in recorder.tensors().items()})
    save_tensors(folder / "golden_forward.safetensors", tensors,
                 metadata(SCRIPT, seed, prompts=json.dumps(prompts), **recorder.facts()))


def save_gradients(folder, model, ids, seed):
    """Gradients of sum(last_hidden_state * weights) for fixed random weights."""
    weights = torch.randn((*ids.shape, model.config.hidden_size), generator=torch.Generator().manual_seed(seed + 1))
    loss = (model(ids).last_hidden_state * weights).sum()
    names = [name for name, _ in model.named_parameters()]
    gradients = torch.autograd.grad(loss, list(model.parameters()))
    tensors = {f"gradient/text_model.{name}": value for name, value in zip(names, gradients)}
    tensors.update({"input/input_ids": ids, "input/weights": weights, "loss": loss})
    save_tensors(folder / "golden_gradients.safetensors", tensors,
                 metadata(SCRIPT, seed, loss="sum(last_hidden_state * weights)"))
