"""`tiny-sd`, a whole Stable Diffusion folder, and `golden_<sampler>.safetensors`: its runs from prompt to picture."""

import json
import shutil

import torch
from diffusers import (AutoencoderKL, DDIMScheduler, DPMSolverMultistepScheduler, EulerDiscreteScheduler,
                       StableDiffusionPipeline, UNet2DConditionModel)
from transformers import CLIPTextModel, CLIPTokenizer

from fixture_tools import GOLDEN, check_spread, forget_origin, metadata, save_tensors

SCRIPT = "subjects/pipeline.py"
SEED = 42
PROMPT, NEGATIVE = "a portrait of an old man with white hair, smiling", "blurry, low quality"
STEPS, GUIDANCE, WIDTH, HEIGHT = 10, 7.5, 64, 48
SAMPLERS = {"ddim": DDIMScheduler, "euler": EulerDiscreteScheduler, "dpmpp2m": DPMSolverMultistepScheduler}


def make():
    folder = GOLDEN / "tiny-sd"
    pipeline = assemble()
    for part in ("unet", "vae"):
        # The links of an earlier run would be written through.
        shutil.rmtree(folder / part, ignore_errors=True)
    pipeline.save_pretrained(folder)
    pipeline.unet.half().save_pretrained(folder / "unet", variant="fp16")
    forget_origin(folder)
    use_published_tokenizer_layout(folder)
    link_weights(folder)
    for name, scheduler in SAMPLERS.items():
        record(folder, name, scheduler)


def assemble():
    scheduler = DDIMScheduler(num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012,
                              beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False,
                              steps_offset=1, prediction_type="epsilon")
    return StableDiffusionPipeline(
        vae=AutoencoderKL.from_pretrained(GOLDEN / "tiny-vae"),
        text_encoder=CLIPTextModel.from_pretrained(GOLDEN / "tiny-clip"),
        tokenizer=CLIPTokenizer.from_pretrained(GOLDEN / "tiny-clip"),
        unet=UNet2DConditionModel.from_pretrained(GOLDEN / "tiny-unet-sd1"),
        scheduler=scheduler, safety_checker=None, feature_extractor=None, image_encoder=None,
        requires_safety_checker=False,
    )


def use_published_tokenizer_layout(folder):
    """Published folders carry `vocab.json` and `merges.txt`; the library now writes `tokenizer.json` alone."""
    target = folder / "tokenizer"
    shutil.rmtree(target)
    target.mkdir()
    for name in ("vocab.json", "merges.txt", "special_tokens_map.json", "tokenizer_config.json"):
        shutil.copy(GOLDEN / "tiny-clip" / name, target / name)


def link_weights(folder):
    """Two parts have golden folders of their own with the same bytes: links, as download caches have them."""
    for part, own in {"unet": "tiny-unet-sd1", "vae": "tiny-vae"}.items():
        path = folder / part / "diffusion_pytorch_model.safetensors"
        if path.read_bytes() != (GOLDEN / own / path.name).read_bytes():
            raise SystemExit(f"{path}: expected the bytes of {own}")
        path.unlink()
        path.symlink_to(f"../../{own}/{path.name}")


def record(folder, name, scheduler):
    """Runs the library's own pipeline and listens: UNet outputs by a hook, latents by the step callback."""
    pipeline = StableDiffusionPipeline.from_pretrained(folder, safety_checker=None)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.scheduler = scheduler.from_config(pipeline.scheduler.config)
    conditional, unconditional = pipeline.encode_prompt(PROMPT, "cpu", 1, True, NEGATIVE)

    raw, inputs, latents, times = [], [], [], []

    def on_unet(module, arguments, keywords, output):
        inputs.append(arguments[0].detach().clone())
        raw.append(output[0].detach().clone())

    def on_step(_, step, timestep, values):
        latents.append(values["latents"].detach().clone())
        times.append(torch.as_tensor(timestep, dtype=torch.float32))
        return values

    handle = pipeline.unet.register_forward_hook(on_unet, with_kwargs=True)
    generator = torch.Generator("cpu").manual_seed(SEED)
    decoded = pipeline(
        PROMPT, negative_prompt=NEGATIVE, num_inference_steps=STEPS, guidance_scale=GUIDANCE, width=WIDTH,
        height=HEIGHT, generator=generator, output_type="pt", callback_on_step_end=on_step).images
    handle.remove()

    factor = pipeline.vae_scale_factor
    noise = torch.randn((1, 4, HEIGHT // factor, WIDTH // factor), generator=torch.Generator().manual_seed(SEED))
    started = noise * pipeline.scheduler.init_noise_sigma
    guided = [pair[:1] + GUIDANCE * (pair[1:] - pair[:1]) for pair in raw]
    pixels = (decoded.permute(0, 2, 3, 1).float().numpy() * 255).round().astype("uint8")
    tensors = {
        "text/conditional": conditional, "text/unconditional": unconditional,
        "text/input_ids": tokens(pipeline, PROMPT), "text/negative_input_ids": tokens(pipeline, NEGATIVE),
        "noise": noise, "initial_latents": started,
        "init_noise_sigma": torch.as_tensor(float(pipeline.scheduler.init_noise_sigma)),
        "timesteps": torch.stack(times), "final_latents": latents[-1], "decoded": decoded, "picture": torch.from_numpy(pixels),
    }
    if hasattr(pipeline.scheduler, "sigmas"):
        tensors["sigmas"] = pipeline.scheduler.sigmas.float()
    for step in range(STEPS):
        tensors[f"step/{step}/unet_output"] = raw[step]
        tensors[f"step/{step}/noise_prediction"] = guided[step]
        tensors[f"step/{step}/latents"] = latents[step]
    check_run(name, tensors, raw, inputs[0])
    save_tensors(folder / f"golden_{name}.safetensors", tensors, metadata(
        SCRIPT, SEED, sampler=scheduler.__name__, prompt=PROMPT, negative_prompt=NEGATIVE, steps=STEPS,
        guidance_scale=GUIDANCE, width=WIDTH, height=HEIGHT,
        scheduler_config=json.dumps({key: value for key, value in pipeline.scheduler.config.items()
                                     if not key.startswith("_")}, sort_keys=True)))


def tokens(pipeline, text):
    return pipeline.tokenizer(text, padding="max_length", max_length=77, truncation=True, return_tensors="pt").input_ids


def check_run(name, tensors, raw, first_input):
    if len(raw) != STEPS:
        raise SystemExit(f"{name}: the UNet ran {len(raw)} times; expected {STEPS}")
    first = first_input[:1]
    scale = (first / tensors["initial_latents"]).mean()
    if not torch.allclose(first, tensors["initial_latents"] * scale, atol=1e-5):
        raise SystemExit(f"{name}: the recorded initial latents are not the ones the pipeline started from")
    check_spread(f"{name} final latents", tensors["final_latents"])
    picture = tensors["picture"].float()
    clipped = ((picture == 0) | (picture == 255)).float().mean().item()
    print(f"  {name}: final latents std {tensors['final_latents'].std():.2f}, picture mean {picture.mean():.0f}, "
          f"std {picture.std():.0f}, clipped {clipped:.0%}")
    if clipped > 0.5:
        raise SystemExit(f"{name}: {clipped:.0%} of the picture is clipped; it would test little")
