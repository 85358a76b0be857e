"""Optimiser steps, gradient clipping, averaged weights and learning rates: `optimizers.safetensors`, `optimizers.json`.

Each case trains a small net, y = W2 tanh(W1 x + b1) + b2, for ten steps on the mean squared error. The gradients before
clipping are stored too, so an optimiser can be tested without the net.
"""

import torch
from diffusers.optimization import get_scheduler
from diffusers.training_utils import EMAModel

from fixture_tools import GOLDEN, metadata, save_json, save_tensors

SCRIPT = "subjects/optimizers.py"
SEED = 501
STEPS = 10
CASES = {
    "adamw": {"optimizer": "AdamW", "lr": 0.01, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0.01},
    "adamw_clipped": {"optimizer": "AdamW", "lr": 0.05, "betas": [0.9, 0.95], "eps": 1e-6, "weight_decay": 0.1,
                      "clip": 0.5},
    "adamw_no_decay_scheduled": {"optimizer": "AdamW", "lr": 0.02, "betas": [0.8, 0.99], "eps": 1e-8,
                                 "weight_decay": 0.0, "clip": 1.0,
                                 "schedule": {"name": "cosine", "warmup": 3, "steps": 10}},
    "adam": {"optimizer": "Adam", "lr": 0.01, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0.0},
    "adam_l2_clipped": {"optimizer": "Adam", "lr": 0.03, "betas": [0.9, 0.98], "eps": 1e-7, "weight_decay": 0.05,
                        "clip": 0.7},
}
EMA_CASES = {
    "ema": {"decay": 0.9999},
    "ema_low": {"decay": 0.4},
    "ema_warmup": {"decay": 0.95, "use_ema_warmup": True, "inv_gamma": 1.0, "power": 2 / 3},
    "ema_late": {"decay": 0.9, "update_after_step": 3, "min_decay": 0.1},
}
SCHEDULES = [
    {"name": "constant", "warmup": 0, "steps": 20}, {"name": "constant_with_warmup", "warmup": 5, "steps": 20},
    {"name": "linear", "warmup": 0, "steps": 20}, {"name": "linear", "warmup": 4, "steps": 20},
    {"name": "cosine", "warmup": 0, "steps": 20}, {"name": "cosine", "warmup": 4, "steps": 20},
    {"name": "cosine", "warmup": 2, "steps": 20, "cycles": 1.5},
    {"name": "cosine_with_restarts", "warmup": 2, "steps": 20, "cycles": 3},
    {"name": "polynomial", "warmup": 4, "steps": 20, "power": 2.0},
]


def make():
    generator = torch.Generator().manual_seed(SEED)
    start = {
        "w1": torch.randn((6, 4), generator=generator) / 2, "b1": torch.randn(6, generator=generator) * 0.1,
        "w2": torch.randn((3, 6), generator=generator) / 2, "b2": torch.randn(3, generator=generator) * 0.1,
    }
    x, y = torch.randn((8, 4), generator=generator), torch.randn((8, 3), generator=generator)
    tensors = {"x": x, "y": y, **{f"start/{name}": value for name, value in start.items()}}
    index = {"cases": CASES, "ema": {}, "schedules": []}
    for case, facts in CASES.items():
        train(case, facts, start, x, y, tensors)
    for case, facts in EMA_CASES.items():
        index["ema"][case] = dict(facts, decays=average(case, facts, tensors))
    for facts in SCHEDULES:
        index["schedules"].append(dict(facts, base=0.5, rates=rates(facts, 0.5)))
    save_tensors(GOLDEN / "optimizers.safetensors", tensors, metadata(SCRIPT, SEED))
    save_json(GOLDEN / "optimizers.json", index)


def train(case, facts, start, x, y, tensors):
    leaves = {name: value.clone().requires_grad_() for name, value in start.items()}
    build = getattr(torch.optim, facts["optimizer"])
    optimizer = build(leaves.values(), lr=facts["lr"], betas=tuple(facts["betas"]), eps=facts["eps"],
                      weight_decay=facts["weight_decay"], foreach=False)
    schedule = make_schedule(facts["schedule"], optimizer) if "schedule" in facts else None
    losses, norms, used = [], [], []
    for step in range(STEPS):
        optimizer.zero_grad()
        prediction = torch.tanh(x @ leaves["w1"].T + leaves["b1"]) @ leaves["w2"].T + leaves["b2"]
        loss = ((prediction - y) ** 2).mean()
        loss.backward()
        for name, leaf in leaves.items():
            tensors[f"{case}/{step}/gradient/{name}"] = leaf.grad.clone()
        norms.append(torch.nn.utils.clip_grad_norm_(leaves.values(), facts.get("clip", float("inf")), foreach=False))
        used.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if schedule:
            schedule.step()
        losses.append(loss.detach())
        for name, leaf in leaves.items():
            tensors[f"{case}/{step}/parameter/{name}"] = leaf.detach().clone()
    tensors[f"{case}/losses"] = torch.stack(losses)
    tensors[f"{case}/norms"] = torch.stack(norms)
    tensors[f"{case}/rates"] = torch.tensor(used)
    if facts.get("clip") and not (tensors[f"{case}/norms"] > facts["clip"]).any():
        raise SystemExit(f"{case}: the clip never acts; it would test nothing")


def average(case, facts, tensors):
    """Follows the parameters of `adamw_clipped` (`w1`) and returns the decay of every step."""
    parameter = torch.nn.Parameter(tensors["start/w1"].clone())
    ema = EMAModel([parameter], **facts)
    decays = []
    for step in range(STEPS):
        with torch.no_grad():
            parameter.copy_(tensors[f"adamw_clipped/{step}/parameter/w1"])
        ema.step([parameter])
        decays.append(float(ema.cur_decay_value))
        tensors[f"{case}/{step}"] = ema.shadow_params[0].clone()
    return decays


def make_schedule(facts, optimizer):
    options = {}
    if "cycles" in facts:
        options["num_cycles"] = facts["cycles"]
    if "power" in facts:
        options["power"] = facts["power"]
    return get_scheduler(facts["name"], optimizer, num_warmup_steps=facts["warmup"],
                         num_training_steps=facts["steps"], **options)


def rates(facts, base):
    """The learning rate of steps 0, 1, ... up to and including the one after the last."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=base)
    schedule = make_schedule(facts, optimizer)
    values = []
    for _ in range(facts["steps"] + 1):
        values.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    return values
