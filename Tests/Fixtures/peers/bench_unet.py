"""Times PyTorch with diffusers and transformers on whole networks of Stable Diffusion 1.5's shape, random weights.

    python Tests/Fixtures/peers/bench_unet.py [--threads 2] [--repeats 3] [--json] [--only unet] [--folder FOLDER]
        [--latent 64] [--batch 1] [--bf16] [--train] [--device cuda]

`--folder` times the networks of a diffusers folder instead; needs about 5 GB of memory without it. GFLOP counts are
taken by torch's own counter (one multiply-add is two operations).
"""

import os

from peer_timing import Report, median_seconds, options, require

os.environ.setdefault("HF_HUB_OFFLINE", "1")


def networks(folder):
    """Name -> a function that builds the network."""
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    if folder:
        return {"text": lambda: CLIPTextModel.from_pretrained(os.path.join(folder, "text_encoder")),
                "unet": lambda: UNet2DConditionModel.from_pretrained(os.path.join(folder, "unet")),
                "vae": lambda: AutoencoderKL.from_pretrained(os.path.join(folder, "vae"))}
    return {
        "text": lambda: CLIPTextModel(CLIPTextConfig(
            hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12, projection_dim=768)),
        "unet": lambda: UNet2DConditionModel(
            sample_size=64, cross_attention_dim=768, attention_head_dim=8, block_out_channels=(320, 640, 1280, 1280)),
        "vae": lambda: AutoencoderKL(
            block_out_channels=(128, 256, 512, 512), layers_per_block=2, latent_channels=4, sample_size=512,
            down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4),
    }


def main():
    chosen = options(
        "Time PyTorch on whole networks.", folder={"default": None}, latent={"type": int, "default": 64},
        batch={"type": int, "default": 1}, bf16={"action": "store_true"}, device={"default": "cpu"},
        train={"action": "store_true", "help": "also forward and backward with every parameter trained"})
    require("torch", "diffusers", "transformers")
    import diffusers
    import torch
    import transformers
    from torch.utils.flop_counter import FlopCounterMode

    transformers.logging.disable_progress_bar()
    torch.set_num_threads(chosen.threads)
    torch.manual_seed(0)
    report = Report(chosen.json, {"peer": "torch", "version": torch.__version__, "diffusers": diffusers.__version__,
                                  "threads": chosen.threads, "latent": chosen.latent, "batch": chosen.batch})
    types = [("f32", torch.float32)] + ([("bf16", torch.bfloat16)] if chosen.bf16 else [])

    def call(name, model, dtype):
        """The network's usual call, as a function without arguments that returns a tensor."""
        latents = torch.randn(chosen.batch, 4, chosen.latent, chosen.latent, dtype=dtype, device=chosen.device)
        if name == "text":
            ids = torch.randint(0, model.config.vocab_size, (chosen.batch, 77), device=chosen.device)
            return lambda: model(ids).last_hidden_state
        if name == "vae":
            return lambda: model.decode(latents).sample
        context = torch.randn(chosen.batch, 77, model.config.cross_attention_dim, dtype=dtype, device=chosen.device)
        return lambda: model(latents, 500, context).sample

    def finished(run):
        """The same function, which returns when a GPU is done with it."""
        def wait():
            result = run()
            if chosen.device != "cpu":
                torch.cuda.synchronize()
            return result
        return wait

    for name, build in networks(chosen.folder).items():
        if chosen.only not in name:
            continue
        model = build().eval().to(chosen.device)
        for label, dtype in types:
            model.to(dtype)
            run = finished(call(name, model, dtype))
            if chosen.device != "cpu":
                torch.cuda.reset_peak_memory_stats()
            with torch.no_grad():
                with FlopCounterMode(display=False) as counter:
                    run()
                gflop = counter.get_total_flops() / 1e9
                report.add(name, f"{label} forward", median_seconds(run, chosen.repeats), gflop)
            if chosen.device != "cpu":
                print(f"peak {torch.cuda.max_memory_allocated() >> 20} MiB")
            if chosen.train and name != "text":
                def step():
                    model.zero_grad(set_to_none=True)
                    run().square().mean().backward()

                report.add(name, f"{label} training", median_seconds(step, chosen.repeats), 3 * gflop)
        del model


if __name__ == "__main__":
    main()
