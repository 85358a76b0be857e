"""The tiny CLIP tokenizer, in three layouts, and the ids of several hundred prompts: `tokenizer_cases.json`.

- `tiny-clip/`: `vocab.json` + `merges.txt` (with `tokenizer_config.json`, `special_tokens_map.json`), as Stable
  Diffusion folders carry them;
- `tiny-clip-gelu/`: `tokenizer.json` alone, as newer tools write it (merges are pairs), padded with `!`;
- `tiny-tokenizer-json/`: `tokenizer.json` alone, merges as "a b" strings, as older tools write it.

The vocabulary follows CLIP's construction: 256 bytes in the byte-to-character order, the same with `</w>`, one token
per merge, then the two special tokens. The merges are trained here by plain byte-pair encoding on a small word list.
"""

import collections
import json
import re

from transformers import CLIPTokenizer

from fixture_tools import GOLDEN, metadata, save_json
from subjects.prompts import TRAINING_TEXT, prompts

SCRIPT = "subjects/tokenizer.py"
MERGES = 420
START, END = "<|startoftext|>", "<|endoftext|>"
LENGTH = 77


def byte_characters():
    """GPT-2's table: printable bytes stand for themselves, the others for characters from U+0100 on."""
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAC + 1), *range(0xAE, 0xFF + 1)]
    table = {byte: chr(byte) for byte in printable}
    for byte in range(256):
        if byte not in table:
            table[byte] = chr(256 + len(table) - len(printable))
    return table


def train_merges(text, count):
    """The `count` most frequent pairs, one after another; ties go to the smaller pair."""
    table = byte_characters()
    words = collections.Counter()
    for word in re.findall(r"'s|'t|'re|'ve|'m|'ll|'d|[^\W\d_]+|\d|[^\s\w]+", text.lower()):
        symbols = [table[byte] for byte in word.encode("utf-8")]
        words[(*symbols[:-1], symbols[-1] + "</w>")] += 1
    merges = []
    while len(merges) < count:
        pairs = collections.Counter()
        for symbols, frequency in words.items():
            for pair in zip(symbols, symbols[1:]):
                pairs[pair] += frequency
        if not pairs:
            raise SystemExit(f"the training text gives only {len(merges)} merges; expected {count}")
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        words = collections.Counter({merge(symbols, best): frequency for symbols, frequency in words.items()})
    return merges


def merge(symbols, pair):
    merged, position = [], 0
    while position < len(symbols):
        if tuple(symbols[position:position + 2]) == pair:
            merged.append("".join(pair))
            position += 2
        else:
            merged.append(symbols[position])
            position += 1
    return tuple(merged)


def vocabulary(merges):
    table = byte_characters()
    # The order of the table's insertion: printable bytes first, then the rest.
    characters = [table[byte] for byte in sorted(table, key=lambda byte: ord(table[byte]) if ord(table[byte]) < 256
                                                 else 1000 + byte)]
    tokens = [*characters, *(character + "</w>" for character in characters), *("".join(pair) for pair in merges)]
    tokens += [START, END]
    if len(set(tokens)) != len(tokens):
        raise SystemExit("the vocabulary holds a token twice")
    return {token: index for index, token in enumerate(tokens)}


def write_slow_layout(folder, vocab, merges):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False), encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    save_json(folder / "special_tokens_map.json", {
        "bos_token": {"content": START, "lstrip": False, "normalized": True, "rstrip": False, "single_word": False},
        "eos_token": {"content": END, "lstrip": False, "normalized": True, "rstrip": False, "single_word": False},
        "pad_token": END,
        "unk_token": {"content": END, "lstrip": False, "normalized": True, "rstrip": False, "single_word": False},
    })
    save_json(folder / "tokenizer_config.json", {
        "add_prefix_space": False, "do_lower_case": True, "errors": "replace", "model_max_length": LENGTH,
        "bos_token": START, "eos_token": END, "pad_token": END, "unk_token": END, "tokenizer_class": "CLIPTokenizer",
    })


def write_fast_layout(folder, vocab, merges, pad):
    """`tokenizer.json` and `tokenizer_config.json` as the library itself saves them."""
    tokenizer = CLIPTokenizer(vocab=vocab, merges=list(merges), pad_token=pad, model_max_length=LENGTH)
    tokenizer.save_pretrained(folder)


def rewrite_merges_as_strings(folder):
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["model"]["merges"] = [" ".join(pair) for pair in content["model"]["merges"]]
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")


def make():
    merges = train_merges(TRAINING_TEXT, MERGES)
    vocab = vocabulary(merges)
    slow, fast, strings = GOLDEN / "tiny-clip", GOLDEN / "tiny-clip-gelu", GOLDEN / "tiny-tokenizer-json"
    write_slow_layout(slow, vocab, merges)
    write_fast_layout(fast, vocab, merges, pad="!")
    write_fast_layout(strings, vocab, merges, pad=END)
    rewrite_merges_as_strings(strings)

    cases = prompts()
    tokenizers = {folder.name: CLIPTokenizer.from_pretrained(folder) for folder in (slow, fast, strings)}
    rows = []
    for group, prompt in cases:
        ids = {name: unpadded(tokenizer, prompt) for name, tokenizer in tokenizers.items()}
        row = {"group": group, "prompt": prompt, "ids": ids[slow.name]}
        if ids[slow.name] != ids[strings.name]:
            raise SystemExit(f"layouts disagree on {prompt!r}")
        # As a padding token "!" is special: the library cuts it out of the text before anything else and gives it
        # its own id, where the ordinary path would give "!</w>" or a merge.
        if ids[fast.name] != ids[slow.name]:
            if "!" not in prompt:
                raise SystemExit(f"the layout with another padding token disagrees on {prompt!r}")
            row["ids_padded_with_exclamation"] = ids[fast.name]
        rows.append(row)
    save_json_rows(GOLDEN / "tokenizer_cases.json", {
        "metadata": metadata(SCRIPT, "none"),
        "length": LENGTH, "start": vocab[START], "end": vocab[END],
        "padding": {slow.name: vocab[END], strings.name: vocab[END], fast.name: vocab["!"]},
    }, rows)


def unpadded(tokenizer, prompt):
    """The ids before padding, after checking that padding only appends the padding id up to the full length."""
    ids = tokenizer(prompt, max_length=LENGTH, truncation=True)["input_ids"]
    padded = tokenizer(prompt, padding="max_length", max_length=LENGTH, truncation=True)["input_ids"]
    if padded != ids + [tokenizer.pad_token_id] * (LENGTH - len(ids)):
        raise SystemExit(f"padding changes more than the tail on {prompt!r}")
    return ids


def save_json_rows(path, head, rows):
    """One case a line, so that a change shows up as one line."""
    lines = [json.dumps(row, ensure_ascii=True, separators=(",", ":")) for row in rows]
    text = json.dumps(head, indent=1)[:-2] + ",\n \"cases\": [\n  " + ",\n  ".join(lines) + "\n ]\n}\n"
    path.write_text(text, encoding="utf-8")
