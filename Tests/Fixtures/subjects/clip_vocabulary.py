"""CLIP's own vocabulary, as `Assets/tokenizers/clip` ships it, on 2,416 prompts: `clip_vocabulary.json`.

The prompts are those of `tokenizer_cases.json`, alone and put together two by two by `prompt`, which the test repeats.
Of every 151 prompts only a hash of their ids (untruncated, without the special tokens) is kept.
"""

import json

from transformers import CLIPTokenizer

from fixture_tools import GOLDEN, metadata, save_json

SCRIPT = "subjects/clip_vocabulary.py"
SHIPPED = GOLDEN.parents[2] / "Assets/tokenizers/clip"
JOINTS = [" ", ", ", "", " \U0001f431 ", "-", "'s ", "\n", " (x:1.2) "]


def prompt(number, texts):
    """The text of a number: the first round is every text alone, round r puts text i before text (7 i + 13 r) mod n."""
    turn, index = divmod(number, len(texts))
    if turn == 0:
        return texts[index]
    return texts[index] + JOINTS[number % len(JOINTS)] + texts[(7 * index + 13 * turn) % len(texts)]


def fingerprint(rows):
    """FNV-1a, 64 bits, over the numbers of all rows, each row ended by -1."""
    value = 0xCBF29CE484222325
    for number in (number for row in rows for number in [*row, 0xFFFFFFFF]):
        for byte in number.to_bytes(4, "little"):
            value = (value ^ byte) * 0x100000001B3 % 2**64
    return f"{value:016x}"


def make():
    tokenizer = CLIPTokenizer.from_pretrained(SHIPPED)
    cases = json.loads((GOLDEN / "tokenizer_cases.json").read_text(encoding="utf-8"))["cases"]
    texts = [case["prompt"] for case in cases]
    count, group = 8 * len(texts), len(texts) // 2
    rows = [tokenizer(prompt(number, texts), add_special_tokens=False)["input_ids"] for number in range(count)]
    save_json(GOLDEN / "clip_vocabulary.json", {
        "metadata": metadata(SCRIPT, "none"), "joints": JOINTS, "group": group,
        "ids": sum(len(row) for row in rows),
        "fingerprints": [fingerprint(rows[start:start + group]) for start in range(0, count, group)]})
