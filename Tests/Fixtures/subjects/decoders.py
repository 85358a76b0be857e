"""Other ways from latents to pictures: tiled decoding of `tiny-vae`, the decoder of `tiny-taesd`, resized latents."""

import torch
from diffusers import AutoencoderKL, AutoencoderTiny
from diffusers.models.unets.unet_2d_blocks import AutoencoderTinyBlock

from fixture_tools import GOLDEN, check_spread, metadata, randomize, save_tensors

SCRIPT = "subjects/decoders.py"
SEED = 311
MODES = ["nearest", "nearest-exact", "bilinear", "bicubic"]


def make():
    generator = torch.Generator().manual_seed(SEED)
    make_tiled(generator)
    make_tiny(generator)
    make_resized(generator)


def make_tiled(generator):
    vae = AutoencoderKL.from_pretrained(GOLDEN / "tiny-vae")
    vae.enable_tiling()
    tensors = {}
    for name, size in {"both": (13, 19), "wide": (7, 15), "small": (8, 6)}.items():
        latents = torch.randn((1, 4, *size), generator=generator)
        with torch.no_grad():
            pictures = vae.decode(latents).sample
        check_spread(f"tiled {name}", pictures)
        tensors.update({f"input/{name}": latents, f"output/{name}": pictures})
    save_tensors(GOLDEN / "tiny-vae" / "golden_tiled.safetensors", tensors, metadata(SCRIPT, SEED))


def make_tiny(generator):
    folder = GOLDEN / "tiny-taesd"
    model = AutoencoderTiny(
        encoder_block_out_channels=(8, 8, 8), decoder_block_out_channels=(8, 8, 8), num_encoder_blocks=(1, 1, 1),
        num_decoder_blocks=(2, 1, 1), latent_channels=4,
    )
    randomize(model, SEED)
    with torch.no_grad():
        model.decoder.layers[-1].weight.mul_(0.2)
    model.save_pretrained(folder)
    # The original's sequence begins with a clamp, so its numbers are one higher.
    original = {}
    for key, value in model.decoder.state_dict().items():
        _, index, rest = key.split(".", 2)
        original[f"{int(index) + 1}.{rest}"] = value
    save_tensors(folder / "taesd_decoder.safetensors", original, metadata(SCRIPT, SEED))
    latents = torch.randn((1, 4, 5, 4), generator=generator) * 2
    sites = {}
    for index, layer in enumerate(model.decoder.layers):
        if isinstance(layer, (torch.nn.Conv2d, AutoencoderTinyBlock)):
            layer.register_forward_hook(
                lambda module, arguments, output, index=index: sites.update({f"site/decoder.layers.{index}": output}))
    with torch.no_grad():
        pictures = model.decode(latents).sample
    check_spread("tiny-taesd", pictures)
    save_tensors(folder / "golden_forward.safetensors", {"input/latents": latents, "output/pictures": pictures, **sites},
                 metadata(SCRIPT, SEED))


def make_resized(generator):
    latents = torch.randn((1, 4, 7, 6), generator=generator)
    tensors = {"input": latents}
    for name in MODES:
        for size in [(14, 12), (10, 15)]:
            resized = torch.nn.functional.interpolate(latents, size=size, mode=name)
            tensors[f"{name}/{size[0]}x{size[1]}"] = resized
    save_tensors(GOLDEN / "resized_latents.safetensors", tensors, metadata(SCRIPT, SEED))
