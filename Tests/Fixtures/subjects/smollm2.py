"""What transformers makes of SmolLM2-135M-Instruct's GGUF file: `smollm2.json`.

For each of 20 prompts: its ids, and the greedy continuation of 32 tokens; the ids and ranges of some texts; a written
conversation. Needs the file that `make models` fetches.
"""

import os
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from fixture_tools import GOLDEN, metadata, save_json

SCRIPT = "subjects/smollm2.py"
NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"
PROMPTS = [
    "The capital of France is", "The capital of Japan is", "Water boils at", "Once upon a time, there was a",
    "The largest planet in the solar system is", "def fibonacci(n):\n", "To make a cup of tea, first",
    "The opposite of hot is", "William Shakespeare wrote", "1, 2, 3, 4, 5,", "The Eiffel Tower is located in",
    "Photosynthesis is the process by which", "In 1969, the first man", "My favourite colour is",
    "The people of Germany speak", "A triangle has three", "Dear Sir or Madam,\n\n", "The chemical symbol of gold is",
    "import numpy as np\n\nx = np.", "Roses are red, violets are",
]
CHAT = [{"role": "user", "content": "What is the capital of Italy?"}]


def make():
    folder = Path(os.environ.get("ATELIER_CACHE", Path.home() / ".cache" / "atelier"))
    if not (folder / NAME).exists():
        print(f"smollm2: skipped, {folder / NAME} is missing; run make models")
        return
    torch.set_num_threads(os.cpu_count())
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=NAME)
    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=NAME, dtype=torch.float32).eval()
    rows = []
    for prompt in PROMPTS:
        ids = tokenizer(prompt, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            output = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=32, min_new_tokens=32,
                                    do_sample=False, eos_token_id=None, pad_token_id=0, repetition_penalty=1.0)
        rows.append({"prompt": prompt, "ids": ids[0].tolist(), "continuation": output[0, ids.shape[1]:].tolist()})
    chat = tokenizer.apply_chat_template(CHAT, tokenize=False, add_generation_prompt=True)
    save_json(GOLDEN / "smollm2.json", {"metadata": metadata(SCRIPT, "none"), "prompts": rows, "chat": chat})
