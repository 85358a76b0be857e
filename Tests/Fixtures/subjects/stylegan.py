"""A tiny StyleGAN2 generator with random weights, and what an implementation of our own makes of it: `tiny-stylegan2`.

Written from the formulas, one picture at a time, in double precision: the style scales a copy of the kernel, which is brought to
unit norm, and sizes are doubled by a transposed convolution and a filter. Names are those of the official state dictionary.
"""

import math

import torch
import torch.nn.functional as F

from fixture_tools import GOLDEN, check_spread, metadata, save_tensors

SCRIPT = "subjects/stylegan.py"
SEED = 1912
LATENT, STYLE, LABELS = 6, 8, 3
CHANNELS = {4: 10, 8: 8, 16: 6}
MAPPING = 2
# One layer's filter is no symmetric one, so that a filter applied the wrong way round shows.
CROOKED = "synthesis.b16.conv0.resample_filter"


def make():
    generator = torch.Generator().manual_seed(SEED)
    weights = draw(generator)
    latents = torch.randn(2, LATENT, generator=generator)
    labels = F.one_hot(torch.tensor([0, 2]), LABELS).float()
    model = Generator(weights)
    golden = {"input/latents": latents, "input/labels": labels}
    styles = model.mapping(latents, labels)
    golden["output/styles"] = styles
    golden["output/truncated"] = model.mapping(latents, labels, psi=0.6, cutoff=3)
    golden["output/constant"], sites = model.synthesis(styles, "constant")
    golden["output/none"], _ = model.synthesis(styles, "none")
    golden["output/offset"], _ = model.synthesis(
        styles, "none", {("b8.conv0", 3): 1.5, ("b8.conv0", 4): -0.5, ("b16.torgb", 1): 2.0})
    check_spread("tiny-stylegan2", golden["output/constant"])
    golden.update({f"site/synthesis.{name}": value for name, value in sites.items()})
    folder = GOLDEN / "tiny-stylegan2"
    save_tensors(folder / "generator.safetensors", weights, metadata(SCRIPT, SEED))
    save_tensors(folder / "golden_forward.safetensors", {key: value.float() for key, value in golden.items()},
                 metadata(SCRIPT, SEED))


def draw(generator):
    """Every tensor of the state dictionary."""
    weights = {}

    def normal(name, *shape, scale=1.0, mean=0.0):
        weights[name] = mean + scale * torch.randn(shape, generator=generator)

    ramp = torch.tensor([1.0, 3.0, 3.0, 1.0])
    smooth = torch.outer(ramp, ramp) / 64
    normal("mapping.embed.weight", STYLE, LABELS)
    normal("mapping.embed.bias", STYLE, scale=0.2)
    for index in range(MAPPING):
        inputs = LATENT + STYLE if index == 0 else STYLE
        normal(f"mapping.fc{index}.weight", STYLE, inputs, scale=100)
        normal(f"mapping.fc{index}.bias", STYLE, scale=20)
    normal("mapping.w_avg", STYLE, scale=0.5)

    def layer(name, inputs, outputs, side, kernel):
        normal(f"{name}.affine.weight", inputs, STYLE)
        normal(f"{name}.affine.bias", inputs, scale=0.3, mean=1)
        normal(f"{name}.weight", outputs, inputs, kernel, kernel)
        normal(f"{name}.bias", outputs, scale=0.2)
        if kernel == 3:
            normal(f"{name}.noise_strength", scale=0.1, mean=0.3)
            normal(f"{name}.noise_const", side, side)
            weights[f"{name}.resample_filter"] = smooth.clone()

    previous = None
    for side, width in CHANNELS.items():
        block = f"synthesis.b{side}"
        weights[f"{block}.resample_filter"] = smooth.clone()
        if previous is None:
            normal(f"{block}.const", width, 4, 4)
        else:
            layer(f"{block}.conv0", previous, width, side, 3)
        layer(f"{block}.conv1", width, width, side, 3)
        layer(f"{block}.torgb", width, 3, side, 1)
        previous = width
    crooked = torch.rand(4, 4, generator=generator)
    weights[CROOKED] = crooked / crooked.sum()
    return weights


class Generator:
    def __init__(self, weights):
        self.weights = {key: value.double() for key, value in weights.items()}

    def __getitem__(self, name):
        return self.weights[name]

    def dense(self, name, x, rate=1.0):
        weight = self[f"{name}.weight"]
        return x @ weight.T * (rate / math.sqrt(weight.shape[1])) + self[f"{name}.bias"] * rate

    def mapping(self, latents, labels, psi=1.0, cutoff=None):
        def unit(x):
            return x / torch.sqrt((x ** 2).mean(dim=1, keepdim=True) + 1e-8)

        x = torch.cat([unit(latents.double()), unit(self.dense("mapping.embed", labels.double()))], dim=1)
        for index in range(MAPPING):
            x = activated(self.dense(f"mapping.fc{index}", x, rate=0.01))
        styles = torch.stack([x] * (2 * len(CHANNELS)), dim=1)
        if psi != 1:
            styles[:, :cutoff] = torch.lerp(self["mapping.w_avg"], styles[:, :cutoff], psi)
        return styles

    def synthesis(self, styles, noise, offsets=None):
        """The pictures of styles, and the output of every layer for the first one."""
        pictures, sites = [], {}
        for number, style in enumerate(styles):
            picture, seen = self.one(style, noise, offsets or {})
            pictures.append(picture)
            if number == 0:
                sites = seen
        return torch.cat(pictures), sites

    def one(self, style, noise, offsets):
        seen = {}
        rows = iter(range(len(style)))
        x, picture = self["synthesis.b4.const"][None], None
        last = None
        for side in CHANNELS:
            for name in ["conv0", "conv1"] if side > 4 else ["conv1"]:
                last = next(rows)
                x = self.styled(f"b{side}.{name}", x, style[last], noise, offsets, name == "conv0")
                seen[f"b{side}.{name}"] = x
            # Colours read the style of the next convolution, which comes again there.
            color = self.modulated(f"b{side}.torgb", x, style[last + 1], offsets, demodulates=False)
            color = color + self[f"synthesis.b{side}.torgb.bias"][None, :, None, None]
            seen[f"b{side}.torgb"] = color
            if picture is not None:
                color = color + doubled(picture, self[f"synthesis.b{side}.resample_filter"])
            picture = color
        return picture, seen

    def styled(self, name, x, style, noise, offsets, up):
        x = self.modulated(name, x, style, offsets, demodulates=True, up=up)
        if noise == "constant":
            x = x + self[f"synthesis.{name}.noise_const"] * self[f"synthesis.{name}.noise_strength"]
        return activated(x + self[f"synthesis.{name}.bias"][None, :, None, None])

    def modulated(self, name, x, style, offsets, demodulates, up=False):
        scale = self.dense(f"synthesis.{name}.affine", style[None])[0].clone()
        for (layer, channel), amount in offsets.items():
            if layer == name:
                scale[channel] += amount
        kernel = self[f"synthesis.{name}.weight"]
        if not demodulates:
            scale = scale / math.sqrt(kernel.shape[1])
        kernel = kernel * scale[None, :, None, None]
        if demodulates:
            kernel = kernel / torch.sqrt((kernel ** 2).sum(dim=(1, 2, 3), keepdim=True) + 1e-8)
        if not up:
            return F.conv2d(x, kernel, padding=kernel.shape[-1] // 2)
        wide = F.conv_transpose2d(x, kernel.transpose(0, 1), stride=2)
        return convolved(F.pad(wide, (1, 1, 1, 1)), 4 * self[f"synthesis.{name}.resample_filter"])


def activated(x):
    return F.leaky_relu(x, 0.2) * math.sqrt(2)


def convolved(x, taps):
    """A true convolution of each channel with one filter, without padding."""
    channels = x.shape[1]
    return F.conv2d(x, taps.flip(0, 1)[None, None].expand(channels, 1, -1, -1), groups=channels)


def doubled(x, taps):
    wide = x.new_zeros(*x.shape[:2], 2 * x.shape[2], 2 * x.shape[3])
    wide[:, :, ::2, ::2] = x
    return convolved(F.pad(wide, (2, 1, 2, 1)), 4 * taps)
