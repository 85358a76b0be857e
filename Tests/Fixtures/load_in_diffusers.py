"""Loads a folder with the diffusers library and draws one picture: proof that a trained folder is a diffusers folder.

    python Tests/Fixtures/load_in_diffusers.py FOLDER [-p PROMPT] [-n NEGATIVE] [-o picture.png]
        [--steps 20] [--cfg-scale 5] [--seed 42] [-W 128] [-H 128] [--variant fp16] [--json]

Exits 1 when a weight is missing or unused, when the folder does not load, or when the picture is flat.
"""

import argparse
import json
import logging
import os
import sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")


def arguments():
    parser = argparse.ArgumentParser(description="Load a folder with diffusers and draw one picture.")
    parser.add_argument("folder")
    parser.add_argument("-p", "--prompt", default="a portrait of an old man with white hair, smiling")
    parser.add_argument("-n", "--negative-prompt", default="")
    parser.add_argument("-o", "--output")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--cfg-scale", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("-W", "--width", type=int)
    parser.add_argument("-H", "--height", type=int)
    parser.add_argument("--variant")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


class Complaints(logging.Handler):
    """Collects the loaders' warnings about weights that were missing, unused or newly initialised."""

    WORDS = ("not used when initializing", "were not used", "newly initialized", "MISSING", "UNEXPECTED",
             "not initialized from", "missing keys", "unexpected keys")

    def __init__(self):
        super().__init__()
        self.messages = []

    def emit(self, record):
        message = record.getMessage()
        if any(word in message for word in self.WORDS):
            self.messages.append(message)


def load(folder, variant):
    try:
        import diffusers
        import torch
        import transformers
    except ImportError as error:
        sys.exit(f"{error.name} is not installed: pip install -r Tests/Fixtures/requirements.txt")

    diffusers.utils.logging.disable_progress_bar()
    transformers.logging.disable_progress_bar()
    complaints = Complaints()
    for library in (diffusers, transformers):
        library.logging.set_verbosity_warning()
        logging.getLogger(library.__name__).addHandler(complaints)
    pipeline = diffusers.StableDiffusionPipeline.from_pretrained(
        folder, dtype=torch.float32, variant=variant, safety_checker=None, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline, complaints.messages


def main():
    options = arguments()
    if not os.path.isfile(os.path.join(options.folder, "model_index.json")):
        sys.exit(f"{options.folder}: expected a folder with model_index.json, found none")
    try:
        pipeline, complaints = load(options.folder, options.variant)
    except (OSError, ValueError, RuntimeError, TypeError, AttributeError, KeyError) as error:
        sys.exit(f"{options.folder}: diffusers cannot load it: {error}")
    if complaints:
        sys.exit(f"{options.folder}: {complaints[0]}")

    import torch

    size = pipeline.unet.config.sample_size * pipeline.vae_scale_factor
    image = pipeline(
        options.prompt, negative_prompt=options.negative_prompt, num_inference_steps=options.steps,
        guidance_scale=options.cfg_scale, width=options.width or size, height=options.height or size,
        generator=torch.Generator("cpu").manual_seed(options.seed)).images[0]
    if options.output:
        image.save(options.output)

    import numpy

    pixels = numpy.asarray(image)
    facts = {
        "folder": options.folder, "scheduler": type(pipeline.scheduler).__name__, "width": image.width,
        "height": image.height, "mean": float(pixels.mean()), "deviation": float(pixels.std()),
        "parameters": {name: sum(parameter.numel() for parameter in getattr(pipeline, name).parameters())
                       for name in ("text_encoder", "unet", "vae")},
        "output": options.output,
    }
    print(json.dumps(facts) if options.json else
          f"loaded {options.folder}: {facts['scheduler']}, {image.width}x{image.height}, "
          f"mean {facts['mean']:.1f}, deviation {facts['deviation']:.1f}")
    if facts["deviation"] < 1:
        sys.exit(f"{options.folder}: the picture is flat")


if __name__ == "__main__":
    main()
