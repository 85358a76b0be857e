"""Loads adapters that `atelier adapters convert` wrote with the diffusers library and compares the UNet's output.

    python Tests/Fixtures/load_adapters_in_diffusers.py [path of the atelier executable]

Converts two golden files to every format that diffusers reads, loads each into the tiny pipeline and compares what its
UNet gives with the golden output. Exits 1 when a file does not load or an output is more than 1e-4 off.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import load_file

from fixture_tools import GOLDEN, make_deterministic

# diffusers 0.42.1 gives every layer of a kohya file the alpha that most have, so mixed alphas are left out there.
SOURCES = {
    "slider-f16": ("slider-f16.pt", ["kohya", "sliders", "peft", "diffusers"]),
    "peft-lora": ("peft-lora/adapter_model.safetensors", ["peft", "diffusers"]),
}


def main():
    atelier = sys.argv[1] if len(sys.argv) > 1 else ".build/release/atelier"
    make_deterministic()
    expected = load_file(GOLDEN / "adapters" / "expected.safetensors")
    golden = load_file(GOLDEN / "tiny-unet-sd1" / "golden_forward.safetensors")
    inputs = [golden[f"input/{name}"] for name in ("sample", "timestep", "encoder_hidden_states")]
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, (source, formats) in SOURCES.items():
            for format in formats:
                path = Path(folder) / f"{name}-{format}.safetensors"
                subprocess.run([atelier, "adapters", "convert", GOLDEN / "adapters" / source, path, "--format", format,
                                "--dtype", "f32", "-m", GOLDEN / "tiny-sd"], check=True, stdout=subprocess.DEVNULL)
                pipeline = StableDiffusionPipeline.from_pretrained(GOLDEN / "tiny-sd", safety_checker=None)
                pipeline.load_lora_weights(path)
                with torch.no_grad():
                    output = pipeline.unet(*inputs).sample
                difference = (output - expected[f"{name}/output"]).abs().max().item()
                failures += difference > 1e-4
                print(f"{name} as {format}: {difference:.2e} {'apart' if difference > 1e-4 else 'the same'}")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
