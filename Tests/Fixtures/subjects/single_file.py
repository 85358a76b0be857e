"""`single_file.json`: what each key of a checkpoint in one file is called in diffusers, told by diffusers' converters.

The old names are made here from the module lists of the two code bases; a name that is wrong is lost or left over when
the converter has run, and the script stops.
"""

import json
from types import SimpleNamespace

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.loaders import single_file_utils as reference
from transformers import CLIPTextConfig, CLIPTextModelWithProjection

from fixture_tools import GOLDEN, metadata

SCRIPT = "subjects/single_file.py"
UNETS = {
    "sd1": dict(cross_attention_dim=768, sample_size=64),
    "sdxl": dict(
        sample_size=128, block_out_channels=(320, 640, 1280),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        transformer_layers_per_block=(1, 2, 10), attention_head_dim=(5, 10, 20), cross_attention_dim=2048,
        use_linear_projection=True, addition_embed_type="text_time", addition_time_embed_dim=256,
        projection_class_embeddings_input_dim=2816),
}
RESIDUAL = {
    "norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1", "norm2": "out_layers.0",
    "conv2": "out_layers.3", "conv_shortcut": "skip_connection",
}
ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}


def make():
    document = {name: unet(settings) for name, settings in UNETS.items()}
    document["vae"] = autoencoder()
    document["openclip"] = open_clip()
    facts = metadata(SCRIPT, 0)
    text = json.dumps({"metadata": facts, **document}, sort_keys=True, separators=(",", ":"))
    (GOLDEN / "single_file.json").write_text(text)


def stand_in(shape, index):
    """A tensor of the shape that takes no memory and can be told from the others."""
    return torch.tensor(float(index)).expand(shape)


def rows(stored, converted, expected):
    """[old name, shape, new name], the converter's word being final."""
    if set(converted) != set(expected):
        raise SystemExit(f"the converter gave other keys: {sorted(set(converted) ^ set(expected))[:5]}")
    old = {float(tensor.flatten()[0]): (name, list(tensor.shape)) for name, tensor in stored.items()}
    return sorted([*old[float(tensor.flatten()[0])], name] for name, tensor in converted.items())


def unet(settings):
    with torch.device("meta"):
        model = UNet2DConditionModel(**settings)
    state = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    stored = {}
    for index, (name, shape) in enumerate(state.items()):
        stored["model.diffusion_model." + old_unet_name(name, model.config)] = stand_in(shape, index)
    return rows(stored, reference.convert_ldm_unet_checkpoint(dict(stored), dict(model.config)), state)


def old_unet_name(name, config):
    head, *rest = name.split(".")
    layers = config.layers_per_block
    if head in ("conv_in", "conv_norm_out", "conv_out", "time_embedding", "add_embedding"):
        simple = {
            "conv_in": "input_blocks.0.0", "conv_norm_out": "out.0", "conv_out": "out.2",
            "time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2",
            "add_embedding.linear_1": "label_emb.0.0", "add_embedding.linear_2": "label_emb.0.2",
        }
        module, kind = name.rsplit(".", 1)
        return f"{simple[module]}.{kind}"
    if head == "mid_block":
        place = {("resnets", "0"): 0, ("attentions", "0"): 1, ("resnets", "1"): 2}[(rest[0], rest[1])]
        return f"middle_block.{place}.{inner(rest[0], rest[2:])}"
    block, kind, layer, *tail = rest
    block, layer = int(block), int(layer)
    if head == "down_blocks":
        if kind == "downsamplers":
            return f"input_blocks.{(block + 1) * (layers + 1)}.0.op.{tail[-1]}"
        return f"input_blocks.{1 + block * (layers + 1) + layer}.{int(kind == 'attentions')}.{inner(kind, tail)}"
    if kind == "upsamplers":
        place = 2 if config.up_block_types[block].startswith("CrossAttn") else 1
        return f"output_blocks.{block * (layers + 1) + layers}.{place}.conv.{tail[-1]}"
    return f"output_blocks.{block * (layers + 1) + layer}.{int(kind == 'attentions')}.{inner(kind, tail)}"


def inner(kind, tail):
    return ".".join([RESIDUAL[tail[0]], *tail[1:]] if kind == "resnets" else tail)


def autoencoder():
    settings = dict(
        block_out_channels=(128, 256, 512, 512), layers_per_block=2, latent_channels=4,
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4)
    with torch.device("meta"):
        model = AutoencoderKL(**settings)
    state = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    stored = {}
    for index, (name, shape) in enumerate(state.items()):
        is_projection = ".attentions." in name and len(shape) == 2
        stored["first_stage_model." + old_autoencoder_name(name)] = stand_in(
            (*shape, 1, 1) if is_projection else shape, index)
    return rows(stored, reference.convert_ldm_vae_checkpoint(dict(stored), dict(model.config)), state)


def old_autoencoder_name(name):
    parts = name.split(".")
    if parts[1] == "mid_block":
        tail = ".".join(parts[4:])
        if parts[2] == "resnets":
            return f"{parts[0]}.mid.block_{int(parts[3]) + 1}.{tail.replace('conv_shortcut', 'nin_shortcut')}"
        module, kind = tail.rsplit(".", 1)
        return f"{parts[0]}.mid.attn_1.{ATTENTION[module]}.{kind}"
    if parts[1] in ("down_blocks", "up_blocks"):
        way, level = ("down", int(parts[2])) if parts[1] == "down_blocks" else ("up", 3 - int(parts[2]))
        if parts[3] == "resnets":
            tail = ".".join(parts[5:]).replace("conv_shortcut", "nin_shortcut")
            return f"{parts[0]}.{way}.{level}.block.{parts[4]}.{tail}"
        return f"{parts[0]}.{way}.{level}.{way}sample.conv.{parts[-1]}"
    return name.replace("conv_norm_out", "norm_out")


def open_clip():
    """A tiny encoder: here the values matter, for one matrix is cut in three and one is transposed."""
    width, layers = 4, 2
    config = CLIPTextConfig(
        vocab_size=6, hidden_size=width, intermediate_size=8, num_hidden_layers=layers, num_attention_heads=2,
        max_position_embeddings=5, projection_dim=width)
    model = CLIPTextModelWithProjection(config)
    expected = {name: tensor for name, tensor in model.state_dict().items() if "position_ids" not in name}
    prefix, stored, count = "conditioner.embedders.1.model.", {}, 0

    def add(name, *shape):
        nonlocal count
        size = int(torch.Size(shape).numel())
        stored[prefix + name] = torch.arange(count, count + size, dtype=torch.float32).reshape(shape)
        count += size

    add("positional_embedding", 5, width)
    add("text_projection", width, width)
    add("token_embedding.weight", 6, width)
    for kind in ("weight", "bias"):
        add(f"ln_final.{kind}", width)
    for layer in range(layers):
        path = f"transformer.resblocks.{layer}."
        add(path + "attn.in_proj_weight", 3 * width, width)
        add(path + "attn.in_proj_bias", 3 * width)
        for name, rows_, columns in (("attn.out_proj", width, width), ("mlp.c_fc", 8, width), ("mlp.c_proj", width, 8)):
            add(f"{path}{name}.weight", rows_, columns)
            add(f"{path}{name}.bias", rows_)
        for name in ("ln_1", "ln_2"):
            for kind in ("weight", "bias"):
                add(f"{path}{name}.{kind}", width)
    converted = reference.convert_open_clip_checkpoint(
        SimpleNamespace(config=config), dict(stored), prefix=prefix)
    if set(converted) != set(expected):
        raise SystemExit(f"the converter gave other keys: {sorted(set(converted) ^ set(expected))[:5]}")
    flat = lambda tensors: {name: [list(t.shape), t.flatten().tolist()] for name, t in sorted(tensors.items())}
    return {"stored": flat(stored), "converted": flat(converted)}
