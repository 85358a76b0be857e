"""One evaluation of Stable Diffusion 1.5's UNet, Atelier and PyTorch in turn in one run; prints the ratio.

    python Tests/Fixtures/peers/compare_unet.py [--threads 2] [--repeats 3] [--precision bf16] [--binary .build/release/atelier]

The engines take turns, each counting with its best time, because the times of a shared machine drift. Random weights.
"""

import json
import subprocess
import time

from bench_unet import networks
from peer_timing import options, require


def main():
    chosen = options("Time a UNet beside PyTorch's.", precision={"choices": ["fp32", "bf16"], "default": "bf16"},
                     binary={"default": ".build/release/atelier"})
    require("torch", "diffusers", "transformers")
    import torch

    torch.set_num_threads(chosen.threads)
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16 if chosen.precision == "bf16" else torch.float32)
    model = networks(None)["unet"]().eval()
    latents, context = torch.randn(1, 4, 64, 64), torch.randn(1, 77, 768)
    ours, theirs = [], []
    for _ in range(max(1, chosen.repeats)):
        line = subprocess.run(
            [chosen.binary, "bench", "unet", "--precision", chosen.precision, "--threads", str(chosen.threads),
             "--repeats", "3", "--json"], check=True, capture_output=True, text=True).stdout
        ours.append(json.loads(line)["best"])
        with torch.no_grad():
            model(latents, 500, context)
            for _ in range(3):
                started = time.perf_counter()
                model(latents, 500, context)
                theirs.append(time.perf_counter() - started)
        print(json.dumps({"precision": chosen.precision, "atelier": round(min(ours), 3),
                          "torch": round(min(theirs), 3), "ratio": round(min(ours) / min(theirs), 3)}), flush=True)


if __name__ == "__main__":
    main()
