#!/usr/bin/env python3
"""Measures autoglm and llama.cpp on the same GGUF, turn by turn in one run, and prints ratios.

    bench/peers/run.py                      synthetic 0.5 B model at Q8_0, autoglm at int8
    bench/peers/run.py --model M.gguf --quantize int8 --turns 7

Turns alternate so that a change in the machine's speed meets both. Each figure is the median over turns, with
the least and the greatest. Installs llama-cpp-python (built for this machine) into build/peers-venv once.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def peer_python():
    """The interpreter that can import llama_cpp; installs it first where it is missing."""
    given = os.environ.get("AUTOGLM_PEERS_PYTHON")
    if given:
        return given
    folder = ROOT / "build" / "peers-venv"
    python = folder / "bin" / "python"
    if not python.exists():
        print("building llama.cpp for this machine: some minutes", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        environment = dict(os.environ, CMAKE_ARGS="-DGGML_NATIVE=ON")
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", "--no-binary", "llama-cpp-python",
                        "-r", str(HERE / "requirements.txt")], check=True, env=environment)
    return str(python)


def autoglm_turn(args):
    """tokens/s by test name."""
    command = [str(args.autoglm), "bench", "--json", "--model", args.model, "--quantize", args.quantize,
               "--threads", str(args.threads), "--prompt-tokens", str(args.prompt_tokens),
               "--generate-tokens", str(args.generate_tokens), "--batch", ",".join(map(str, args.batch)),
               "--repetitions", "1", "--max-model-len", "2048", "--log-level", "warn"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("AUTOGLM_") or k == "AUTOGLM_ISA"}
    out = json.loads(subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout)
    return {test["test"]: test["tokens_per_second"]["median"] for test in out["tests"]}


def llama_turn(args, python):
    command = [python, str(HERE / "llama_cpp_turn.py"), args.model, "--threads", str(args.threads),
               "--prompt-tokens", str(args.prompt_tokens), "--generate-tokens", str(args.generate_tokens),
               "--batch", *map(str, args.batch)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def summary(values):
    return f"{statistics.median(values):9.1f} ({min(values):.1f}-{max(values):.1f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="GGUF file; without it a synthetic 0.5 B model at Q8_0 is written")
    parser.add_argument("--quantize", default="int8", choices=["none", "int8", "int4"])
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--prompt-tokens", type=int, default=512)
    parser.add_argument("--generate-tokens", type=int, default=64)
    parser.add_argument("--batch", type=int, nargs="*", default=[1, 8])
    parser.add_argument("--autoglm", type=pathlib.Path, default=ROOT / "build" / "release" / "autoglm")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    python = peer_python()
    if args.model is None:
        args.model = str(ROOT / "build" / "synthetic-0.5b-q8_0.gguf")
        if not os.path.exists(args.model):
            subprocess.run([str(args.autoglm), "synthetic", args.model, "--preset", "0.5b", "--dtype", "q8_0"],
                           check=True)
    ours, theirs = {}, {}
    for turn in range(args.turns):
        for name, speed in autoglm_turn(args).items():
            ours.setdefault(name, []).append(speed)
        for name, speed in llama_turn(args, python).items():
            theirs.setdefault(name, []).append(speed)
        print(f"turn {turn + 1} of {args.turns}", file=sys.stderr)
    if args.json:
        print(json.dumps({"model": args.model, "quantize": args.quantize, "autoglm": ours, "llama.cpp": theirs}))
        return
    print(f"{'tokens/s, median (min-max)':<28} {'autoglm':>26} {'llama.cpp':>26} {'ratio':>7}")
    for name, values in ours.items():
        ratio = statistics.median(values) / statistics.median(theirs[name])
        print(f"{name:<28} {summary(values):>26} {summary(theirs[name]):>26} {ratio:7.2f}")


if __name__ == "__main__":
    main()
