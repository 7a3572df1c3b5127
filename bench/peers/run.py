#!/usr/bin/env python3
"""Measures autoglm and its peers on the same weights, turn by turn in one run, and prints ratios.

    bench/peers/run.py                                  synthetic 1.4 B model: int4, int8 and bf16
    bench/peers/run.py --formats int4 --batch 1 16 32 --turns 5
    bench/peers/run.py --preset 0.5b --engines autoglm llama.cpp --out build/peers
    bench/peers/run.py --isa avx2                       all engines kept from AVX-512 and AMX

Turns alternate so that a change in the machine's speed meets all. Each figure is the median over turns, with the
least and the greatest. "First token" is a whole process for autoglm, on weights packed by `autoglm pack`; for peers it
counts from the start of loading, so without Python's own start and imports. Installs the peers into build/peers-venv once (llama.cpp is built for this machine). ik_llama.cpp has no package and takes part where AUTOGLM_IK_LLAMA names the folder of
its benchmarks.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

from engines import ENGINES, Models, autoglm_turn, peer_turn

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def peer_python():
    """The interpreter that can import the peers; installs them first where they are missing."""
    given = os.environ.get("AUTOGLM_PEERS_PYTHON")
    if given:
        return given
    folder = ROOT / "build" / "peers-venv"
    python = folder / "bin" / "python"
    if not python.exists():
        print("installing the peers, and building llama.cpp for this machine: some minutes", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        # g++ 12 takes stores to the tile configuration for dead and drops them; AMX then raises SIGILL.
        environment = dict(os.environ,
                           CMAKE_ARGS="-DGGML_NATIVE=ON -DCMAKE_CXX_FLAGS='-fno-tree-dse -fno-dse'")
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", "--no-binary", "llama-cpp-python",
                        "-r", str(HERE / "requirements.txt")], check=True, env=environment)
    return str(python)


# Without what the processor has beyond the named set; AVX-512 counts VNNI and bf16 in, AVX2 does not.
GGML_FLAGS = {
    "avx512": "-DGGML_NATIVE=OFF -DGGML_AVX512=ON -DGGML_AVX512_VBMI=ON -DGGML_AVX512_VNNI=ON -DGGML_AVX512_BF16=ON",
    "avx2": "-DGGML_NATIVE=OFF",
}


def lesser_llama_cpp(python, isa):
    """A folder that holds llama-cpp-python built for `isa`; builds it first where it is missing."""
    folder = ROOT / "build" / f"peers-llama-{isa}"
    if not folder.exists():
        print(f"building llama.cpp for {isa}: some minutes", file=sys.stderr)
        version = next(line for line in (HERE / "requirements.txt").read_text().splitlines() if "llama-cpp" in line)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-binary", "llama-cpp-python",
                        "--no-cache-dir", "--target", folder, version], check=True,
                       env=dict(os.environ, CMAKE_ARGS=GGML_FLAGS[isa]))
    return folder


def keep_to(isa, python):
    """Environment of every turn from here on; engines that cannot be kept to `isa` sit out."""
    if isa == "native":
        return []
    os.environ["AUTOGLM_ISA"] = isa
    os.environ["ONEDNN_MAX_CPU_ISA"] = {"avx512": "AVX512_CORE_BF16", "avx2": "AVX2"}[isa]
    os.environ["ATEN_CPU_CAPABILITY"] = isa
    os.environ["PYTHONPATH"] = str(lesser_llama_cpp(python, isa))
    return ["ONNX Runtime GenAI"]


def take_turns(args, models, python, format_name):
    """{engine: {"tests": {test: [tokens/s of each turn]}, "peak_memory_bytes": [...], "roof": {test: ...}}}"""
    found = {}
    quantize = "none" if format_name == "bf16" else format_name
    packed = models.packed(ENGINES[0].files[format_name], quantize)
    for turn in range(args.turns):
        for engine in ENGINES:
            if engine.name not in args.engines or format_name not in engine.files:
                continue
            try:
                if engine.script is None:
                    out = autoglm_turn(args, str(packed))
                else:
                    out = peer_turn(args, engine, models.path(engine.files[format_name]), python)
            except (RuntimeError, subprocess.CalledProcessError) as problem:
                print(f"{engine.name} sits out: {problem}", file=sys.stderr)
                continue
            entry = found.setdefault(engine.name, {"tests": {}, "peak_memory_bytes": [], "roof": {},
                                                   "first_token_seconds": []})
            for test, speed in out["tests"].items():
                entry["tests"].setdefault(test, []).append(speed)
            for figure in ("peak_memory_bytes", "first_token_seconds"):
                entry[figure].append(out[figure])
            for test, share in out.get("roof", {}).items():
                entry["roof"].setdefault(test, []).append(share)
            print(f"{format_name}: turn {turn + 1} of {args.turns}: {engine.name}", file=sys.stderr)
    return found


def summary(values):
    return f"{statistics.median(values):.1f} ({min(values):.1f}-{max(values):.1f})"


def table(format_name, found):
    """Markdown: a test a row, an engine a column; behind each peer's figure our ratio to it."""
    ours = found["autoglm"]
    peers = [name for name in found if name != "autoglm"]
    lines = [f"| {format_name}, tokens/s | autoglm | share of the roof | " + " | ".join(peers) + " |",
             "|---" * (3 + len(peers)) + "|"]
    for test, values in ours["tests"].items():
        shares = [share["share"] for share in ours["roof"][test]]
        # "32.9 GB/s read": the turns measured it anew, so the figure itself says little here.
        limit = ours["roof"][test][0]["limit"].split(" ", 2)[2]
        cells = [test, summary(values), f"{statistics.median(shares) * 100:.0f} % of {limit}"]
        for peer in peers:
            theirs = found[peer]["tests"].get(test)
            cells.append(f"{summary(theirs)}: **{statistics.median(values) / statistics.median(theirs):.2f} x**"
                         if theirs else "")
        lines.append("| " + " | ".join(cells) + " |")
    memory = [f"{max(found[name]['peak_memory_bytes']) / 1e9:.2f}" for name in ["autoglm", *peers]]
    lines.append(f"| peak memory, GB | {memory[0]} | | " + " | ".join(memory[1:]) + " |")
    first = {name: statistics.median(entry["first_token_seconds"]) for name, entry in found.items()}
    lines.append(f"| first token, s | {first['autoglm']:.2f} | | "
                 + " | ".join(f"{first[name]:.2f}: **{first[name] / first['autoglm']:.1f} x**" for name in peers) + " |")
    return "\n".join(lines)


def plot(results, path):
    try:
        import matplotlib
    except ModuleNotFoundError:
        print(f"no {path}: matplotlib is not installed for {sys.executable}", file=sys.stderr)
        return
    matplotlib.use("Agg")
    from matplotlib import pyplot
    figure, axes = pyplot.subplots(1, len(results), figsize=(6 * len(results), 5), squeeze=False)
    for axis, (format_name, found) in zip(axes[0], results.items()):
        tests = list(found["autoglm"]["tests"])
        width = 0.8 / len(found)
        for i, (engine, entry) in enumerate(found.items()):
            heights = [statistics.median(entry["tests"].get(test, [0])) for test in tests]
            axis.bar([x + i * width for x in range(len(tests))], heights, width, label=engine)
        axis.set_xticks([x + 0.4 - width / 2 for x in range(len(tests))], tests, rotation=60, ha="right")
        axis.set_title(f"{format_name}, tokens/s")
        axis.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="1.4b", choices=["0.5b", "1.4b"])
    parser.add_argument("--formats", nargs="*", default=["int4", "int8", "bf16"], choices=["int4", "int8", "bf16"])
    parser.add_argument("--engines", nargs="*", default=[engine.name for engine in ENGINES])
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--isa", default="native", choices=["native", *GGML_FLAGS])
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--prompt-tokens", type=int, nargs="*", default=[512, 4096])
    parser.add_argument("--generate-tokens", type=int, default=128)
    parser.add_argument("--batch", type=int, nargs="*", default=[1, 4, 16, 32, 64])
    parser.add_argument("--depth", type=int, nargs="*", default=[4096], help="32768 for the long case: it takes hours")
    parser.add_argument("--autoglm", type=pathlib.Path, default=ROOT / "build" / "release" / "autoglm")
    parser.add_argument("--models", type=pathlib.Path, default=ROOT / "build", help="folder of the synthetic models")
    parser.add_argument("--out", type=pathlib.Path, help="also write OUT.json and OUT.svg")
    args = parser.parse_args()
    unknown = set(args.engines) - {engine.name for engine in ENGINES}
    if unknown or "autoglm" not in args.engines:
        parser.error(f"engines are {', '.join(engine.name for engine in ENGINES)}; autoglm is always among them")
    python = peer_python()
    for name in keep_to(args.isa, python):
        print(f"{name} cannot be kept to {args.isa}", file=sys.stderr)
        args.engines = [engine for engine in args.engines if engine != name]
    models = Models(args.models, args.preset, args.autoglm, python)
    results = {}
    for format_name in args.formats:
        results[format_name] = take_turns(args, models, python, format_name)
        if "autoglm" not in results[format_name]:
            sys.exit(f"autoglm itself could not be measured at {format_name}")
        print(table(format_name, results[format_name]) + "\n")
    if args.out:
        args.out.with_suffix(".json").write_text(json.dumps(results, indent=1))
        plot(results, args.out.with_suffix(".svg"))


if __name__ == "__main__":
    main()
