"""The rarer settings of the samplers: `scheduler_variants.safetensors` and its index `scheduler_variants.json`.

One short trajectory a case, with every step's latents and x0 where diffusers returns it. The model is `fake_model` of
`schedulers.py`; fresh noise comes from a generator of its own.
"""

import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, EulerDiscreteScheduler

from fixture_tools import GOLDEN, metadata, save_json, save_tensors
from subjects.schedulers import fake_model

SCRIPT = "subjects/scheduler_variants.py"
SEED = 411
NOISE_SEED = 412
SCALED = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
COSINE = {"beta_schedule": "squaredcos_cap_v2"}
ZERO_SNR = dict(SCALED, rescale_betas_zero_snr=True, timestep_spacing="trailing", prediction_type="v_prediction")
CLASSES = {"ddim": DDIMScheduler, "euler": EulerDiscreteScheduler, "dpm++2m": DPMSolverMultistepScheduler}
# Name -> (sampler, options, steps, eta).
CASES = {
    "ddim_defaults": ("ddim", {}, 6, 0.0),
    "ddim_eta_half": ("ddim", dict(SCALED, clip_sample=False), 6, 0.5),
    "ddim_eta_one": ("ddim", dict(SCALED, clip_sample=False, set_alpha_to_one=False), 6, 1.0),
    "ddim_clip_range": ("ddim", dict(SCALED, clip_sample_range=0.7, prediction_type="v_prediction"), 6, 0.0),
    "ddim_sample": ("ddim", dict(SCALED, clip_sample=False, prediction_type="sample"), 6, 0.0),
    "ddim_zero_snr": ("ddim", dict(ZERO_SNR, clip_sample=False), 6, 0.0),
    "ddim_trained_betas": ("ddim", {"trained_betas": [0.002 + 0.001 * i for i in range(40)],
                                    "num_train_timesteps": 40, "clip_sample": False}, 6, 0.0),
    "euler_defaults": ("euler", {}, 6, 0.0),
    "euler_sigma_min": ("euler", dict(SCALED, final_sigmas_type="sigma_min"), 6, 0.0),
    "euler_karras_range": ("euler", dict(SCALED, use_karras_sigmas=True, sigma_min=0.1, sigma_max=10.0), 6, 0.0),
    "euler_sample": ("euler", dict(SCALED, prediction_type="sample"), 6, 0.0),
    "euler_zero_snr": ("euler", ZERO_SNR, 6, 0.0),
    "dpmpp2m_defaults": ("dpm++2m", {}, 6, 0.0),
    "dpmpp2m_heun": ("dpm++2m", dict(SCALED, solver_type="heun"), 6, 0.0),
    "dpmpp2m_sigma_min": ("dpm++2m", dict(SCALED, final_sigmas_type="sigma_min"), 6, 0.0),
    "dpmpp2m_second_order_end": (
        "dpm++2m", dict(SCALED, final_sigmas_type="sigma_min", lower_order_final=False), 6, 0.0),
    "dpmpp2m_long_end": ("dpm++2m", dict(SCALED, final_sigmas_type="sigma_min"), 16, 0.0),
    "dpmpp2m_euler_at_final": (
        "dpm++2m", dict(SCALED, final_sigmas_type="sigma_min", euler_at_final=True), 16, 0.0),
    "dpmpp2m_heun_sigma_min": (
        "dpm++2m", dict(SCALED, final_sigmas_type="sigma_min", solver_type="heun", lower_order_final=False), 6, 0.0),
    "dpmpp2m_cosine": ("dpm++2m", dict(COSINE, lambda_min_clipped=-5.1), 6, 0.0),
    "dpmpp2m_cosine_leading": (
        "dpm++2m", dict(COSINE, lambda_min_clipped=-5.1, timestep_spacing="leading"), 6, 0.0),
    "dpmpp2m_zero_snr": ("dpm++2m", ZERO_SNR, 6, 0.0),
}


def make():
    latents = torch.randn((1, 4, 4, 4), generator=torch.Generator().manual_seed(SEED))
    tensors, index = {"latents": latents}, {}
    for case, (name, options, steps, eta) in CASES.items():
        run(case, CLASSES[name](**options), latents, steps, eta, tensors)
        index[case] = {"sampler": name, "options": options, "steps": steps, "eta": eta, "noise_seed": NOISE_SEED}
    save_tensors(GOLDEN / "scheduler_variants.safetensors", tensors, metadata(SCRIPT, SEED))
    save_json(GOLDEN / "scheduler_variants.json", index)


def run(case, scheduler, latents, steps, eta, tensors):
    scheduler.set_timesteps(steps)
    tensors[f"{case}/timesteps"] = torch.as_tensor(scheduler.timesteps).float()
    if hasattr(scheduler, "sigmas"):
        tensors[f"{case}/sigmas"] = scheduler.sigmas.float()
    generator = torch.Generator().manual_seed(NOISE_SEED)
    extra = {"eta": eta, "generator": generator} if eta else {}
    x = latents * scheduler.init_noise_sigma
    for step, timestep in enumerate(scheduler.timesteps):
        output = fake_model(scheduler.scale_model_input(x, timestep), timestep)
        result = scheduler.step(output, timestep, x, **extra)
        x = result.prev_sample
        tensors[f"{case}/step/{step}"] = x
        if "pred_original_sample" in result:
            tensors[f"{case}/denoised/{step}"] = result.pred_original_sample
    if not x.isfinite().all():
        raise SystemExit(f"{case}: the trajectory is not finite")
