"""Times PyTorch with transformers on a Llama of SmolLM2-135M's shape, random weights, fp32: prefill and decode.

    python Tests/Fixtures/peers/bench_text_model.py [--threads 2] [--repeats 3] [--json] [--prefill 512] [--decode 32]
        [--gguf FILE]

Prefill computes the logits of the last token only, as generation does. `--gguf` takes the weights of a GGUF file.
"""

import json
import os
import statistics
import time

from peer_timing import options, require

os.environ.setdefault("HF_HUB_OFFLINE", "1")


def build(path):
    import torch
    from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

    if path:
        folder, name = os.path.split(path)
        return AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32)
    return LlamaForCausalLM(LlamaConfig(
        vocab_size=49152, hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=9,
        num_key_value_heads=3, max_position_embeddings=8192, tie_word_embeddings=True))


def main():
    chosen = options("Time PyTorch on a language model.", prefill={"type": int, "default": 512},
                     decode={"type": int, "default": 32}, gguf={"default": None})
    require("torch", "transformers")
    import torch

    torch.set_num_threads(chosen.threads)
    torch.manual_seed(0)
    model = build(chosen.gguf).eval()
    ids = torch.tensor([[(place * 7919 + 13) % model.config.vocab_size for place in range(chosen.prefill)]])
    prefills, decodes = [], []
    with torch.inference_mode():
        for run in range(chosen.repeats + 1):
            start = time.perf_counter()
            output = model(ids, use_cache=True, logits_to_keep=1)
            token = output.logits[:, -1:].argmax(-1)
            middle = time.perf_counter()
            for _ in range(chosen.decode):
                output = model(token, past_key_values=output.past_key_values, use_cache=True)
                token = output.logits[:, -1:].argmax(-1)
            end = time.perf_counter()
            if run > 0:
                prefills.append(middle - start)
                decodes.append(end - middle)
    if chosen.json:
        print(json.dumps({"model": "torch " + torch.__version__, "threads": chosen.threads, "prefill": chosen.prefill,
                          "prefill_seconds": prefills, "decode": chosen.decode, "decode_seconds": decodes}))
        return
    print(f"torch {torch.__version__} fp32, {chosen.threads} threads")
    for name, tokens, seconds in (("prefill", chosen.prefill, prefills), ("decode", chosen.decode, decodes)):
        print(f"{name} {tokens}: {tokens / statistics.median(seconds):.1f} tokens/s (best {tokens / min(seconds):.1f})")


if __name__ == "__main__":
    main()
