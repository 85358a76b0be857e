"""From a prompt to a PNG with Stable Diffusion 1.5's shapes, Atelier and diffusers as whole processes, in turn.

    python Tests/Fixtures/peers/compare_pipeline.py [--threads 2] [--repeats 1] [--steps 20] [--folder FOLDER]
        [--binary .build/release/atelier]

Both load one diffusers folder (random weights in 16 bits unless `--folder` names one), draw 512x512 with guidance 7.5 by
Euler steps and write a PNG. diffusers' time is given with and without the import of its modules. Needs 4 GB of disk.
"""

import json
import os
import subprocess
import sys
import tempfile
import time

from bench_unet import networks
from peer_timing import options, require

os.environ.setdefault("HF_HUB_OFFLINE", "1")
PROMPT = "an old man with white hair, smiling"
PEER = """
import sys, time
started = time.perf_counter()
import torch
from diffusers import StableDiffusionPipeline
imported = time.perf_counter()
torch.set_num_threads(int(sys.argv[1]))
pipe = StableDiffusionPipeline.from_pretrained(sys.argv[2], torch_dtype=torch.bfloat16, safety_checker=None)
pipe.set_progress_bar_config(disable=True)
picture = pipe(sys.argv[4], num_inference_steps=int(sys.argv[3]), guidance_scale=7.5,
               generator=torch.Generator().manual_seed(1)).images[0]
picture.save(sys.argv[5])
print(imported - started)
"""


def tokenizer():
    """CLIP's tokenizer, from the merges that the package carries."""
    from pathlib import Path

    from transformers import CLIPTokenizer

    folder = Path(__file__).resolve().parents[3] / "Assets/tokenizers/clip"
    return CLIPTokenizer.from_pretrained(folder)


def write_folder(folder):
    """A diffusers folder of Stable Diffusion 1.5's shapes with random weights."""
    import torch
    from diffusers import EulerDiscreteScheduler, StableDiffusionPipeline

    torch.manual_seed(0)
    parts = networks(None)
    StableDiffusionPipeline(
        vae=parts["vae"](), text_encoder=parts["text"](), tokenizer=tokenizer(), unet=parts["unet"](),
        scheduler=EulerDiscreteScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", timestep_spacing="leading",
            steps_offset=1),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    ).to(torch.float16).save_pretrained(folder)


def main():
    chosen = options("Time pictures beside diffusers'.", steps={"type": int, "default": 20}, folder={"default": None},
                     binary={"default": ".build/release/atelier"})
    require("torch", "diffusers", "transformers")
    with tempfile.TemporaryDirectory() as scratch:
        folder = chosen.folder
        if folder is None:
            folder = os.path.join(scratch, "model")
            write_folder(folder)
        best = {}

        def keep(name, seconds):
            best[name] = min(best.get(name, float("inf")), seconds)

        for _ in range(max(1, chosen.repeats)):
            started = time.perf_counter()
            subprocess.run(
                [chosen.binary, "generate", "-m", folder, "-p", PROMPT, "--steps", str(chosen.steps), "--cfg-scale", "7.5",
                 "-W", "512", "-H", "512", "-s", "1", "--sampling-method", "euler", "--precision", "bf16",
                 "-t", str(chosen.threads), "-o", os.path.join(scratch, "ours.png")], check=True, stdout=sys.stderr)
            keep("atelier", time.perf_counter() - started)
            started = time.perf_counter()
            imports = subprocess.run(
                [sys.executable, "-c", PEER, str(chosen.threads), folder, str(chosen.steps), PROMPT,
                 os.path.join(scratch, "theirs.png")], check=True, capture_output=True, text=True).stdout
            whole = time.perf_counter() - started
            keep("diffusers", whole)
            keep("diffusers_without_imports", whole - float(imports.strip().splitlines()[-1]))
            print(json.dumps({
                "steps": chosen.steps, **{name: round(seconds, 2) for name, seconds in best.items()},
                "ratio": round(best["atelier"] / best["diffusers"], 3),
                "ratio_without_imports": round(best["atelier"] / best["diffusers_without_imports"], 3)}), flush=True)


if __name__ == "__main__":
    main()
