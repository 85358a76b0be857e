"""What every fixture script shares: where files go, how weights are drawn, how sites are recorded."""

import json
import math
import os
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_OFFLINE", "1")

import diffusers
import torch
import transformers
from safetensors.torch import save_file

FIXTURES = Path(__file__).resolve().parent
GOLDEN = FIXTURES / "golden"


def make_deterministic():
    """One thread, deterministic kernels, fp32 without reduced-precision shortcuts."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.set_default_dtype(torch.float32)
    torch.set_float32_matmul_precision("highest")
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    diffusers.logging.set_verbosity_error()
    diffusers.utils.logging.disable_progress_bar()


def metadata(script, seed, **more):
    """The metadata of every golden file: versions, seed and the script that wrote it. Values are strings."""
    facts = {
        "torch": torch.__version__,
        "diffusers": diffusers.__version__,
        "transformers": transformers.__version__,
        "seed": str(seed),
        "script": script,
    }
    facts.update({name: str(value) for name, value in more.items()})
    return facts


def save_tensors(path, tensors, facts):
    """Writes detached, contiguous copies as safetensors, keys sorted by the format's own rule."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({key: value.detach().clone().contiguous() for key, value in tensors.items()}, path, metadata=facts)
    order_metadata(path)


def order_metadata(path):
    """Rewrites the header with sorted metadata, so that the same tensors always give the same bytes.

    The library keeps metadata in a hash map whose order changes from run to run.
    """
    data = Path(path).read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + length])
    facts = header.pop("__metadata__", None)
    ordered = {"__metadata__": dict(sorted(facts.items())), **header} if facts else header
    text = json.dumps(ordered, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    Path(path).write_bytes(len(text).to_bytes(8, "little") + text + data[8 + length:])
    os.chmod(path, 0o644)


def forget_origin(folder):
    """Removes the path that a model was loaded from out of the configurations below `folder`."""
    for path in Path(folder).rglob("config.json"):
        config = json.loads(path.read_text(encoding="utf-8"))
        if config.pop("_name_or_path", None) is not None:
            path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def save_json(path, value):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, separators=(",", ":"), ensure_ascii=False) + "\n", encoding="utf-8")


def randomize(model, seed):
    """Draws every parameter anew, in the order of `named_parameters`, from one generator.

    Norm weights 1 + 0.25 n, embeddings 0.5 n, other matrices and kernels n / sqrt(fan-in), biases 0.2 n: no zeros or
    ones remain that could hide a missing bias or a swapped norm.
    """
    generator = torch.Generator().manual_seed(seed)
    norms = (torch.nn.GroupNorm, torch.nn.LayerNorm)
    norm_weights = {f"{name}.weight" for name, module in model.named_modules() if isinstance(module, norms)}
    tables = {f"{name}.weight" for name, module in model.named_modules() if isinstance(module, torch.nn.Embedding)}
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if name in norm_weights:
                parameter.copy_(1 + 0.25 * noise)
            elif name in tables:
                parameter.copy_(0.5 * noise)
            elif parameter.ndim >= 2:
                fan_in = parameter[0].numel()
                parameter.copy_(noise / math.sqrt(fan_in))
            else:
                parameter.copy_(0.2 * noise)
    return model.eval()


def first_tensor(output):
    """The tensor of a module's output: itself, or the first tensor of a tuple or of a ModelOutput."""
    if isinstance(output, torch.Tensor):
        return output
    values = output.values() if hasattr(output, "values") else output
    return next((value for value in values if isinstance(value, torch.Tensor)), None)


class SiteRecorder:
    """Records the output of every submodule by its path while the `with` block runs.

    Left out: dropout and identity modules, which do nothing in evaluation mode, and SiLU modules, whose input and
    consumer are sites themselves and which usually run fused with a norm, and the last components in `leave_out`. A site whose value equals the one recorded
    just before it within the same module (a container returning its last child's output) becomes an alias of that one.
    """

    def __init__(self, model, prefix="", leave_out=()):
        self.leave_out = leave_out
        self.model, self.prefix, self.sites, self.aliases, self.handles = model, prefix, {}, {}, []
        self.last = None

    def __enter__(self):
        idle = (torch.nn.Dropout, torch.nn.Identity, torch.nn.SiLU)
        for path, module in self.model.named_modules():
            if path and not isinstance(module, idle) and not path.endswith(self.leave_out or "\0"):
                self.handles.append(module.register_forward_hook(self.hook(self.prefix + path)))
        return self

    def hook(self, path):
        def record(module, arguments, output):
            tensor = first_tensor(output)
            if tensor is None:
                return
            if path in self.sites or path in self.aliases:
                raise SystemExit(f"{path} runs twice in one pass: its site needs a rule")
            last = self.last
            if last is not None and last.startswith(path + ".") and torch.equal(self.sites[last], tensor):
                self.aliases[path] = last
            else:
                self.sites[path] = tensor.detach().clone()
                self.last = path
        return record

    def tensors(self):
        return {f"site/{path}": value for path, value in self.sites.items()}

    def facts(self):
        """The aliases for the file's metadata: JSON, path -> the path of the site that holds the same value."""
        return {"aliases": json.dumps(self.aliases, sort_keys=True)}

    def __exit__(self, *error):
        for handle in self.handles:
            handle.remove()


def check_spread(name, tensor, low=0.05, high=50.0):
    """Refuses a golden tensor that is flat, exploding or not finite: it would test nothing."""
    deviation = tensor.double().std().item()
    if not (math.isfinite(deviation) and low <= deviation <= high):
        raise SystemExit(f"{name}: standard deviation {deviation:.4g} is outside {low}...{high}")
