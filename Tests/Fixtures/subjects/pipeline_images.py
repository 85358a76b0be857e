"""`golden_image_<name>.safetensors` in `tiny-sd`: image to image and inpainting from a picture."""


import torch
from diffusers import (DDIMScheduler, EulerDiscreteScheduler, StableDiffusionImg2ImgPipeline,
                       StableDiffusionInpaintPipeline)
from PIL import Image

from fixture_tools import GOLDEN, metadata, save_tensors

SCRIPT = "subjects/pipeline_images.py"
SEED, STEPS, GUIDANCE, WIDTH, HEIGHT = 7, 8, 4.0, 32, 32
PROMPT, NEGATIVE = "a woman with red hair", "blurry"
RUNS = {
    "img2img_ddim": (StableDiffusionImg2ImgPipeline, DDIMScheduler, 0.6, False),
    "img2img_euler": (StableDiffusionImg2ImgPipeline, EulerDiscreteScheduler, 0.8, False),
    "inpaint_ddim": (StableDiffusionInpaintPipeline, DDIMScheduler, 0.75, True),
    "inpaint_full": (StableDiffusionInpaintPipeline, DDIMScheduler, 1.0, True),
}


def make():
    for name, (pipeline, scheduler, strength, has_mask) in RUNS.items():
        record(name, pipeline, scheduler, strength, has_mask)


def picture():
    """Smooth colours and one hard edge."""
    y, x = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
    pixels = torch.stack([x * 8, y * 8, torch.where(x + y > 30, 220, 30)], dim=-1).clamp(0, 255)
    return pixels.to(torch.uint8)


def mask():
    pixels = torch.zeros(HEIGHT, WIDTH, dtype=torch.uint8)
    pixels[8:24, 12:30] = 255
    return pixels


def record(name, pipeline_class, scheduler, strength, has_mask):
    folder = GOLDEN / "tiny-sd"
    pipeline = pipeline_class.from_pretrained(folder, safety_checker=None)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.scheduler = scheduler.from_config(pipeline.scheduler.config)
    latents = []

    def on_step(_, step, timestep, values):
        latents.append(values["latents"].detach().clone())
        return values

    extra = {}
    if has_mask:
        extra = dict(mask_image=Image.fromarray(mask().numpy(), "L"), width=WIDTH, height=HEIGHT)
    pixels = pipeline(
        PROMPT, negative_prompt=NEGATIVE, image=Image.fromarray(picture().numpy()), strength=strength,
        num_inference_steps=STEPS, guidance_scale=GUIDANCE, generator=torch.Generator().manual_seed(SEED),
        output_type="np", callback_on_step_end=on_step, **extra).images
    tensors = {
        "input": picture(), "mask": mask(), "final_latents": latents[-1],
        "picture": torch.from_numpy((pixels * 255).round().astype("uint8")),
    }
    for step, values in enumerate(latents):
        tensors[f"step/{step}/latents"] = values
    save_tensors(folder / f"golden_{name}.safetensors", tensors, metadata(
        SCRIPT, SEED, strength=strength, steps=STEPS, guidance_scale=GUIDANCE, prompt=PROMPT,
        negative_prompt=NEGATIVE))
