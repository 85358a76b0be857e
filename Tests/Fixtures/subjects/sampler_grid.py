"""Every sampler on every schedule: `sampler_grid.safetensors` and its index `sampler_grid.json`.

A case is one short trajectory of tiny latents. Its model is `fake_model` of `schedulers.py`; fresh noise comes from a
generator of its own. Where diffusers has the sampler but not the schedule, its step runs on a schedule made here: the
sigmas of Align Your Steps, Euler's spaced sigmas for Euler a, a zero-terminal-SNR table for classes without that key.
DPM++ SDE draws its noise as `OwnNoise` says, not from a Brownian tree.
"""

import sys
import types

import numpy as np
import torch

# Only its Brownian tree would be used, and that is replaced.
sys.modules.setdefault("torchsde", types.ModuleType("torchsde"))
from diffusers import (DDIMScheduler, DPMSolverMultistepScheduler, EulerAncestralDiscreteScheduler,
                       EulerDiscreteScheduler, FlowMatchEulerDiscreteScheduler, HeunDiscreteScheduler,
                       KDPM2DiscreteScheduler, LCMScheduler, PNDMScheduler, TCDScheduler, UniPCMultistepScheduler)
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import rescale_noise_cfg
from diffusers.schedulers.scheduling_dpmsolver_sde import DPMSolverSDEScheduler

from fixture_tools import GOLDEN, metadata, save_json, save_tensors
from subjects.schedulers import fake_model

SCRIPT = "subjects/sampler_grid.py"
SEED = 421
NOISE_SEED = 422
SCALED = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}
CLASSES = {
    "ddim": (DDIMScheduler, {"clip_sample": False, "set_alpha_to_one": False}),
    "pndm": (PNDMScheduler, {"skip_prk_steps": True}),
    "euler": (EulerDiscreteScheduler, {}),
    "euler_a": (EulerAncestralDiscreteScheduler, {}),
    "heun": (HeunDiscreteScheduler, {}),
    "dpm2": (KDPM2DiscreteScheduler, {}),
    "dpm++2m": (DPMSolverMultistepScheduler, {}),
    "dpm++2m_sde": (DPMSolverMultistepScheduler, {"algorithm_type": "sde-dpmsolver++"}),
    "dpm++sde": (DPMSolverSDEScheduler, {}),
    "unipc": (UniPCMultistepScheduler, {}),
    "lcm": (LCMScheduler, {}),
    "tcd": (TCDScheduler, {}),
    "flow_euler": (FlowMatchEulerDiscreteScheduler, {}),
}
SIGMA_SAMPLERS = ("euler", "euler_a", "heun", "dpm2", "dpm++2m", "dpm++2m_sde", "dpm++sde", "unipc")
DISTILLED = ("lcm", "tcd")
SPACINGS = ("leading", "linspace", "trailing")
SIGMA_SPACINGS = ("discrete", "karras", "exponential", "beta", "ays", "ays_sdxl")
PREDICTIONS = ("epsilon", "v_prediction")
AYS = {
    "ays": [14.6146412293, 6.4745760956, 3.8636745985, 2.6946151520, 1.8841921177, 1.3943805092, 0.9642583904,
            0.6523686016, 0.3977456272, 0.1515232662, 0.0291671582],
    "ays_sdxl": [14.6146412293, 6.3184485287, 3.7681790315, 2.1811480769, 1.3405244945, 0.8620721141, 0.5550693289,
                 0.3798540708, 0.2332364134, 0.1114188177, 0.0291671582],
}


def align_your_steps(name, count):
    """The authors' `loglinear_interp` at count + 1 points, without the last."""
    table = np.array(AYS[name])[::-1]
    at = np.linspace(0, 1, count + 1)
    return np.exp(np.interp(at, np.linspace(0, 1, len(table)), np.log(table)))[::-1][:-1].copy()


class OwnNoise:
    """Unit noise for DPM++ SDE: a draw to the middle of a step, and with a second one the increment over the whole."""

    def __init__(self, shape, generator):
        self.shape, self.generator, self.first = shape, generator, None

    def __call__(self, sigma, sigma_next):
        drawn = torch.randn(self.shape, generator=self.generator)
        if self.first is None:
            self.first = (drawn, sigma_next)
            return drawn
        (first, middle), self.first = self.first, None
        before, after = sigma - middle, middle - sigma_next
        return (before.sqrt() * first + after.sqrt() * drawn) / (before + after).sqrt()


class EulerAncestralWithEta(EulerAncestralDiscreteScheduler):
    """`get_ancestral_step` and `sample_euler_ancestral` of k-diffusion, which have eta; noise at the last step too."""

    eta = 1.0

    def step(self, model_output, timestep, sample, generator=None):
        if self.step_index is None:
            self._init_step_index(timestep)
        sigma, target = self.sigmas[self.step_index], self.sigmas[self.step_index + 1]
        denoised = sample - sigma * model_output
        full = (target ** 2 * (sigma ** 2 - target ** 2) / sigma ** 2) ** 0.5
        up = min(target, self.eta * full)
        down = (target ** 2 - up ** 2) ** 0.5
        x = sample + (sample - denoised) / sigma * (down - sigma)
        if self.eta > 0:
            x = x + torch.randn(sample.shape, generator=generator) * up
        self._step_index += 1
        return types.SimpleNamespace(prev_sample=x)


def make_scheduler(sampler, options, steps, eta, tokens):
    """The scheduler of a case with its timesteps set; keys that its class does not know are applied by hand."""
    cls, extra = CLASSES[sampler]
    if sampler == "euler_a" and eta is not None:
        cls = EulerAncestralWithEta
    options = dict(extra, **options)
    by_hand = {key: options.pop(key) for key in ("use_ays_sigmas", "use_ays_sdxl_sigmas") if key in options}
    known = cls.__init__.__wrapped__.__code__.co_varnames if hasattr(cls.__init__, "__wrapped__") else ()
    spaced = [key for key in options if key.startswith("use_") and key.endswith("_sigmas") and key not in known]
    zero_snr = options.pop("rescale_betas_zero_snr") if options.get("rescale_betas_zero_snr") and \
        "rescale_betas_zero_snr" not in known else False
    if sampler == "flow_euler":
        options.pop("prediction_type")
        dynamic = options.get("use_dynamic_shifting", False)
        trailing = options.pop("timestep_spacing", "trailing" if dynamic else "linspace") == "trailing"
        scheduler = cls(**options)
        slope = (1.15 - 0.5) / (4096 - 256)
        mu = tokens * slope + (0.5 - slope * 256) if dynamic else None
        scheduler.set_timesteps(steps, sigmas=np.linspace(1, 1 / steps, steps) if trailing else None, mu=mu)
        scheduler.init_noise_sigma = 1.0
        return scheduler
    if sampler == "euler_a" and (by_hand or spaced):
        euler = make_scheduler("euler", dict(options, **by_hand), steps, None, None)
        scheduler = cls(**{key: value for key, value in options.items() if key not in spaced})
        scheduler.set_timesteps(steps)
        scheduler.timesteps, scheduler.sigmas = euler.timesteps, euler.sigmas
        return scheduler
    if by_hand:
        options["use_karras_sigmas"] = True
    scheduler = cls(**options)
    if zero_snr:
        scheduler.alphas_cumprod = EulerDiscreteScheduler(**SCALED, rescale_betas_zero_snr=True).alphas_cumprod
    for key in by_hand:
        name = key.removeprefix("use_").removesuffix("_sigmas")
        scheduler._convert_to_karras = lambda in_sigmas, num_inference_steps=None: align_your_steps(name, steps)
    scheduler.set_timesteps(steps)
    if isinstance(scheduler, EulerAncestralWithEta):
        scheduler.eta = eta
    return scheduler


def cases():
    """Name -> sampler, options, steps, eta, tokens and whether every evaluation is kept."""
    result = {}

    def add(name, sampler, options, steps=5, eta=None, tokens=None, traced=True):
        result[name] = {"sampler": sampler, "options": options, "steps": steps, "eta": eta, "tokens": tokens,
                        "traced": traced}

    for prediction in PREDICTIONS:
        base = dict(SCALED, prediction_type=prediction)
        for spacing in SPACINGS:
            for sampler in SIGMA_SAMPLERS:
                for sigmas in SIGMA_SPACINGS:
                    options = dict(base, timestep_spacing=spacing)
                    if sigmas != "discrete":
                        options[f"use_{sigmas}_sigmas"] = True
                    add(f"{sampler}/{spacing}/{sigmas}/{prediction}", sampler, options)
            for sampler in ("ddim", "pndm"):
                add(f"{sampler}/{spacing}/discrete/{prediction}", sampler, dict(base, timestep_spacing=spacing))
        for sampler in DISTILLED:
            add(f"{sampler}/own/discrete/{prediction}", sampler, base)
    for sampler in CLASSES:
        if sampler == "flow_euler":
            continue
        for steps in (1, 2, 3, 20):
            add(f"{sampler}/count/{steps}", sampler, dict(SCALED), steps, traced=False)
        if sampler != "pndm":
            zero = dict(SCALED, timestep_spacing="trailing", prediction_type="v_prediction",
                        rescale_betas_zero_snr=True)
            add(f"{sampler}/zero_snr/discrete", sampler, zero)
            if sampler in SIGMA_SAMPLERS and sampler != "euler_a":
                for sigmas in ("karras", "exponential", "beta"):
                    add(f"{sampler}/zero_snr/{sigmas}", sampler, dict(zero, **{f"use_{sigmas}_sigmas": True}))
    add_flows(add)
    add_variants(add)
    return result


def add_flows(add):
    base = {"prediction_type": "flow_prediction", "shift": 3.0}
    for spacing in ("linspace", "trailing"):
        for sigmas in ("discrete", "karras", "exponential", "beta"):
            options = dict(base, timestep_spacing=spacing)
            if sigmas != "discrete":
                options[f"use_{sigmas}_sigmas"] = True
            add(f"flow_euler/{spacing}/{sigmas}/flow_prediction", "flow_euler", options)
    for steps in (1, 2, 3, 28):
        add(f"flow_euler/count/{steps}", "flow_euler", base, steps, traced=False)
    add("flow_euler/unshifted", "flow_euler", dict(base, shift=1.0))
    add("flow_euler/terminal", "flow_euler", dict(base, shift_terminal=0.1))
    dynamic = dict(base, use_dynamic_shifting=True)
    add("flow_euler/dynamic", "flow_euler", dynamic, tokens=1024)
    add("flow_euler/dynamic_linear", "flow_euler", dict(dynamic, time_shift_type="linear"), tokens=4096)


def add_variants(add):
    cosine = {"beta_schedule": "squaredcos_cap_v2"}
    least = dict(SCALED, final_sigmas_type="sigma_min")
    add("euler_a/eta_half", "euler_a", dict(SCALED), eta=0.5)
    add("euler_a/eta_zero", "euler_a", dict(SCALED), eta=0.0)
    add("euler_a/defaults", "euler_a", {})
    for eta in (0.3, 0.7, 1.0):
        add(f"tcd/eta_{eta}", "tcd", dict(SCALED), 4, eta=eta)
    add("tcd/eta_v", "tcd", dict(SCALED, prediction_type="v_prediction"), 4, eta=0.3)
    add("tcd/long", "tcd", dict(SCALED, original_inference_steps=100), 7)
    add("lcm/long", "lcm", dict(SCALED, original_inference_steps=30, timestep_scaling=0.1), 7)
    add("lcm/clipped", "lcm", dict(SCALED, clip_sample=True, clip_sample_range=0.8), 4)
    add("heun/clipped", "heun", dict(SCALED, clip_sample=True, clip_sample_range=0.8))
    add("heun/cosine", "heun", cosine)
    add("pndm/alpha_one", "pndm", dict(SCALED, set_alpha_to_one=True), 8)
    add("pndm/linear", "pndm", {"beta_start": 0.0001, "beta_end": 0.02}, 8)
    add("dpm++2m_sde/heun", "dpm++2m_sde", dict(SCALED, solver_type="heun"))
    add("dpm++2m_sde/sigma_min", "dpm++2m_sde", dict(least, lower_order_final=False), 6)
    add("dpm++2m/cosine_beta", "dpm++2m", dict(cosine, use_beta_sigmas=True))
    for order in (1, 3):
        add(f"unipc/order_{order}", "unipc", dict(SCALED, solver_order=order), 8)
    add("unipc/bh1", "unipc", dict(least, solver_type="bh1"), 6)
    add("unipc/order_3_bh1", "unipc", dict(least, solver_order=3, solver_type="bh1"), 8)
    add("unipc/sigma_min", "unipc", least)
    add("unipc/sigma_min_karras", "unipc", dict(least, use_karras_sigmas=True))
    add("unipc/range", "unipc", dict(SCALED, use_karras_sigmas=True, sigma_min=0.1, sigma_max=10.0))
    add("unipc/uncorrected", "unipc", dict(SCALED, disable_corrector=[0, 2]), 6)
    add("unipc/full_order_end", "unipc", dict(least, lower_order_final=False), 6)
    add("unipc/cosine_karras", "unipc", dict(cosine, use_karras_sigmas=True))


def run(case, facts, latents, tensors):
    """Stores latents and, for one prediction type, timesteps and sigmas; returns the initial noise's scale."""
    scheduler = make_scheduler(facts["sampler"], facts["options"], facts["steps"], facts["eta"], facts["tokens"])
    # By itself diffusers looks the first timestep up, and takes its second occurrence when rounding made two equal.
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(0)
    generator = torch.Generator().manual_seed(NOISE_SEED)
    x = latents * scheduler.init_noise_sigma
    if facts["sampler"] == "dpm++sde":
        scheduler.noise_sampler = OwnNoise(x.shape, generator)
    extra = {}
    if facts["sampler"] in ("euler_a", "dpm++2m_sde", "lcm", "tcd"):
        extra["generator"] = generator
    if facts["sampler"] == "tcd":
        # Its step's default is 0.3, but diffusers' pipelines pass their own, which is 0.
        extra["eta"] = facts["eta"] or 0.0
    trace = []
    for timestep in scheduler.timesteps:
        scaled = scheduler.scale_model_input(x, timestep) if hasattr(scheduler, "scale_model_input") else x
        x = scheduler.step(fake_model(scaled, timestep), timestep, x, **extra).prev_sample.float()
        trace.append(x)
    if not x.isfinite().all():
        raise SystemExit(f"{case}: the trajectory is not finite")
    tensors[f"{case}/latents"] = torch.stack(trace if facts["traced"] else trace[-1:])
    if not case.endswith("/v_prediction"):
        tensors[f"{case}/timesteps"] = torch.as_tensor(scheduler.timesteps).float()
        # KDPM2 and DPM++ SDE keep the sigmas of their second evaluations elsewhere.
        if hasattr(scheduler, "sigmas") and facts["sampler"] not in ("dpm2", "dpm++sde", "lcm", "tcd"):
            tensors[f"{case}/sigmas"] = scheduler.sigmas.float()
    return float(scheduler.init_noise_sigma)


def make():
    latents = torch.randn((1, 4, 2, 2), generator=torch.Generator().manual_seed(SEED))
    tensors, index = {"latents": latents}, {}
    for case, facts in cases().items():
        scale = run(case, facts, latents, tensors)
        index[case] = {key: facts[key] for key in ("sampler", "options", "steps", "eta", "tokens")
                       if facts[key] is not None}
        index[case].update(noise_seed=NOISE_SEED, scale=scale)
    guided, conditional = torch.randn((2, 2, 4, 2, 2), generator=torch.Generator().manual_seed(SEED + 2))
    tensors.update({"guidance/guided": 3 * guided, "guidance/conditional": conditional + 1,
                    "guidance/rescaled": rescale_noise_cfg(3 * guided, conditional + 1, 0.7)})
    save_tensors(GOLDEN / "sampler_grid.safetensors", tensors, metadata(SCRIPT, SEED))
    save_json(GOLDEN / "sampler_grid.json", index)
