"""One training step of a text slider on Stable Diffusion 1.5's shapes at 256x256, Atelier and PyTorch in turn, each a process of
its own; prints times, peaks of memory and their ratios.

    python Tests/Fixtures/peers/compare_slider_step.py [--threads 2] [--repeats 3] [--precision bf16] [--latent 32] [--rank 4]
        [--apart] [--binary .build/release/atelier]

A step is the frozen network's predictions for three texts, the tracked one for a fourth, the backward pass and AdamW's step. PyTorch
has diffusers' UNet and a LoRA of the same rank in the same 150 layers, skipped where the network is frozen, and evaluates the
three texts in one batch (`--apart`: one after the other). In bf16 its factors are bf16, too, as in the original trainer; ours are
fp32. Random weights. Each engine counts with its best time and its smallest peak (resident, of the whole process).
"""

import json
import resource
import subprocess
import sys
import time

from bench_unet import networks
from peer_timing import options, require


def targets(unet):
    """The layers of `c3lier`, `noxattn`: convolutions of residual and resizing blocks, projections of self-attention."""
    import torch

    kinds = ("Attention", "ResnetBlock2D", "Downsample2D", "Upsample2D")
    found = {}
    for name, parent in unet.named_modules():
        if type(parent).__name__ not in kinds or "attn2" in name or "time_embed" in name:
            continue
        for child, module in parent.named_modules():
            if isinstance(module, (torch.nn.Linear, torch.nn.Conv2d)):
                found[f"{name}.{child}"] = module
    return found


def attach(unet, rank):
    """Low-rank factors beside the layers; returns them, and the scale that they all read."""
    import torch

    scale, factors = {"value": 0.0}, []

    def wrap(module):
        options = {"dtype": module.weight.dtype}
        if isinstance(module, torch.nn.Linear):
            down = torch.nn.Linear(module.in_features, rank, bias=False, **options)
            up = torch.nn.Linear(rank, module.out_features, bias=False, **options)
        else:
            down = torch.nn.Conv2d(module.in_channels, rank, module.kernel_size, module.stride, module.padding,
                                   bias=False, **options)
            up = torch.nn.Conv2d(rank, module.out_channels, 1, bias=False, **options)
        torch.nn.init.zeros_(up.weight)
        factors.extend([down.weight, up.weight])
        plain = module.forward

        def forward(x, *rest, **named):
            y = plain(x, *rest, **named)
            return y if scale["value"] == 0 else y + scale["value"] / rank * up(down(x))

        module.forward = forward

    for module in targets(unet).values():
        wrap(module)
    return factors, scale


def peer(chosen):
    """PyTorch's half, in a process of its own."""
    import torch

    torch.set_num_threads(chosen.threads)
    torch.manual_seed(0)
    # Made in its final format, so that no wider copy counts.
    torch.set_default_dtype(torch.bfloat16 if chosen.precision == "bf16" else torch.float32)
    unet = networks(None)["unet"]().eval().requires_grad_(False)
    factors, scale = attach(unet, chosen.rank)
    assert len(factors) == 300, f"expected factors of 150 layers, found {len(factors) / 2}"
    optimizer = torch.optim.AdamW(factors, lr=2e-4)
    latents = torch.randn(1, 4, chosen.latent, chosen.latent)
    target, positive, opposite, neutral = (torch.randn(1, 77, 768) for _ in range(4))

    def frozen():
        scale["value"] = 0.0
        with torch.no_grad():
            if chosen.apart:
                return [unet(latents, 500, text).sample for text in (neutral, positive, opposite)]
            texts = torch.cat([neutral, positive, opposite])
            return unet(latents.expand(3, -1, -1, -1), 500, texts).sample.chunk(3)

    def step():
        optimizer.zero_grad(set_to_none=True)
        plain, more, less = frozen()
        scale["value"] = 1.0
        predicted = unet(latents, 500, target).sample
        torch.nn.functional.mse_loss(predicted.float(), (plain + 4 * (more - less)).float()).backward()
        optimizer.step()

    step()
    best = float("inf")
    for _ in range(3):
        started = time.perf_counter()
        step()
        best = min(best, time.perf_counter() - started)
    print(json.dumps({"best": best, "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))


def main():
    chosen = options(
        "Time a slider's training step beside PyTorch's.", latent={"type": int, "default": 32},
        rank={"type": int, "default": 4}, precision={"choices": ["fp32", "bf16"], "default": "fp32"},
        apart={"action": "store_true", "help": "PyTorch evaluates the three texts one after the other"},
        peer={"action": "store_true", "help": "PyTorch alone"}, binary={"default": ".build/release/atelier"})
    require("torch", "diffusers", "transformers")
    if chosen.peer:
        return peer(chosen)
    same = ["--precision", chosen.precision, "--threads", str(chosen.threads), "--latent", str(chosen.latent),
            "--rank", str(chosen.rank)]
    commands = {
        "atelier": [chosen.binary, "bench", "slider-step", *same, "--repeats", "3", "--json"],
        "torch": [sys.executable, __file__, "--peer", *same, *(["--apart"] if chosen.apart else [])]}
    best, peak = {}, {}
    for _ in range(max(1, chosen.repeats)):
        for name, command in commands.items():
            text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            row = json.loads(text.strip().splitlines()[-1])
            best[name] = min(best.get(name, float("inf")), row["best"])
            peak[name] = min(peak.get(name, float("inf")), row["peak_bytes"])
        print(json.dumps({
            "precision": chosen.precision, "latent": chosen.latent, "threads": chosen.threads,
            **{name: round(seconds, 3) for name, seconds in best.items()},
            "over_torch": round(best["atelier"] / best["torch"], 3),
            **{name + "_peak_mb": round(value / 1e6) for name, value in peak.items()},
            "peak_over_torch": round(peak["atelier"] / peak["torch"], 3)}), flush=True)


if __name__ == "__main__":
    main()
