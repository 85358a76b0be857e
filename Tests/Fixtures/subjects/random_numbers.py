"""Draws of torch's CPU generator: `random.safetensors` and the sequences that made them, `random.json`.

Double-precision draws are in a file of their own, `random_float64.safetensors`.

A sequence is a seed and a list of draws made one after another from one generator; the tensor of draw i of sequence s
has the key `s/i`. Sequences that mix sizes check the cached second normal and the redrawn tail.
"""

import torch

from fixture_tools import GOLDEN, metadata, save_json, save_tensors

SCRIPT = "subjects/random_numbers.py"
SMALL = [1, 4, 15, 16, 17, 100]
TYPES = {"float32": torch.float32, "float64": torch.float64, "bfloat16": torch.bfloat16, "float16": torch.float16}


def draw(generator, kind, size, dtype="float32", low=0, high=None):
    if kind == "randn":
        return torch.randn(size, generator=generator, dtype=TYPES[dtype])
    if kind == "rand":
        return torch.rand(size, generator=generator, dtype=TYPES[dtype])
    if kind == "randint":
        return torch.randint(low, high, (size,), generator=generator)
    if kind == "randperm":
        return torch.randperm(size, generator=generator)
    raise ValueError(kind)


def sequences():
    """Name -> (seed, draws)."""
    def randn(size, dtype="float32"):
        return {"kind": "randn", "size": size, "dtype": dtype}

    def rand(size, dtype="float32"):
        return {"kind": "rand", "size": size, "dtype": dtype}

    def randint(size, low, high):
        return {"kind": "randint", "size": size, "low": low, "high": high}

    def randperm(size):
        return {"kind": "randperm", "size": size}

    made = {}
    for seed in (0, 42, 123456789, 2**32 + 7, 2**63 - 1):
        for size in SMALL:
            made[f"randn_seed{seed}_n{size}"] = (seed, [randn(size)])
    made["randn_twice_small"] = (7, [randn(3), randn(3), randn(2)])
    made["randn_twice_17"] = (7, [randn(17), randn(17)])
    made["randn_small_large_small"] = (11, [randn(1), randn(20), randn(1), randn(16), randn(5), randn(100), randn(2)])
    made["randn_latents"] = (0, [randn(4 * 64 * 64), randn(4 * 64 * 64)])
    made["randn_across_refill"] = (3, [randn(623), randn(623)])
    made["mixed_kinds"] = (5, [rand(3), randn(1), rand(5), randn(1), randint(4, 0, 10), randn(18), randperm(6),
                               rand(1)])
    for seed in (0, 42):
        made[f"rand_seed{seed}"] = (seed, [rand(1), rand(7), rand(33)])
        made[f"randint_seed{seed}"] = (seed, [
            randint(20, 0, 10), randint(20, -5, 1000), randint(8, 0, 2**31), randint(8, 0, 2**33),
            randint(8, -2**62, 2**62)])
        made[f"randperm_seed{seed}"] = (seed, [randperm(1), randperm(10), randperm(257)])
        for dtype in ("float64", "bfloat16", "float16"):
            made[f"randn_{dtype}_seed{seed}"] = (seed, [randn(size, dtype) for size in (4, 15, 16, 17, 100)])
            made[f"rand_{dtype}_seed{seed}"] = (seed, [rand(size, dtype) for size in (4, 33)])
    return made


def make():
    tensors, index = {}, {}
    for name, (seed, draws) in sequences().items():
        generator = torch.Generator().manual_seed(seed)
        index[name] = {"seed": seed, "draws": draws}
        for position, request in enumerate(draws):
            tensors[f"{name}/{position}"] = draw(generator, **request)
    doubles = {key: value for key, value in tensors.items() if value.dtype == torch.float64}
    others = {key: value for key, value in tensors.items() if key not in doubles}
    facts = metadata(SCRIPT, "in random.json")
    save_tensors(GOLDEN / "random.safetensors", others, facts)
    save_tensors(GOLDEN / "random_float64.safetensors", doubles, facts)
    save_json(GOLDEN / "random.json", index)
