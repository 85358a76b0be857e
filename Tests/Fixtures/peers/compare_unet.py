"""One evaluation of Stable Diffusion 1.5's UNet, Atelier and PyTorch in turn in one run; prints the ratio.

    python Tests/Fixtures/peers/compare_unet.py [--threads 2] [--repeats 3] [--precision bf16] [--binary .build/release/atelier]

The engines take turns, each counting with its best time, because the times of a shared machine drift. Random weights.
"""

import argparse
import json
import os
import subprocess
import sys
import time

from peer_timing import require

os.environ.setdefault("HF_HUB_OFFLINE", "1")


def main():
    parser = argparse.ArgumentParser(description="Time a UNet beside PyTorch's.")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--repeats", type=int, default=3, help="rounds; each times both engines")
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="bf16")
    parser.add_argument("--binary", default=".build/release/atelier")
    chosen = parser.parse_args()
    require("torch", "diffusers")
    import torch
    from diffusers import UNet2DConditionModel

    torch.set_num_threads(chosen.threads)
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16 if chosen.precision == "bf16" else torch.float32)
    model = UNet2DConditionModel(sample_size=64, cross_attention_dim=768, attention_head_dim=8,
                                 block_out_channels=(320, 640, 1280, 1280)).eval()
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
    sys.exit(main())
