"""A Llama of SmolLM2-135M's shape, Atelier and PyTorch in turn in one run; prints tokens a second and their ratios.

    python Tests/Fixtures/peers/compare_text_model.py [--threads 2] [--repeats 3] [--prefill 512] [--decode 32]
        [--gguf FILE [--llama-bench PATH]] [--cpu] [--binary .build/release/atelier]

The engines take turns, each counting with its best and its median time, because the times of a shared machine drift.
On a machine that is busy with other work, `--cpu` compares the processor time of one thread instead: each engine runs
twice with different counts of runs and of tokens, and the differences leave out loading and packing.
Random weights in fp32; with `--gguf`, ours as the file stores them and as fp32, and PyTorch's from the same file, and, where
`--llama-bench` says where llama.cpp's benchmark is, llama.cpp's, which rounds what it multiplies with blocks to eight bits.
"""

import json
import os
import resource
import statistics
import subprocess
import sys

from peer_timing import options, require


def measure(command):
    line = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip().splitlines()[-1]
    return json.loads(line)


def measure_llama(binary, chosen):
    """The same row from llama.cpp's own benchmark: one prompt, then tokens from an empty context."""
    output = subprocess.run(
        [binary, "-m", chosen.gguf, "-p", str(chosen.prefill), "-n", str(chosen.decode), "-t", str(chosen.threads),
         "-r", "2", "-o", "json"], check=True, capture_output=True, text=True).stdout
    row = {"prefill_seconds": [], "decode_seconds": []}
    for test in json.loads(output):
        row["prefill_seconds" if test["n_prompt"] else "decode_seconds"] += [ns / 1e9 for ns in test["samples_ns"]]
    return row


def processor_seconds(command, threads, repeats, prefill, decode):
    """User time of a run of its own."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    measure([*command, "--threads", str(threads), "--repeats", str(repeats), "--prefill", str(prefill),
             "--decode", str(decode), "--json"])
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before


def compare_processor_time(engines, chosen):
    seconds = {name: {"prefill": [], "decode": []} for name in engines}
    for _ in range(max(1, chosen.repeats)):
        for name, command in engines.items():
            few = processor_seconds(command, 1, 1, chosen.prefill, 1)
            many = processor_seconds(command, 1, 4, chosen.prefill, 1)
            longer = processor_seconds(command, 1, 1, chosen.prefill, 1 + chosen.decode)
            # One run warms up, so `repeats` 1 makes two.
            decode = (longer - few) / 2
            seconds[name]["decode"].append(decode)
            seconds[name]["prefill"].append((many - few) / 3 - decode / chosen.decode)
        for phase, tokens in (("prefill", chosen.prefill), ("decode", chosen.decode)):
            theirs = statistics.median(seconds["torch fp32"][phase])
            print(json.dumps({"phase": phase, "tokens_per_cpu_second": {
                name: round(tokens / statistics.median(times[phase]), 1) for name, times in seconds.items()},
                "ratio": {name: round(theirs / statistics.median(times[phase]), 2)
                          for name, times in seconds.items() if name != "torch fp32"}}), flush=True)


def main():
    chosen = options("Time a language model beside PyTorch's.", prefill={"type": int, "default": 512},
                     decode={"type": int, "default": 32}, gguf={"default": None}, cpu={"action": "store_true"},
                     llama_bench={"default": None}, binary={"default": ".build/release/atelier"})
    require("torch", "transformers")
    sizes = ["--prefill", str(chosen.prefill), "--decode", str(chosen.decode), "--threads", str(chosen.threads),
             "--repeats", "2", "--json"]
    peer = [sys.executable, os.path.join(os.path.dirname(os.path.abspath(__file__)), "bench_text_model.py")]
    engines = {"atelier fp32": [chosen.binary, "bench", "text-model"], "torch fp32": peer}
    if chosen.gguf:
        stored = [chosen.binary, "bench", "text-model", "-m", chosen.gguf]
        engines = {"atelier stored": stored, "atelier fp32": [*stored, "--full"],
                   "torch fp32": [*peer, "--gguf", chosen.gguf]}
    if chosen.cpu:
        compare_processor_time(engines, chosen)
        return
    if chosen.gguf and chosen.llama_bench:
        engines["llama.cpp"] = None
    seconds = {name: {"prefill": [], "decode": []} for name in engines}
    for _ in range(max(1, chosen.repeats)):
        for name, command in engines.items():
            row = measure([*command, *sizes]) if command else measure_llama(chosen.llama_bench, chosen)
            for phase in ("prefill", "decode"):
                seconds[name][phase] += row[f"{phase}_seconds"]
        for phase, tokens in (("prefill", chosen.prefill), ("decode", chosen.decode)):
            theirs = seconds["torch fp32"][phase]
            rates = {name: f"{tokens / min(times[phase]):.1f} (median {tokens / statistics.median(times[phase]):.1f})"
                     for name, times in seconds.items()}
            ratios = {name: [round(min(theirs) / min(times[phase]), 2),
                             round(statistics.median(theirs) / statistics.median(times[phase]), 2)]
                      for name, times in seconds.items() if name != "torch fp32"}
            print(json.dumps({"phase": phase, "tokens_per_second": rates, "ratio_best_median": ratios}), flush=True)


if __name__ == "__main__":
    main()
