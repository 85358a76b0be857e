"""`tiny-sdxl`, a whole SDXL folder, and `golden_<negative>.safetensors`: its runs with and without a negative prompt."""

import torch
from diffusers import AutoencoderKL, EulerDiscreteScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from fixture_tools import GOLDEN, forget_origin, metadata, randomize, save_tensors
from subjects.pipeline import use_published_tokenizer_layout

SCRIPT = "subjects/pipeline_xl.py"
SEED, STEPS, GUIDANCE, WIDTH, HEIGHT = 11, 4, 5.0, 32, 24
PROMPT, NEGATIVE = "a woman with red hair, smiling", "blurry"


def make():
    folder = GOLDEN / "tiny-sdxl"
    assemble().save_pretrained(folder)
    forget_origin(folder)
    use_published_tokenizer_layout(folder)
    for name, negative in (("none", None), ("given", NEGATIVE)):
        record(folder, name, negative)


def text_encoder(kind, tokenizer, width, activation, seed):
    vocabulary = len(tokenizer)
    return randomize(kind(CLIPTextConfig(
        vocab_size=vocabulary, hidden_size=width, intermediate_size=2 * width, num_hidden_layers=3,
        num_attention_heads=2, max_position_embeddings=77, hidden_act=activation, projection_dim=16,
        bos_token_id=vocabulary - 2, eos_token_id=2, pad_token_id=tokenizer.pad_token_id)), seed)


def assemble():
    first = CLIPTokenizer.from_pretrained(GOLDEN / "tiny-clip")
    second = CLIPTokenizer.from_pretrained(GOLDEN / "tiny-clip-gelu")
    unet = UNet2DConditionModel(
        in_channels=4, out_channels=4, layers_per_block=1, norm_num_groups=8, sample_size=16,
        block_out_channels=(8, 16), down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), cross_attention_dim=40, attention_head_dim=(2, 4),
        use_linear_projection=True, transformer_layers_per_block=(1, 2), addition_embed_type="text_time",
        addition_time_embed_dim=8, projection_class_embeddings_input_dim=16 + 6 * 8)
    vae = AutoencoderKL(
        block_out_channels=(8, 8), down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2, layers_per_block=1, latent_channels=4, norm_num_groups=4,
        sample_size=32, scaling_factor=0.13025)
    return StableDiffusionXLPipeline(
        vae=randomize(vae, 301), unet=randomize(unet, 302), tokenizer=first, tokenizer_2=second,
        text_encoder=text_encoder(CLIPTextModel, first, 16, "quick_gelu", 303),
        text_encoder_2=text_encoder(CLIPTextModelWithProjection, second, 24, "gelu", 304),
        scheduler=EulerDiscreteScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1,
            timestep_spacing="leading"),
        add_watermarker=False)


def record(folder, name, negative):
    pipeline = StableDiffusionXLPipeline.from_pretrained(folder, add_watermarker=False)
    pipeline.set_progress_bar_config(disable=True)
    context, _, pooled, _ = pipeline.encode_prompt(PROMPT, device="cpu", do_classifier_free_guidance=True)
    latents = []

    def on_step(_, step, timestep, values):
        latents.append(values["latents"].detach().clone())
        return values

    pixels = pipeline(
        PROMPT, negative_prompt=negative, num_inference_steps=STEPS, guidance_scale=GUIDANCE, width=WIDTH,
        height=HEIGHT, generator=torch.Generator().manual_seed(SEED), output_type="np",
        callback_on_step_end=on_step).images
    tensors = {
        "context": context, "pooled": pooled, "picture": torch.from_numpy((pixels * 255).round().astype("uint8"))}
    for step, values in enumerate(latents):
        tensors[f"step/{step}/latents"] = values
    save_tensors(folder / f"golden_{name}.safetensors", tensors, metadata(
        SCRIPT, SEED, steps=STEPS, guidance_scale=GUIDANCE, prompt=PROMPT, negative_prompt=negative))
