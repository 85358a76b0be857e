"""One evaluation of Stable Diffusion 1.5's UNet, the engines in turn in one run; prints the ratios.

    python Tests/Fixtures/peers/compare_unet.py [--threads 2] [--repeats 3] [--precision bf16] [--openvino]
        [--binary .build/release/atelier]

The engines take turns, each counting with its best time, because the times of a shared machine drift. Random weights.
`--openvino` converts PyTorch's network for OpenVINO (6 GB of memory, a minute), which then takes turns, too.
"""

import json
import subprocess
import time

from bench_unet import networks
from peer_timing import options, require


def openvino_runner(model, latents, context, precision, threads):
    """OpenVINO's compiled form of a UNet as a function without arguments."""
    import openvino
    import torch

    class Plain(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, sample, timestep, states):
            return self.model(sample, timestep, states, return_dict=False)[0]

    inputs = (latents, torch.tensor([500]), context)
    with torch.no_grad():
        converted = openvino.convert_model(Plain(), example_input=inputs)
    shapes = [list(value.shape) for value in inputs]
    converted.reshape({port: shape for port, shape in zip(converted.inputs, shapes)})
    compiled = openvino.Core().compile_model(converted, "CPU", {
        "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
        "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1})
    arrays = [value.numpy() for value in inputs]
    return lambda: compiled(arrays)


def main():
    chosen = options("Time a UNet beside PyTorch's.", precision={"choices": ["fp32", "bf16"], "default": "bf16"},
                     binary={"default": ".build/release/atelier"}, openvino={"action": "store_true"})
    require("torch", "diffusers", "transformers", *(["openvino"] if chosen.openvino else []))
    import torch

    torch.set_num_threads(chosen.threads)
    torch.manual_seed(0)
    model = networks(None)["unet"]().eval()
    latents, context = torch.randn(1, 4, 64, 64), torch.randn(1, 77, 768)
    runs = {}
    if chosen.openvino:
        runs["openvino"] = openvino_runner(model, latents, context, chosen.precision, chosen.threads)
    dtype = torch.bfloat16 if chosen.precision == "bf16" else torch.float32
    model.to(dtype)
    latents, context = latents.to(dtype), context.to(dtype)
    runs["torch"] = lambda: model(latents, 500, context)
    best = {}
    for _ in range(max(1, chosen.repeats)):
        line = subprocess.run(
            [chosen.binary, "bench", "unet", "--precision", chosen.precision, "--threads", str(chosen.threads),
             "--repeats", "3", "--json"], check=True, capture_output=True, text=True).stdout
        best["atelier"] = min(best.get("atelier", float("inf")), json.loads(line)["best"])
        with torch.no_grad():
            for name, run in runs.items():
                run()
                for _ in range(3):
                    started = time.perf_counter()
                    run()
                    best[name] = min(best.get(name, float("inf")), time.perf_counter() - started)
        print(json.dumps({
            "precision": chosen.precision, **{name: round(seconds, 3) for name, seconds in best.items()},
            **{"over_" + name: round(best["atelier"] / best[name], 3) for name in runs}}), flush=True)


if __name__ == "__main__":
    main()
