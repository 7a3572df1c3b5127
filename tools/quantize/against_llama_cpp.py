#!/usr/bin/env python3
"""Compares `autoglm quantize` with llama.cpp's quantizer on the same weights and the same tokens.

    tools/quantize/against_llama_cpp.py build/release/autoglm MODEL --calibrate TEXT --evaluate TEXT

Both predict the same windows of the evaluation text; perplexities are given against each program's
own unquantized model, so that differences between the two in float arithmetic cancel out. Bits are
those of all matrices, embedding included, with everything stored for them: what is in the files.
Needs torch, transformers' safetensors, gguf and llama-cpp-python; not a test, because of that.
"""
import argparse
import ctypes
import json
import math
import pathlib
import subprocess
import sys
import tempfile

import gguf
import llama_cpp
import numpy as np
from safetensors.torch import load_file

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "goldens"))
import gguf_twins  # noqa: E402

TYPES = {"Q2_K": llama_cpp.LLAMA_FTYPE_MOSTLY_Q2_K, "Q3_K_M": llama_cpp.LLAMA_FTYPE_MOSTLY_Q3_K_M,
         "Q4_K_M": llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_K_M, "Q4_0": llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_0,
         "Q4_K_S": llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_K_S, "Q8_0": llama_cpp.LLAMA_FTYPE_MOSTLY_Q8_0}


def as_gguf(model, path):
    config = json.loads((model / "config.json").read_text())
    config.setdefault("rope_parameters", {"rope_theta": config.get("rope_theta"), "rope_type": "default"})
    weights = {name: tensor.float() for name, tensor in load_file(model / "model.safetensors").items()}
    gguf_twins.write(str(path), config, weights)


def quantized(path, kind, out):
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = TYPES[kind]
    if llama_cpp.llama_model_quantize(str(path).encode(), str(out).encode(), ctypes.byref(params)) != 0:
        sys.exit(f"llama.cpp cannot quantize to {kind}")


def bits(path):
    """Of every matrix in the file, and how many elements have which type."""
    elements, size, kinds = 0, 0, {}
    for tensor in gguf.GGUFReader(path).tensors:
        if len(tensor.shape) < 2:
            continue
        elements += int(tensor.n_elements)
        size += int(tensor.n_bytes)
        name = tensor.tensor_type.name
        kinds[name] = kinds.get(name, 0) + int(tensor.n_elements)
    return 8 * size / elements, {k: f"{100 * v / elements:.0f} %" for k, v in kinds.items()}


def log_probabilities(path, windows):
    """[tokens predicted, vocabulary] for each window."""
    model = llama_cpp.Llama(str(path), n_ctx=max(map(len, windows)), logits_all=True, verbose=False,
                            n_threads=2, n_batch=max(map(len, windows)))
    for window in windows:
        model.reset()
        model.eval(window)
        logits = np.array(model.scores[:len(window) - 1], dtype=np.float64)
        logits -= logits.max(-1, keepdims=True)
        yield logits - np.log(np.exp(logits).sum(-1, keepdims=True))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("autoglm")
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--calibrate", required=True)
    parser.add_argument("--evaluate", required=True)
    parser.add_argument("--window", type=int, default=256)
    parser.add_argument("--tokens", type=int, default=32768)
    parser.add_argument("--kinds", nargs="*", default=["Q4_K_M", "Q4_0", "Q8_0"])
    parser.add_argument("--ours", nargs="*", default=["4:rtn", "4:gptq", "4:awq", "4:awq+gptq", "5.7:gptq", "8:rtn",
                                                      "8:smoothquant"])
    args = parser.parse_args()
    print(f"{'':24}{'bits':>7}{'perplexity':>12}{'change':>10}{'KL':>10}{'top 1':>8}")

    def row(name, bits_per_weight, before, after, kl, top1):
        change = f"{(after / before - 1) * 100:+.3f} %"
        print(f"{name:24}{bits_per_weight:7.3f}{after:12.4f}{change:>10}{kl:10.5f}{top1 * 100:7.2f}%", flush=True)

    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for ours in args.ours:
            wanted, method = ours.split(":")
            command = [args.autoglm, "quantize", str(args.model), str(folder / "out"), "--bits", wanted,
                       "--method", method, "--calibrate", args.calibrate, "--evaluate", args.evaluate,
                       "--evaluation-tokens", str(args.tokens), "--window", str(args.window), "--json"]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            report = json.loads(done.stdout)
            q = report["quality"]
            row(f"autoglm {ours}", report["bits_per_weight"], q["perplexity_before"],
                q["perplexity_after"], q["kl_mean"], q["same_top1"])
            subprocess.run(["rm", "-r", str(folder / "out")], check=True)

        if not args.kinds:
            return
        # One tokenizer for both: the GGUF file's vocabulary is a placeholder.
        ids = subprocess.run([args.autoglm, "tokenize", str(args.model), "--no-special", "--json"], check=True,
                             capture_output=True, text=True, input=pathlib.Path(args.evaluate).read_text())
        tokens = json.loads(ids.stdout)["ids"]
        available = (len(tokens) + args.window - 1) // args.window
        count = max(1, min(args.tokens // args.window, available))
        windows = [tokens[i * available // count * args.window:][:args.window] for i in range(count)]
        windows = [w for w in windows if len(w) > 1]
        as_gguf(args.model, folder / "f32.gguf")
        for kind in args.kinds:
            quantized(folder / "f32.gguf", kind, folder / f"{kind}.gguf")
        before, count = 0.0, 0
        after = {kind: [0.0, 0.0, 0] for kind in args.kinds}
        streams = [log_probabilities(folder / f"{kind}.gguf", windows) for kind in args.kinds]
        for window, whole, *others in zip(windows, log_probabilities(folder / "f32.gguf", windows), *streams):
            taken = np.arange(len(window) - 1), np.array(window[1:])
            before -= whole[taken].sum()
            count += len(window) - 1
            for kind, other in zip(args.kinds, others):
                after[kind][0] -= other[taken].sum()
                after[kind][1] += (np.exp(whole) * (whole - other)).sum()
                after[kind][2] += int((whole.argmax(-1) == other.argmax(-1)).sum())
        base = math.exp(before / count)
        print(f"llama.cpp f32: perplexity {base:.4f} over {count} tokens")
        for kind in args.kinds:
            nll, kl, same = after[kind]
            size, kinds = bits(folder / f"{kind}.gguf")
            row(f"llama.cpp {kind}", size, base, math.exp(nll / count), kl / count, same / count)
            print(f"{'':24}{kinds}")


if __name__ == "__main__":
    main()
