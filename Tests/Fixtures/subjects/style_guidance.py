"""The guided prediction of styles on the tiny pipeline, each style a LoRA that is written here as a change of the weights.

    prediction = e0(negative) + cfg (e0(prompt) - e0(negative)) + sum of strength (e_style(prompt + phrase) - e0(prompt))

`pairs/style-guidance.safetensors` holds one `[1, 4, 4, 6]` prediction a case. The latents are the top left corner of the
`noise` in `pairs/tiny-sd.safetensors`, the styles its `style` and `content` factors, and the slider, which changes every
row, is that of `sliders/tiny-sd.safetensors`.
"""

import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import load_file
from torch.func import functional_call

from fixture_tools import GOLDEN, metadata, save_tensors
from subjects.sliders import ALPHA, RANK, encode

SCRIPT = "subjects/style_guidance.py"
TIMESTEP = 500
PROMPT, NEGATIVE = "a cat", "blurry"
# Of the pair's file, with the words of each.
STYLES = {"style": "in ink style", "content": "in neon style"}
# Guidance scale, strength of each style, weight of the slider. `equal` is the case in which the plain row cancels out.
CASES = {"one": (7.5, [3.0], 0.0), "two": (7.5, [3.0, 1.5], 0.0), "equal": (4.0, [4.0], 0.0), "slider": (2.5, [3.0, 1.5], 0.5)}


@torch.no_grad()
def make():
    pipe = StableDiffusionPipeline.from_pretrained(GOLDEN / "tiny-sd")
    unet = pipe.unet.eval()
    pair, slider = (load_file(GOLDEN / folder / "tiny-sd.safetensors") for folder in ("pairs", "sliders"))
    latents = pair["noise"][:, :, :4, :6]

    def style_changes(name):
        prefix, ending = f"factors/{name}/unet.", ".lora.down.weight"
        for key in pair:
            if key.startswith(prefix) and key.endswith(ending):
                path = key.removeprefix(prefix).removesuffix(ending)
                yield path, pair[f"{prefix}{path}.lora.up.weight"] @ pair[key]

    def slider_changes():
        for path, module in unet.named_modules():
            key = f"factors/lora_unet_{path.replace('.', '_')}.lora"
            if f"{key}_up.weight" in slider:
                change = slider[f"{key}_up.weight"].flatten(1) @ slider[f"{key}_down.weight"].flatten(1)
                yield path, (ALPHA / RANK) * change.reshape(module.weight.shape)

    def predict(text, style, weight):
        weights = {}
        changes = [(path, weight * change) for path, change in slider_changes()]
        for path, change in changes + list(style_changes(style) if style else []):
            key = f"{path}.weight"
            weights[key] = weights.get(key, unet.get_submodule(path).weight) + change
        context, _ = encode(pipe, text, unet.config.sample_size)
        return functional_call(unet, weights, (latents, torch.tensor([TIMESTEP]), context)).sample

    tensors = {}
    for case, (scale, strengths, weight) in CASES.items():
        base = predict(PROMPT, None, weight)
        empty = predict(NEGATIVE, None, weight)
        result = empty + scale * (base - empty)
        for (style, phrase), strength in zip(STYLES.items(), strengths):
            result = result + strength * (predict(f"{PROMPT} {phrase}", style, weight) - base)
        tensors[case] = result
    save_tensors(GOLDEN / "pairs/style-guidance.safetensors", tensors, metadata(SCRIPT, 0, timestep=TIMESTEP))
