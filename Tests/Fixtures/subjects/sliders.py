"""One training step of a text slider and of a visual slider on the tiny pipelines: loss and gradients of the factors.

`sliders/FAMILY.safetensors` holds the inputs (`latents`, `noise`, `high`, `low`), the factors under the names of Concept
Sliders' files (`factors/...`), and `text/loss`, `text/gradient/KEY`, `both/loss`, `visual/loss`, `visual/gradient/KEY`.
The LoRA is written here, as a change of the weights; nothing of it is PEFT's.
"""

import re

import torch
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline
from torch.func import functional_call

from fixture_tools import GOLDEN, metadata, save_tensors

SCRIPT = "subjects/sliders.py"
SEED = 951
RANK, ALPHA = 2, 1.0
TIMESTEP, GUIDANCE, SCALE = 601, 4.0, 2.0
PROMPTS = {"target": "a person", "positive": "an old person", "opposite": "a young person", "neutral": "a face"}
TARGETS = re.compile(r"(mid_block|down_blocks\.[01])\..*(attn1\.to_(q|out\.0)|resnets\.0\.(conv1|time_emb_proj))$")
FAMILIES = {"tiny-sd": StableDiffusionPipeline, "tiny-sdxl": StableDiffusionXLPipeline}


def make():
    folder = GOLDEN / "sliders"
    folder.mkdir(exist_ok=True)
    for number, (family, kind) in enumerate(FAMILIES.items()):
        tensors = step(kind.from_pretrained(GOLDEN / family), torch.Generator().manual_seed(SEED + number))
        facts = {"timestep": str(TIMESTEP), "guidance": str(GUIDANCE), "scale": str(SCALE), **PROMPTS}
        save_tensors(folder / f"{family}.safetensors", tensors, metadata(SCRIPT, SEED + number, **facts))


def step(pipe, generator):
    unet = pipe.unet.eval().requires_grad_(False)
    side = unet.config.sample_size

    def noise():
        return torch.randn((1, unet.config.in_channels, side, side), generator=generator)

    latents, eps, high, low = noise(), noise(), noise(), noise()
    factors = {}
    for path, module in unet.named_modules():
        if TARGETS.search(path):
            shape = module.weight.shape
            down = 0.3 * torch.randn((RANK, *shape[1:]), generator=generator)
            up = 0.3 * torch.randn((shape[0], RANK, *[1] * (len(shape) - 2)), generator=generator)
            factors[path] = (down.requires_grad_(), up.requires_grad_())

    def predict(x, text, scale):
        weights = {}
        for path, (down, up) in factors.items():
            base = unet.get_submodule(path).weight
            change = (up.flatten(1) @ down.flatten(1)).reshape(base.shape)
            weights[f"{path}.weight"] = base + scale * (ALPHA / RANK) * change
        context, added = encode(pipe, text, side)
        return functional_call(unet, weights, (x, torch.tensor([TIMESTEP]), context),
                               {"added_cond_kwargs": added} if added else {}).sample

    def flat(path):
        return "lora_unet_" + path.replace(".", "_")

    def gradients(name, loss):
        leaves = [leaf for pair in factors.values() for leaf in pair]
        found = iter(torch.autograd.grad(loss, leaves))
        result = {f"{name}/loss": loss.detach()}
        for path in factors:
            result[f"{name}/gradient/{flat(path)}.lora_down.weight"] = next(found)
            result[f"{name}/gradient/{flat(path)}.lora_up.weight"] = next(found)
        return result

    tensors = {"latents": latents, "noise": eps, "high": high, "low": low}
    for path, (down, up) in factors.items():
        tensors[f"factors/{flat(path)}.lora_down.weight"] = down.detach()
        tensors[f"factors/{flat(path)}.lora_up.weight"] = up.detach()
        tensors[f"factors/{flat(path)}.alpha"] = torch.tensor(ALPHA)

    with torch.no_grad():
        e = {name: predict(latents, text, 0.0) for name, text in PROMPTS.items()}
    direction = GUIDANCE * (e["positive"] - e["opposite"])

    def side_loss(sign):
        return ((predict(latents, PROMPTS["target"], sign) - (e["neutral"] + sign * direction)) ** 2).mean()

    tensors.update(gradients("text", side_loss(1.0)))
    tensors["both/loss"] = (0.5 * (side_loss(1.0) + side_loss(-1.0))).detach()

    schedule = torch.linspace(0.00085 ** 0.5, 0.012 ** 0.5, 1000) ** 2
    alpha = torch.cumprod(1 - schedule, 0)[TIMESTEP]
    noisy = [alpha.sqrt() * clean + (1 - alpha).sqrt() * eps for clean in (high, low)]
    loss = (((predict(noisy[0], PROMPTS["positive"], SCALE) - eps) ** 2).mean()
            + ((predict(noisy[1], PROMPTS["neutral"], -SCALE) - eps) ** 2).mean())
    tensors.update(gradients("visual", loss))
    return tensors


def encode(pipe, text, side):
    with torch.no_grad():
        if isinstance(pipe, StableDiffusionXLPipeline):
            context, _, pooled, _ = pipe.encode_prompt(text, device="cpu", do_classifier_free_guidance=False)
            size = float(side * pipe.vae_scale_factor)
            ids = torch.tensor([[size, size, 0.0, 0.0, size, size]])
            return context, {"text_embeds": pooled, "time_ids": ids}
        return pipe.encode_prompt(text, "cpu", 1, False)[0], None
