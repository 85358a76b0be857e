"""Adapter files of every kind and grammar for the tiny models, with the changes that PEFT, diffusers and LyCORIS make.

`adapters/NAME.safetensors` (or `.pt`, or a folder that PEFT wrote) are files as trainers write them;
`adapters/expected.safetensors` holds, for each, `NAME/delta/PATH` (what is added to a weight), `NAME/bias/PATH`, and
`NAME/output`, what the tiny UNet then gives for the inputs of its own golden file. `adapters/gradients-*.safetensors`
hold the gradients of a loss with respect to the factors of PEFT's adapters.
"""

import json
import os
import pickle
import re
import shutil

import torch
from diffusers import UNet2DConditionModel
from diffusers.utils import convert_unet_state_dict_to_peft
from lycoris.modules.locon import LoConModule
from lycoris.modules.loha import LohaModule
from lycoris.modules.lokr import LokrModule
from peft import LoHaConfig, LoKrConfig, LoraConfig, get_peft_model
from peft.utils import get_peft_model_state_dict
from safetensors.torch import load_file
from transformers import CLIPTextModel

from fixture_tools import GOLDEN, check_spread, metadata, order_metadata, save_tensors

SCRIPT = "subjects/adapters.py"
SEED = 901
FOLDER = GOLDEN / "adapters"
BLOCK = "down_blocks.0.attentions.0.transformer_blocks.0"
# A linear layer, a wide one, 1x1, 3x3 and strided convolutions, and the time embedding.
MODULES = [f"{BLOCK}.attn1.to_q", f"{BLOCK}.attn2.to_k", f"{BLOCK}.ff.net.0.proj", "down_blocks.0.attentions.0.proj_in",
           "down_blocks.0.resnets.0.conv1", "down_blocks.0.downsamplers.0.conv", "mid_block.resnets.0.time_emb_proj"]
TARGETS = "|".join(re.escape(name) for name in MODULES)


def make():
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    expected = {}
    inputs = unet_inputs()
    lycoris(expected, inputs)
    full(expected, inputs)
    peft_files(expected, inputs)
    slider(expected, inputs)
    spelled_by_hand(expected)
    text_encoder(expected)
    hostile()
    save_tensors(FOLDER / "expected.safetensors", expected, metadata(SCRIPT, SEED, **versions()))


def versions():
    from importlib.metadata import version
    return {name: version(name) for name in ("peft", "lycoris-lora")}


def unet():
    return UNet2DConditionModel.from_pretrained(GOLDEN / "tiny-unet-sd1").eval()


def unet_inputs():
    golden = load_file(GOLDEN / "tiny-unet-sd1" / "golden_forward.safetensors")
    return [golden["input/sample"], golden["input/timestep"], golden["input/encoder_hidden_states"]]


def run(model, inputs):
    with torch.no_grad():
        return model(*inputs).sample


def flat(path):
    return path.replace(".", "_")


def draw(module, generator, spread=0.3):
    """Every parameter anew, norms around what they are."""
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.copy_(parameter * (1 + 0.2 * noise) if "dora" in name or "magnitude" in name else spread * noise)


def record(expected, name, model, deltas, inputs, biases=None):
    """Notes the changes, and what a model with them gives."""
    with torch.no_grad():
        for path, delta in deltas.items():
            expected[f"{name}/delta/{path}"] = delta
            model.get_submodule(path).weight.add_(delta)
        for path, delta in (biases or {}).items():
            expected[f"{name}/bias/{path}"] = delta
            model.get_submodule(path).bias.add_(delta)
    output = run(model, inputs)
    check_spread(name, output)
    expected[f"{name}/output"] = output


# LyCORIS: its own modules around the UNet's layers.

LYCORIS = {
    "locon": (LoConModule, {"alpha": 1.5}),
    "locon-tucker": (LoConModule, {"alpha": 2, "use_tucker": True}),
    "dora-rows": (LoConModule, {"alpha": 1.5, "weight_decompose": True, "wd_on_out": True}),
    "dora-columns": (LoConModule, {"alpha": 1.5, "weight_decompose": True, "wd_on_out": False}),
    "loha": (LohaModule, {"alpha": 2}),
    "loha-tucker": (LohaModule, {"alpha": 2, "use_tucker": True}),
    "loha-dora": (LohaModule, {"alpha": 2, "weight_decompose": True, "wd_on_out": True}),
    "lokr": (LokrModule, {"alpha": 1, "lora_dim": 1, "factor": 4}),
    "lokr-both": (LokrModule, {"alpha": 0.5, "lora_dim": 1, "factor": 4, "decompose_both": True}),
    "lokr-full": (LokrModule, {"alpha": 3, "factor": 4, "full_matrix": True}),
    "lokr-tucker": (LokrModule, {"alpha": 1, "lora_dim": 1, "factor": 4, "use_tucker": True}),
}


def lycoris(expected, inputs):
    for number, (name, (kind, options)) in enumerate(LYCORIS.items()):
        generator = torch.Generator().manual_seed(SEED + number)
        model, tensors, deltas = unet(), {}, {}
        for path in MODULES:
            base = model.get_submodule(path)
            prefix = f"lora_unet_{flat(path)}"
            module = kind(prefix, base, **{"lora_dim": 3, **options}).eval()
            draw(module, generator)
            state = module.state_dict()
            for key in kind.weight_list:
                if key in state:
                    tensors[f"{prefix}.{key}"] = state[key]
            with torch.no_grad():
                deltas[path] = trained_change(module, base.weight)
        save_tensors(FOLDER / f"{name}.safetensors", tensors, metadata(SCRIPT, SEED + number, **versions()))
        record(expected, name, model, deltas, inputs)


def trained_change(module, weight):
    """What the module's forward pass adds in training. `get_merged_weight` of LoHa and LoKr multiplies by alpha / rank
    twice (lycoris-lora 4.1.3), which no trained file means."""
    if isinstance(module, LoConModule):
        return module.get_merged_weight(shape=weight.shape)[0] - weight
    change = module.get_weight(weight.shape)
    return module.apply_weight_decompose(weight + change) - weight if module.wd else change


def full(expected, inputs):
    generator = torch.Generator().manual_seed(SEED + 30)
    model, tensors, deltas, biases = unet(), {}, {}, {}
    for path in (MODULES[0], MODULES[4]):
        base = model.get_submodule(path)
        deltas[path] = 0.1 * torch.randn(base.weight.shape, generator=generator)
        tensors[f"lora_unet_{flat(path)}.diff"] = deltas[path]
        if base.bias is not None:
            biases[path] = 0.1 * torch.randn(base.bias.shape, generator=generator)
            tensors[f"lora_unet_{flat(path)}.diff_b"] = biases[path]
    save_tensors(FOLDER / "full.safetensors", tensors, metadata(SCRIPT, SEED + 30))
    record(expected, "full", model, deltas, inputs, biases)


# PEFT: its own layers inside the UNet, its own files.

PEFT = {
    "peft-lora": LoraConfig(r=4, lora_alpha=3, target_modules=TARGETS, rank_pattern={"conv1": 2},
                            alpha_pattern={"attn1.to_q": 5}),
    "peft-rslora": LoraConfig(r=4, lora_alpha=3, target_modules=TARGETS, use_rslora=True),
    "peft-dora": LoraConfig(r=3, lora_alpha=2, target_modules=TARGETS, use_dora=True),
    "peft-loha": LoHaConfig(r=3, alpha=2, target_modules=TARGETS, use_effective_conv2d=True),
    "peft-lokr": LoKrConfig(r=1, alpha=2, target_modules=TARGETS, decompose_factor=4),
}


def peft_files(expected, inputs):
    target = torch.randn(inputs[0].shape, generator=torch.Generator().manual_seed(SEED + 40))
    for number, (name, config) in enumerate(PEFT.items()):
        generator = torch.Generator().manual_seed(SEED + 50 + number)
        base = unet()
        wrapped = get_peft_model(unet(), config).eval()
        trained = [(key, value) for key, value in wrapped.named_parameters() if value.requires_grad]
        with torch.no_grad():
            for key, parameter in trained:
                noise = torch.randn(parameter.shape, generator=generator)
                parameter.copy_(parameter * (1 + 0.2 * noise) if "magnitude" in key else 0.3 * noise)
        output = run(wrapped, inputs)
        check_spread(name, output)
        expected[f"{name}/output"] = output
        folder = FOLDER / name
        wrapped.save_pretrained(folder)
        for extra in ("README.md",):
            (folder / extra).unlink(missing_ok=True)
        config_path = folder / "adapter_config.json"
        stored = json.loads(config_path.read_text())
        stored["base_model_name_or_path"] = None
        config_path.write_text(json.dumps(stored, indent=1, sort_keys=True) + "\n")
        order_metadata(folder / "adapter_model.safetensors")
        if name in ("peft-lora", "peft-dora"):
            loss = ((wrapped(*inputs).sample - target) ** 2).mean()
            gradients = torch.autograd.grad(loss, [value for _, value in trained])
            tensors = {re.sub(r"\.default", "", key): value for (key, _), value in zip(trained, gradients)}
            tensors.update({"target": target, "loss": loss})
            save_tensors(FOLDER / f"gradients-{name}.safetensors", tensors,
                         metadata(SCRIPT, SEED + 50 + number, loss="mean((output - target)^2)"))
        if name == "peft-lora":
            diffusers_files(get_peft_model_state_dict(wrapped), stored)
        merged = wrapped.merge_and_unload()
        for path in MODULES:
            expected[f"{name}/delta/{path}"] = merged.get_submodule(path).weight - base.get_submodule(path).weight


def diffusers_files(state, config):
    """The same adapter as diffusers saves it: alpha in the metadata."""
    state = {key.replace("base_model.model.", "unet."): value for key, value in state.items()}
    facts = {f"unet.{key}": config[key] for key in ("r", "lora_alpha", "rank_pattern", "alpha_pattern", "use_dora")}
    save_tensors(FOLDER / "diffusers-lora.safetensors", state,
                 {"format": "pt", "lora_adapter_metadata": json.dumps(facts, indent=2, sort_keys=True)})


# Concept Sliders' file: a torch pickle in bfloat16 with 0-dimensional alphas; and in half precision.

def slider(expected, inputs):
    for name, dtype in (("slider-bf16", torch.bfloat16), ("slider-f16", torch.float16)):
        generator = torch.Generator().manual_seed(SEED + 70)
        model, tensors, deltas = unet(), {}, {}
        for path, base in model.named_modules():
            if not isinstance(base, (torch.nn.Linear, torch.nn.Conv2d)) or "attn2" in path:
                continue
            is_attention = re.search(r"attn1\.to_(q|k|v|out\.0)$", path)
            is_residual = re.search(r"resnets\.\d+\.(conv1|conv2|time_emb_proj|conv_shortcut)$|samplers\.0\.conv$", path)
            if not (is_attention or is_residual):
                continue
            shape = base.weight.shape
            rank = 4
            down = (0.3 * torch.randn((rank, *shape[1:]), generator=generator)).to(dtype)
            up = (0.3 * torch.randn((shape[0], rank, *[1] * (len(shape) - 2)), generator=generator)).to(dtype)
            prefix = f"lora_unet_{flat(path)}"
            tensors.update({f"{prefix}.lora_down.weight": down, f"{prefix}.lora_up.weight": up,
                            f"{prefix}.alpha": torch.tensor(1.0).to(dtype)})
            change = up.float().flatten(1) @ down.float().flatten(1) * (1.0 / rank)
            deltas[path] = change.reshape(shape)
        torch.save(tensors, FOLDER / f"{name}.pt")
        os.chmod(FOLDER / f"{name}.pt", 0o644)
        with torch.no_grad():
            for path, delta in deltas.items():
                model.get_submodule(path).weight.add_(delta)
        for path in list(deltas)[::6]:
            expected[f"{name}/delta/{path}"] = deltas[path]
        expected[f"{name}/output"] = run(model, inputs)


def spelled_by_hand(expected):
    """One attention layer in the older grammars, which diffusers' own converter must understand as the same."""
    generator = torch.Generator().manual_seed(SEED + 80)
    down = 0.3 * torch.randn((3, 16), generator=generator)
    up = 0.3 * torch.randn((16, 3), generator=generator)
    attention = f"{BLOCK}.attn1"
    for name, keys in {
        "diffusers": (f"{attention}.to_out.0.lora.down.weight", f"{attention}.to_out.0.lora.up.weight"),
        "diffusers-old": (f"{attention}.processor.to_out_lora.down.weight",
                          f"{attention}.processor.to_out_lora.up.weight"),
    }.items():
        understood = convert_unet_state_dict_to_peft({keys[0]: down, keys[1]: up})
        factors = {key.rsplit(".lora_", 1)[1]: value for key, value in understood.items()}
        if not (torch.equal(factors["A.weight"], down) and torch.equal(factors["B.weight"], up)):
            raise SystemExit(f"{name}: diffusers reads {list(understood)}")
        save_tensors(FOLDER / f"{name}.safetensors", {f"unet.{keys[0]}": down, f"unet.{keys[1]}": up},
                     metadata(SCRIPT, SEED + 80))
        expected[f"{name}/delta/{attention}.to_out.0"] = up @ down


def text_encoder(expected):
    """PEFT on the tiny text encoder, saved under kohya's names."""
    generator = torch.Generator().manual_seed(SEED + 90)
    model = CLIPTextModel.from_pretrained(GOLDEN / "tiny-clip").eval()
    golden = load_file(GOLDEN / "tiny-clip" / "golden_forward.safetensors")
    tokens = next(value for key, value in sorted(golden.items()) if key.startswith("input/") and value.dtype == torch.int64)
    model = get_peft_model(model, LoraConfig(r=2, lora_alpha=4, target_modules=["q_proj", "fc1"])).eval()
    tensors = {}
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if parameter.requires_grad:
                parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    for key, value in get_peft_model_state_dict(model).items():
        path, role = key.removeprefix("base_model.model.").rsplit(".lora_", 1)
        path = path if path.startswith("text_model.") else f"text_model.{path}"
        prefix = f"lora_te_{flat(path)}"
        tensors[f"{prefix}.lora_{'down' if role.startswith('A') else 'up'}.weight"] = value
        tensors[f"{prefix}.alpha"] = torch.tensor(4.0)
    save_tensors(FOLDER / "text.safetensors", tensors, metadata(SCRIPT, SEED + 90, **versions()))
    with torch.no_grad():
        output = model(input_ids=tokens)
    expected["text/tokens"] = tokens
    expected["text/output"] = output.last_hidden_state


def hostile():
    """A pickle that would run a command."""
    class Command:
        def __reduce__(self):
            return os.system, ("true",)
    torch.save({"lora_unet_conv_in.lora_up.weight": Command()}, FOLDER / "hostile.pt", pickle_module=pickle)
    os.chmod(FOLDER / "hostile.pt", 0o644)
