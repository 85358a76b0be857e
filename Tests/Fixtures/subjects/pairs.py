"""One training step of a picture pair on the tiny pipelines: both losses and the gradients of both second factors.

`pairs/FAMILY.safetensors` holds the inputs (`noise`, `content`, `style`: clean latents), the factors under the names of
diffusers' files (`factors/content/...`, `factors/style/...`), and `loss/content`, `loss/style`, `gradient/content/KEY`,
`gradient/style/KEY`. The content is a constant in the style's loss. The LoRA is written here, as a change of the weights.
`pairs/tiny-sd-velocity.safetensors` holds losses and gradients of the same inputs for a model that predicts the velocity.
"""

import re

import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline, StableDiffusionXLPipeline
from torch.func import functional_call

from fixture_tools import GOLDEN, metadata, save_tensors
from subjects.sliders import encode

SCRIPT = "subjects/pairs.py"
SEED = 987
RANK = 2
TIMESTEP = 417
PROMPT, PHRASE = "a photo of a sbu dog", "in ink style"
TARGETS = re.compile(r"(mid_block|down_blocks\.1)\..*transformer_blocks\.0\.(attn1\.to_(q|out\.0)|attn2\.to_k)$")
FAMILIES = {"tiny-sd": StableDiffusionPipeline, "tiny-sdxl": StableDiffusionXLPipeline}


def make():
    folder = GOLDEN / "pairs"
    folder.mkdir(exist_ok=True)
    for number, (family, kind) in enumerate(FAMILIES.items()):
        tensors = step(kind.from_pretrained(GOLDEN / family), torch.Generator().manual_seed(SEED + number))
        facts = {"timestep": str(TIMESTEP), "prompt": PROMPT, "phrase": PHRASE}
        save_tensors(folder / f"{family}.safetensors", tensors, metadata(SCRIPT, SEED + number, **facts))
    make_velocity(folder)


def make_velocity(folder):
    """The step of tiny-sd with a scheduler of Stable Diffusion 2's kind; what it starts from is in that one's file."""
    pipe = StableDiffusionPipeline.from_pretrained(GOLDEN / "tiny-sd")
    pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config, prediction_type="v_prediction")
    tensors = step(pipe, torch.Generator().manual_seed(SEED))
    found = {key: value for key, value in tensors.items() if key.startswith(("loss/", "gradient/"))}
    save_tensors(folder / "tiny-sd-velocity.safetensors", found, metadata(SCRIPT, SEED, timestep=TIMESTEP))


def step(pipe, generator):
    unet = pipe.unet.eval().requires_grad_(False)
    side = unet.config.sample_size
    tensors = {name: torch.randn((1, unet.config.in_channels, side, side), generator=generator)
               for name in ("noise", "content", "style")}
    factors = {"content": {}, "style": {}}
    for path, module in unet.named_modules():
        if TARGETS.search(path):
            outputs, inputs = module.weight.shape
            rows = torch.linalg.qr(torch.randn((inputs, 2 * RANK), generator=generator))[0].T
            for part, own in (("content", rows[:RANK]), ("style", rows[RANK:])):
                up = (0.3 * torch.randn((outputs, RANK), generator=generator)).requires_grad_()
                factors[part][path] = (own, up)
                tensors[f"factors/{part}/unet.{path}.lora.down.weight"] = own
                tensors[f"factors/{part}/unet.{path}.lora.up.weight"] = up

    schedule = torch.linspace(0.00085 ** 0.5, 0.012 ** 0.5, 1000) ** 2
    alpha = torch.cumprod(1 - schedule, 0)[TIMESTEP]

    def loss(picture, text, content, style):
        weights = {}
        for path in factors["content"]:
            weight = unet.get_submodule(path).weight
            for factor in (content, style):
                if factor:
                    weight = weight + factor[path][1] @ factor[path][0]
            weights[f"{path}.weight"] = weight
        context, added = encode(pipe, text, side)
        noisy = alpha.sqrt() * tensors[picture] + (1 - alpha).sqrt() * tensors["noise"]
        answer = functional_call(unet, weights, (noisy, torch.tensor([TIMESTEP]), context),
                                 {"added_cond_kwargs": added} if added else {}).sample
        target = tensors["noise"]
        if pipe.scheduler.config.prediction_type == "v_prediction":
            target = pipe.scheduler.get_velocity(tensors[picture], target, torch.tensor([TIMESTEP]))
        return ((answer - target) ** 2).mean()

    constant = {path: (down, up.detach()) for path, (down, up) in factors["content"].items()}
    losses = {"content": loss("content", PROMPT, factors["content"], None),
              "style": loss("style", f"{PROMPT} {PHRASE}", constant, factors["style"])}
    for part, value in losses.items():
        tensors[f"loss/{part}"] = value.detach()
        leaves = [up for _, up in factors[part].values()]
        for path, gradient in zip(factors[part], torch.autograd.grad(value, leaves)):
            tensors[f"gradient/{part}/unet.{path}.lora.up.weight"] = gradient
    return tensors
