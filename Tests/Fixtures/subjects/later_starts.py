"""PNDM trajectories that begin at a later step, as image to image does: `later_starts.json`.

diffusers cuts the beginning of `timesteps` off, in which the first step stands twice, so what is left is told one
timestep too early and its first step is taken twice again. Only the last latents of each trajectory are kept.
"""

import torch
from diffusers import PNDMScheduler

from fixture_tools import GOLDEN, save_json
from subjects.sampler_grid import SCALED
from subjects.schedulers import fake_model

STEPS = 6
SHAPE = (1, 1, 2, 2)


def trajectory(start, options):
    scheduler = PNDMScheduler(skip_prk_steps=True, **SCALED, **options)
    scheduler.set_timesteps(STEPS)
    timesteps = scheduler.timesteps[start:]
    clean, noise = (torch.linspace(low, high, 4).reshape(SHAPE) for low, high in ((-1, 0.5), (1.5, -0.75)))
    latents = scheduler.add_noise(clean, noise, timesteps[:1])
    for timestep in timesteps:
        latents = scheduler.step(fake_model(latents, timestep), timestep, latents).prev_sample
    return {"start": start, "timesteps": timesteps.tolist(), "latents": latents.flatten().tolist(), **options}


def make():
    save_json(GOLDEN / "later_starts.json", [
        trajectory(start, {"timestep_spacing": spacing, "prediction_type": prediction})
        for start, spacing, prediction in (
            (0, "leading", "epsilon"), (1, "leading", "epsilon"), (2, "leading", "epsilon"), (5, "leading", "epsilon"),
            (1, "trailing", "epsilon"), (3, "trailing", "v_prediction"))])
