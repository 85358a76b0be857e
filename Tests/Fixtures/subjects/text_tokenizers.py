"""Small tokenizers of every kind that language models use, and what they make of several hundred strings.

`tiny-tokenizers/NAME.json` is a `tokenizer.json`; `tiny-tokenizers/cases.json` has the strings, and for each tokenizer
the ids and character ranges of each string, and what the ids are decoded to.
"""

import json
import random

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from fixture_tools import GOLDEN, metadata, save_json
from subjects.prompts import TRAINING_TEXT

SCRIPT = "subjects/text_tokenizers.py"
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
          r"|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
MORE_TEXT = """
The quick brown fox jumps over the lazy dog. It's what they're saying; we've seen 1234567 of them, I'll bet they'd go!
def main(argv):
    for i in range(10):
        print("hello, world", i * 3.14159)
	return None


Größe, naïve café, Ünïcödé, Москва, Αθήνα, 東京タワー, 你好世界, مرحبا بالعالم, नमस्ते, 👍🏽👩‍👩‍👧 and  two  spaces.
HTTP/2.0 https://example.org/path?query=value&other=1 user@example.com {"key": [1, 2, 3]} <tag attr='x'/> x**2 + y**2 = r**2
The capital of France is Paris. The capital of Japan is Tokyo. Water boils at 100 degrees. I'm here, you're there.
"""


def corpus():
    return [line for line in (TRAINING_TEXT + MORE_TEXT).splitlines() if line.strip()]


def byte_level(pre, normalizer=None, specials=("<|endoftext|>",), template=False, trim=False, whole=False, size=620):
    tokenizer = Tokenizer(models.BPE(ignore_merges=whole))
    tokenizer.pre_tokenizer = pre
    if normalizer:
        tokenizer.normalizer = normalizer
    trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
                                  special_tokens=list(specials), show_progress=False)
    tokenizer.train_from_iterator(corpus(), trainer)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=trim)
    if template:
        begin = specials[0]
        tokenizer.post_processor = processors.Sequence([
            processors.ByteLevel(trim_offsets=trim),
            processors.TemplateProcessing(single=f"{begin} $A", special_tokens=[(begin, tokenizer.token_to_id(begin))])])
    return tokenizer


def sentence_piece(normalizer, pre, decoder, size=720, template=True):
    """As transformers converts SentencePiece models: bytes first, then merges and characters."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    if normalizer:
        tokenizer.normalizer = normalizer
    if pre:
        tokenizer.pre_tokenizer = pre
    specials = ["<unk>", "<s>", "</s>", *[f"<0x{byte:02X}>" for byte in range(256)]]
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=specials, limit_alphabet=90, show_progress=False)
    # Words are learnt apart: a pair never crosses a space, as in SentencePiece.
    marked = [word for line in corpus() for word in line.replace(" ", " ▁").split(" ")]
    learner = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    learner.train_from_iterator(marked, trainer)
    content = json.loads(learner.to_str())
    shell = json.loads(tokenizer.to_str())
    shell["model"]["vocab"], shell["model"]["merges"] = content["model"]["vocab"], content["model"]["merges"]
    shell["added_tokens"] = [token for token in content["added_tokens"] if not token["content"].startswith("<0x")]
    tokenizer = Tokenizer.from_str(json.dumps(shell))
    tokenizer.decoder = decoder
    if template:
        tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return tokenizer


def tokenizers():
    gpt2 = pre_tokenizers.ByteLevel(add_prefix_space=False)
    plain = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    neox = byte_level(gpt2, normalizers.NFC(), specials=("<|endoftext|>", "<|padding|>"), trim=True)
    neox.add_tokens([AddedToken("    ", normalized=True), AddedToken("  ", normalized=True)])
    llama2 = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    return {
        "gpt2": byte_level(gpt2),
        "gpt2-prefix": byte_level(pre_tokenizers.ByteLevel(add_prefix_space=True), trim=True),
        "neox": neox,
        "llama3": byte_level(
            pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(LLAMA3), "isolated"), plain]),
            specials=("<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"), template=True, whole=True),
        "qwen2": byte_level(
            pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(QWEN2), "isolated"), plain]), normalizers.NFC(),
            specials=("<|endoftext|>", "<|im_start|>", "<|im_end|>")),
        "smollm2": byte_level(
            pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), gpt2]),
            specials=("<|endoftext|>", "<|im_start|>", "<|im_end|>")),
        "llama2": sentence_piece(
            normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]), None,
            decoders.Sequence(llama2)),
        "llama2-metaspace": sentence_piece(
            None, pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="first", split=False),
            decoders.Sequence(llama2)),
        "gemma": sentence_piece(
            normalizers.Replace(" ", "▁"), pre_tokenizers.Split(" ", "merged_with_previous"),
            decoders.Sequence(llama2[:-1])),
    }


def strings():
    generator = random.Random(7)
    words = [word for line in corpus() for word in line.split(" ")]
    pieces = [" ", "  ", "    ", "\n", "\n\n", "\t", " \n ", "\r\n", "'s", "'S", "'re", "'LL", "12345", "7", " 42", "!?",
              "...", " -", "é", "e\u0301", "ß", "中文", "日本", "👍🏽", "\u200d", "\u00a0", "²", "½", "Ⅷ", "a1b2", "<s>", "</s>",
              "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|begin_of_text|>", "<|eot_id|>", "<0x0A>", "▁", "Ġ", "_",
              "\u0000", "\ufeff", "ﬁ", "İ", "ı", "ſ", "'ſ", "\u0301", "한국", "\u3000", "x" * 30, "http://a.b/c?d=e#f"]
    fixed = ["", " ", "  ", "\n", "a", " a", "a ", "Hello", " Hello world", "Hello  world ", "I'm, you're; we'LL",
             "1234567890", "3.14159", "x=1\n\n\ny = 2\n", "    indented\n\tlines", "<|im_start|>user\nHi<|im_end|>\n",
             "text<|endoftext|>more", "The capital of France is", "e\u0301tude é", "line one\r\nline two", "naïve café 東京"]
    result = list(dict.fromkeys(fixed + pieces))
    while len(result) < 330:
        count = generator.randint(1, 9)
        parts = [generator.choice(words) if generator.random() < 0.6 else generator.choice(pieces) for _ in range(count)]
        result.append(generator.choice(["", " "]).join(parts))
    return list(dict.fromkeys(result))


def make():
    folder = GOLDEN / "tiny-tokenizers"
    folder.mkdir(parents=True, exist_ok=True)
    texts = strings()
    cases = {}
    for name, tokenizer in tokenizers().items():
        tokenizer.save(str(folder / f"{name}.json"), pretty=False)
        tokenizer = Tokenizer.from_file(str(folder / f"{name}.json"))
        rows = []
        for text in texts:
            encoding = tokenizer.encode(text)
            decoded = tokenizer.decode(encoding.ids, skip_special_tokens=False)
            rows.append([encoding.ids, [place for pair in encoding.offsets for place in pair], decoded])
        cases[name] = rows
    if len(texts) < 300:
        raise SystemExit(f"{len(texts)} strings; expected at least 300")
    golden = {"metadata": metadata(SCRIPT, 7), "strings": texts, "cases": cases}
    text = json.dumps(golden, ensure_ascii=True, separators=(",", ":")) + "\n"
    (folder / "cases.json").write_text(text, encoding="utf-8")
