"""The tiny autoencoder `tiny-vae` (downsampling by 4) and what it computes, site by site, with gradients."""

import torch
from diffusers import AutoencoderKL

from fixture_tools import GOLDEN, SiteRecorder, check_spread, metadata, randomize, save_tensors

SCRIPT = "subjects/vae.py"
SEED = 301


def make():
    folder = GOLDEN / "tiny-vae"
    model = AutoencoderKL(
        in_channels=3, out_channels=3, latent_channels=4, block_out_channels=(8, 16, 16), layers_per_block=2,
        down_block_types=("DownEncoderBlock2D",) * 3, up_block_types=("UpDecoderBlock2D",) * 3, norm_num_groups=4,
        sample_size=32, scaling_factor=0.18215,
    )
    randomize(model, SEED)
    # Keeps decoded pictures inside (-1, 1) for the most part, so that clamping hides little.
    with torch.no_grad():
        model.decoder.conv_out.weight.mul_(0.4)
    model.save_pretrained(folder)
    generator = torch.Generator().manual_seed(SEED + 1000)
    picture = torch.rand((1, 3, 24, 16), generator=generator) * 2 - 1
    save_forward(folder, model, picture, generator)
    save_gradients(folder, model, picture)


def save_forward(folder, model, picture, generator):
    with torch.no_grad(), SiteRecorder(model) as recorder:
        posterior = model.encode(picture).latent_dist
        decoded = model.decode(posterior.mean).sample
    noise = torch.randn(posterior.mean.shape, generator=generator)
    other = torch.randn((2, 4, 5, 3), generator=generator)
    with torch.no_grad():
        other_decoded = model.decode(other).sample
    check_spread("tiny-vae decoded", decoded)
    check_spread("tiny-vae mean", posterior.mean)
    tensors = {
        "input/picture": picture, "input/noise": noise, "input/latents": other,
        "output/moments": posterior.parameters, "output/mean": posterior.mean, "output/logvar": posterior.logvar,
        "output/std": posterior.std, "output/sample": posterior.mean + posterior.std * noise,
        "output/kl": posterior.kl(), "output/decoded": decoded, "output/decoded_latents": other_decoded,
    }
    tensors.update(recorder.tensors())
    save_tensors(folder / "golden_forward.safetensors", tensors, metadata(SCRIPT, SEED, **recorder.facts()))


def save_gradients(folder, model, picture):
    """Gradients of mean((decode(encode(picture).mean) - picture)^2)."""
    leaf = picture.clone().requires_grad_()
    loss = ((model.decode(model.encode(leaf).latent_dist.mean).sample - picture) ** 2).mean()
    names, parameters = zip(*model.named_parameters())
    gradients = torch.autograd.grad(loss, [*parameters, leaf])
    tensors = {f"gradient/{name}": value for name, value in zip(names, gradients)}
    tensors.update({"input/picture": picture, "loss": loss, "input_gradient/picture": gradients[-1]})
    save_tensors(folder / "golden_gradients.safetensors", tensors,
                 metadata(SCRIPT, SEED, loss="mean((decoded - picture)^2), picture as target detached"))
