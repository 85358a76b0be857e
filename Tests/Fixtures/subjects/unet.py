"""Tiny UNets of the three Stable Diffusion families and what they compute.

- `tiny-unet-sd1`: 1x1-convolution projections, `attention_head_dim` 2 (which counts heads), widths 16 and 24;
- `tiny-unet-sd2`: linear projections, heads per block, v-prediction's family;
- `tiny-unet-sdxl`: `text_time` conditioning, transformer depths [1, 2], a plain block first;
- `tiny-unet-sharded`: the weights of `tiny-unet-sdxl` rounded to half precision and split over several files.

The first three folders hold `golden_forward.safetensors` (every site) and, for the first two,
`golden_gradients.safetensors`.
"""

import shutil

import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file

from fixture_tools import GOLDEN, SiteRecorder, check_spread, forget_origin, metadata, randomize, save_tensors

SCRIPT = "subjects/unet.py"
SHARED = {"in_channels": 4, "out_channels": 4, "layers_per_block": 2, "norm_num_groups": 8, "sample_size": 16}
FAMILIES = {
    "tiny-unet-sd1": {
        "seed": 201, "size": (8, 6), "tokens": 13, "gradients": True,
        "config": {
            "block_out_channels": (16, 24), "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
            "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"), "cross_attention_dim": 32, "attention_head_dim": 2,
        },
    },
    "tiny-unet-sd2": {
        "seed": 202, "size": (4, 6), "tokens": 9, "gradients": True,
        "config": {
            "block_out_channels": (16, 16), "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
            "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"), "cross_attention_dim": 20,
            "attention_head_dim": (2, 4), "use_linear_projection": True,
        },
    },
    "tiny-unet-sdxl": {
        "seed": 203, "size": (4, 6), "tokens": 9, "gradients": False,
        "config": {
            "block_out_channels": (8, 16), "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
            "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"), "cross_attention_dim": 24,
            "attention_head_dim": (2, 4), "use_linear_projection": True, "transformer_layers_per_block": (1, 2),
            "addition_embed_type": "text_time", "addition_time_embed_dim": 8,
            "projection_class_embeddings_input_dim": 16 + 6 * 8,
        },
    },
}
# One whole and one fractional timestep, as Euler's linear spacing gives.
TIMESTEPS = [981.0, 46.42105]


def make():
    for name, facts in FAMILIES.items():
        folder = GOLDEN / name
        model = randomize(UNet2DConditionModel(**SHARED, **facts["config"]), facts["seed"])
        model.save_pretrained(folder)
        inputs = draw_inputs(model, facts)
        save_forward(folder, model, inputs, facts)
        if facts["gradients"]:
            save_gradients(folder, model, inputs, facts)
    save_sharded(GOLDEN / "tiny-unet-sdxl", GOLDEN / "tiny-unet-sharded")


def draw_inputs(model, facts):
    """Two rows of small latents (height and width differ); text context; for SDXL the pooled text and the six sizes."""
    generator = torch.Generator().manual_seed(facts["seed"] + 1000)
    inputs = {
        "sample": torch.randn((2, 4, *facts["size"]), generator=generator),
        "timestep": torch.tensor(TIMESTEPS),
        "encoder_hidden_states": torch.randn((2, facts["tokens"], model.config.cross_attention_dim),
                                             generator=generator),
    }
    if model.config.addition_embed_type == "text_time":
        inputs["text_embeds"] = torch.randn((2, 16), generator=generator)
        inputs["time_ids"] = torch.tensor([[64.0, 48, 0, 0, 64, 48], [32.0, 96, 8, 4, 64, 48]])
    return inputs


def run(model, inputs):
    added = {name: inputs[name] for name in ("text_embeds", "time_ids") if name in inputs}
    return model(inputs["sample"], inputs["timestep"], inputs["encoder_hidden_states"],
                 added_cond_kwargs=added or None).sample


def save_forward(folder, model, inputs, facts):
    with torch.no_grad():
        with SiteRecorder(model) as recorder:
            output = run(model, inputs)
        odd = dict(inputs, sample=torch.randn((2, 4, 7, 5), generator=torch.Generator().manual_seed(facts["seed"])))
        odd_output = run(model, odd)
    check_spread(folder.name, output)
    tensors = {f"input/{name}": value for name, value in inputs.items()}
    tensors["output"] = output
    # Sizes that do not halve: the upsampler then resizes to its partner's size instead of doubling.
    tensors.update({"odd/input/sample": odd["sample"], "odd/output": odd_output})
    tensors.update(recorder.tensors())
    save_tensors(folder / "golden_forward.safetensors", tensors, metadata(SCRIPT, facts["seed"], **recorder.facts()))


def save_gradients(folder, model, inputs, facts):
    """Gradients of mean((unet(sample, timestep, context) - target)^2)."""
    target = torch.randn(inputs["sample"].shape, generator=torch.Generator().manual_seed(facts["seed"] + 2000))
    sample = inputs["sample"].clone().requires_grad_()
    context = inputs["encoder_hidden_states"].clone().requires_grad_()
    output = run(model, dict(inputs, sample=sample, encoder_hidden_states=context))
    loss = ((output - target) ** 2).mean()
    names, parameters = zip(*model.named_parameters())
    gradients = torch.autograd.grad(loss, [*parameters, sample, context])
    tensors = {f"gradient/{name}": value for name, value in zip(names, gradients)}
    tensors.update({f"input/{name}": value for name, value in inputs.items()})
    tensors.update({"input/target": target, "loss": loss, "input_gradient/sample": gradients[-2],
                    "input_gradient/encoder_hidden_states": gradients[-1]})
    save_tensors(folder / "golden_gradients.safetensors", tensors,
                 metadata(SCRIPT, facts["seed"], loss="mean((output - target)^2)"))


def save_sharded(source, folder):
    shutil.rmtree(folder, ignore_errors=True)
    model = UNet2DConditionModel.from_pretrained(source).half()
    model.save_pretrained(folder, max_shard_size="120KB")
    forget_origin(folder)
    shards = sorted(folder.glob("*.safetensors"))
    stored = {key: value for shard in shards for key, value in load_file(shard).items()}
    for name, value in model.state_dict().items():
        if not torch.equal(stored[name], value):
            raise SystemExit(f"{folder.name}: {name} does not survive sharding")
    if len(shards) < 2:
        raise SystemExit(f"{folder.name}: expected several shards, found {len(shards)}")
