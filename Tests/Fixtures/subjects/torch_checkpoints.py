"""Checkpoints as torch saves them, and what is in them: the folder `torch-checkpoints`.

`tensors.pt` (zip), `tensors_protocol4.pt` (zip), `tensors_legacy.pt` (before torch 1.6) hold the same tensors: every
element type, views, shared storages. `lightning.ckpt` is nested as Lightning's are, `embedding.pt` and
`embedding_module.pt` are textual-inversion embeddings. `expected.safetensors` has every tensor, contiguous, as
`FILE/KEYS`.
"""

import collections
import sys
import types

import numpy
import torch

from fixture_tools import GOLDEN, metadata, save_tensors

SCRIPT = "subjects/torch_checkpoints.py"
SEED = 601
FOLDER = GOLDEN / "torch-checkpoints"


def make():
    FOLDER.mkdir(exist_ok=True)
    generator = torch.Generator().manual_seed(SEED)
    expected = {}
    tensors = plain(generator)
    torch.save(tensors, FOLDER / "tensors.pt")
    torch.save(tensors, FOLDER / "tensors_protocol4.pt", pickle_protocol=4)
    # The old form knows no storages of plain bytes: torch writes such a file, but cannot read it again.
    typed = [(name, value) for name, value in tensors.items() if value.dtype != torch.uint16]
    save_legacy(collections.OrderedDict(typed), FOLDER / "tensors_legacy.pt")
    collect("tensors", tensors, expected)
    for name, value in [("lightning.ckpt", lightning(generator)), ("embedding.pt", embedding(generator)),
                        ("embedding_module.pt", embedding_module(generator))]:
        torch.save(value, FOLDER / name)
        collect(name, value, expected)
    save_tensors(FOLDER / "expected.safetensors", expected,
                 metadata(SCRIPT, SEED, numpy=numpy.__version__))


def plain(generator):
    base = torch.randn((6, 8), generator=generator)
    image = torch.randn((3, 2, 4, 5), generator=generator)
    return collections.OrderedDict([
        ("f32.weight", torch.randn((4, 3), generator=generator)),
        ("f16.weight", torch.randn((2, 5), generator=generator).half()),
        ("bf16.weight", torch.randn((3, 3), generator=generator).bfloat16()),
        ("i64", torch.randint(-2**40, 2**40, (5,), generator=generator)),
        ("i32", torch.randint(-99, 99, (2, 2), generator=generator).int()),
        ("u8", torch.randint(0, 255, (7,), generator=generator).byte()),
        ("bool", torch.rand((2, 3), generator=generator) < 0.5),
        ("f64", torch.randn((2,), generator=generator).double()),
        ("u16", torch.randint(0, 255, (3,), generator=generator).to(torch.uint16)),
        ("scalar", torch.tensor(1.25)),
        ("empty", torch.empty((0, 4))),
        ("parameter", torch.nn.Parameter(torch.randn(3, generator=generator))),
        ("view.whole", base),
        ("view.transposed", base.T),
        ("view.rows", base[2:4]),
        ("view.columns", base[:, 1::3]),
        ("view.element", base[5, 7]),
        ("view.expanded", base[:1, :4].expand(3, 4)),
        ("channels_last", image.contiguous(memory_format=torch.channels_last)),
    ])


def lightning(generator):
    """Names a class as the key of its callbacks, as versions before 1.6 did."""
    module = types.ModuleType("pytorch_lightning.callbacks.model_checkpoint")
    callback = type("ModelCheckpoint", (), {"__module__": module.__name__})
    module.ModelCheckpoint = callback
    for name in ["pytorch_lightning", "pytorch_lightning.callbacks"]:
        sys.modules.setdefault(name, types.ModuleType(name))
    sys.modules[module.__name__] = module
    layer = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.LayerNorm(4))
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    state = collections.OrderedDict((f"model.{name}", value) for name, value in layer.state_dict().items())
    state._metadata = layer.state_dict()._metadata
    return {
        "epoch": 7, "global_step": 470_000, "pytorch-lightning_version": "1.4.2", "state_dict": state,
        "callbacks": {callback: {"monitor": "val/loss", "best_model_score": torch.tensor(0.125),
                                 "current_score": numpy.float64(0.1), "steps": numpy.int64(-3)}},
        "optimizer_states": [{"state": {0: {"step": 3, "exp_avg": torch.randn((4, 3), generator=generator)}},
                              "param_groups": [{"lr": 1e-4, "betas": (0.9, 0.999), "params": [0, 1]}]}],
        "lr_schedulers": [], "loops": None, "is_training": True, "hash": b"\x00\xff\x80", "size": torch.Size([2, 3]),
        "device": torch.device("cpu"), "dtype": torch.float16, "array": numpy.arange(3.0), "tags": {"a"},
        "seed": 2**70, "text": "\u00fc \U0001f600",
    }


def embedding(generator):
    return {"string_to_token": {"*": 265}, "string_to_param": {"*": torch.randn((2, 8), generator=generator)},
            "name": "old-style", "step": 499, "sd_checkpoint": "7460a6fa", "sd_checkpoint_name": "v1-5-pruned"}


def embedding_module(generator):
    parameter = torch.nn.Parameter(torch.randn((1, 8), generator=generator))
    return {"string_to_token": {"*": torch.tensor(265)}, "string_to_param": torch.nn.ParameterDict({"*": parameter})}


def save_legacy(value, path):
    """Storages are named by their addresses, which no two runs share: they get numbers here."""
    # The writer sorts the names; in the order of their first mention they do not depend on addresses.
    torch.serialization.sorted = list
    try:
        torch.save(value, path, _use_new_zipfile_serialization=False)
    finally:
        del torch.serialization.sorted
    data = path.read_bytes()
    seen = {}
    for tensor in value.values():
        seen.setdefault(str(tensor.untyped_storage()._cdata), str(len(seen)))
    for old, new in seen.items():
        spelled = b"X" + len(old).to_bytes(4, "little") + old.encode()
        if spelled not in data:
            raise SystemExit(f"{path}: storage {old} is not named")
        data = data.replace(spelled, b"X" + len(new).to_bytes(4, "little") + new.encode())
    path.write_bytes(data)


def collect(name, value, expected):
    if isinstance(value, torch.Tensor):
        if value.dtype not in (torch.float64, torch.uint16):
            expected[name] = value.detach().clone(memory_format=torch.contiguous_format)
    elif isinstance(value, (dict, torch.nn.ParameterDict)):
        for key, member in value.items():
            spelled = f"{key.__module__}.{key.__name__}" if isinstance(key, type) else key
            collect(f"{name}/{spelled}", member, expected)
    elif isinstance(value, (list, tuple)):
        for position, member in enumerate(value):
            collect(f"{name}/{position}", member, expected)
