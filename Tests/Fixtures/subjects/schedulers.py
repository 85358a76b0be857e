"""Noise schedules and sampler trajectories: `schedulers.safetensors` and its index `schedulers.json`.

The model of every trajectory is the function `fake_model` below, of the scaled input and the timestep; its value counts
as epsilon or as v, as the case says.
"""

import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, EulerDiscreteScheduler

from fixture_tools import GOLDEN, metadata, save_json, save_tensors

SCRIPT = "subjects/schedulers.py"
SEED = 401
SHARED = {"num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear",
          "steps_offset": 1}
SAMPLERS = {
    "ddim": (DDIMScheduler, {"clip_sample": False, "set_alpha_to_one": False}),
    "euler": (EulerDiscreteScheduler, {}),
    "dpmpp2m": (DPMSolverMultistepScheduler, {}),
}
SPACINGS = ("leading", "linspace", "trailing")
PREDICTIONS = ("epsilon", "v_prediction")
STEPS = (1, 2, 5, 10, 20, 30, 50)
# Every step's latents are kept for this many steps; for the other counts the last ones only.
TRACED = 5


def fake_model(scaled_latents, timestep):
    """tanh(0.3 x + t / 1000): bounded, smooth, different at every step."""
    return torch.tanh(scaled_latents * 0.3 + float(timestep) / 1000)


def make():
    latents = torch.randn((1, 4, 8, 8), generator=torch.Generator().manual_seed(SEED))
    tensors, index = {"latents": latents}, {}
    save_tables(tensors)
    for name, (scheduler, extra) in SAMPLERS.items():
        for spacing in SPACINGS:
            for karras in (False,) if name == "ddim" else (False, True):
                for prediction in PREDICTIONS:
                    options = dict(SHARED, **extra, timestep_spacing=spacing, prediction_type=prediction)
                    if karras:
                        options["use_karras_sigmas"] = True
                    key = f"{name}/{spacing}{'-karras' if karras else ''}/{prediction}"
                    scales = {count: run(scheduler(**options), latents, count, f"{key}/{count}", tensors)
                              for count in STEPS}
                    index[key] = {"options": options, "init_noise_sigma": scales}
    share_schedules(tensors, index)
    save_tensors(GOLDEN / "schedulers.safetensors", tensors, metadata(SCRIPT, SEED))
    save_json(GOLDEN / "schedulers.json", index)


def run(scheduler, latents, count, key, tensors):
    """Stores timesteps, sigmas and latents under `key`; returns the initial noise's scale."""
    scheduler.set_timesteps(count)
    tensors[f"{key}/timesteps"] = torch.as_tensor(scheduler.timesteps).float()
    if hasattr(scheduler, "sigmas"):
        tensors[f"{key}/sigmas"] = scheduler.sigmas.float()
    x = latents * scheduler.init_noise_sigma
    for step, timestep in enumerate(scheduler.timesteps):
        output = fake_model(scheduler.scale_model_input(x, timestep), timestep)
        x = scheduler.step(output, timestep, x).prev_sample
        if count == TRACED and step + 1 < count:
            tensors[f"{key}/step/{step}"] = x
    tensors[f"{key}/final"] = x
    if not x.isfinite().all():
        raise SystemExit(f"{key}: the trajectory is not finite")
    return float(scheduler.init_noise_sigma)


def share_schedules(tensors, index):
    """Timesteps and sigmas do not depend on the prediction type: stored once, under `epsilon`, after checking."""
    for key in index:
        name, spacing, prediction = key.split("/")
        if prediction == "epsilon":
            continue
        for field in [f"{count}/{field}" for count in STEPS for field in ("timesteps", "sigmas")]:
            other = tensors.pop(f"{key}/{field}", None)
            if other is not None and not torch.equal(other, tensors[f"{name}/{spacing}/epsilon/{field}"]):
                raise SystemExit(f"{key}/{field} depends on the prediction type")


def save_tables(tensors):
    """The training schedule, noising and velocity at a few timesteps, and the min-SNR weights (gamma 5)."""
    scheduler = DDIMScheduler(**SHARED)
    cumulative = scheduler.alphas_cumprod
    snr = cumulative / (1 - cumulative)
    tensors["tables/betas"] = scheduler.betas
    tensors["tables/alphas_cumprod"] = cumulative
    tensors["tables/sigmas"] = ((1 - cumulative) / cumulative) ** 0.5
    tensors["tables/min_snr_weights_epsilon"] = snr.clamp(max=5) / snr
    tensors["tables/min_snr_weights_v"] = snr.clamp(max=5) / (snr + 1)
    generator = torch.Generator().manual_seed(SEED + 1)
    clean, noise = torch.randn((2, 4, 4, 3, 2), generator=generator)
    timesteps = torch.tensor([0, 10, 500, 999])
    tensors.update({
        "noising/clean": clean, "noising/noise": noise, "noising/timesteps": timesteps,
        "noising/noisy": scheduler.add_noise(clean, noise, timesteps),
        "noising/velocity": scheduler.get_velocity(clean, noise, timesteps),
    })
