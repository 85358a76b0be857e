"""Writes every golden file of Tests/Fixtures/golden, or only the subjects named on the command line.

    python Tests/Fixtures/make_fixtures.py [ops random tokenizer clip_vocabulary clip unet vae decoders stylegan
                                             pipeline pipeline_images pipeline_xl schedulers scheduler_variants sampler_grid later_starts
                                             optimizers adaptive_optimizers single_file torch_checkpoints adapters sliders pairs
                                             style_guidance language_models rotary text_tokenizers gguf_files
                                             smollm2]
"""

import importlib
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from fixture_tools import GOLDEN, make_deterministic

# In order: the pipeline is assembled from the folders that the earlier ones write.
SUBJECTS = {
    "ops": "subjects.ops",
    "random": "subjects.random_numbers",
    "tokenizer": "subjects.tokenizer",
    "clip_vocabulary": "subjects.clip_vocabulary",
    "clip": "subjects.clip",
    "unet": "subjects.unet",
    "vae": "subjects.vae",
    "decoders": "subjects.decoders",
    "stylegan": "subjects.stylegan",
    "pipeline": "subjects.pipeline",
    "pipeline_images": "subjects.pipeline_images",
    "pipeline_xl": "subjects.pipeline_xl",
    "schedulers": "subjects.schedulers",
    "scheduler_variants": "subjects.scheduler_variants",
    "sampler_grid": "subjects.sampler_grid",
    "later_starts": "subjects.later_starts",
    "optimizers": "subjects.optimizers",
    "adaptive_optimizers": "subjects.adaptive_optimizers",
    "single_file": "subjects.single_file",
    "torch_checkpoints": "subjects.torch_checkpoints",
    "adapters": "subjects.adapters",
    "sliders": "subjects.sliders",
    "pairs": "subjects.pairs",
    "style_guidance": "subjects.style_guidance",
    "language_models": "subjects.language_models",
    "rotary": "subjects.rotary",
    "text_tokenizers": "subjects.text_tokenizers",
    "gguf_files": "subjects.gguf_files",
    "smollm2": "subjects.smollm2",
}
SIZE_LIMIT = 20_000_000


def main(names):
    unknown = [name for name in names if name not in SUBJECTS]
    if unknown:
        sys.exit(f"unknown subject {unknown[0]}: expected one of {', '.join(SUBJECTS)}")
    make_deterministic()
    for name in names or SUBJECTS:
        started = time.time()
        importlib.import_module(SUBJECTS[name]).make()
        print(f"{name}: {time.time() - started:.1f} s")
    total = sum(path.lstat().st_size for path in GOLDEN.rglob("*") if path.is_file())
    print(f"golden files: {total / 1e6:.2f} MB")
    if total > SIZE_LIMIT:
        sys.exit(f"golden files hold {total} bytes; expected at most {SIZE_LIMIT}")


if __name__ == "__main__":
    main(sys.argv[1:])
