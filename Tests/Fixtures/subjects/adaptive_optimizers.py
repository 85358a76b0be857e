"""Ten steps of Lion and of Prodigy on the net of `optimizers.safetensors`, by the packages lion-pytorch and prodigyopt."""

import torch
from lion_pytorch import Lion
from prodigyopt import Prodigy
from safetensors.torch import load_file

from fixture_tools import GOLDEN, metadata, save_tensors

SCRIPT = "subjects/adaptive_optimizers.py"
CASES = {
    "lion": lambda leaves: Lion(leaves, lr=0.01, betas=(0.9, 0.98), weight_decay=0.1),
    "prodigy": lambda leaves: Prodigy(leaves, lr=1.0, betas=(0.9, 0.99), weight_decay=0.05, d0=1e-4),
}


def make():
    net = load_file(GOLDEN / "optimizers.safetensors")
    tensors = {}
    for case, build in CASES.items():
        leaves = {name: net[f"start/{name}"].clone().requires_grad_() for name in ("w1", "b1", "w2", "b2")}
        optimizer = build(list(leaves.values()))
        for step in range(10):
            optimizer.zero_grad()
            prediction = torch.tanh(net["x"] @ leaves["w1"].T + leaves["b1"]) @ leaves["w2"].T + leaves["b2"]
            ((prediction - net["y"]) ** 2).mean().backward()
            for name, leaf in leaves.items():
                tensors[f"{case}/{step}/gradient/{name}"] = leaf.grad.clone()
            optimizer.step()
            for name, leaf in leaves.items():
                tensors[f"{case}/{step}/parameter/{name}"] = leaf.detach().clone()
        if case == "prodigy":
            tensors["prodigy/step_size"] = torch.tensor(optimizer.param_groups[0]["d"])
    save_tensors(GOLDEN / "adaptive_optimizers.safetensors", tensors, metadata(SCRIPT, 501))
