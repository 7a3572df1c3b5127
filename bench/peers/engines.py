"""The engines that are compared: which file each one reads for a format, and how one turn of it is run.

All of them read the same weights: `autoglm synthetic` writes them in each format from one seed. Where an engine
has no such format it sits out.
"""
import dataclasses
import json
import os
import pathlib
import subprocess
import time

HERE = pathlib.Path(__file__).resolve().parent


@dataclasses.dataclass(frozen=True)
class Engine:
    name: str
    script: str | None  # None: autoglm itself
    # By autoglm's format: the synthetic dtype that this engine reads, "hf" for a directory, "ort" for a folder that
    # its model builder makes from that directory.
    files: dict
    batches_to: int = 1 << 30


ENGINES = [
    Engine("autoglm", None, {"int4": "q4_0", "int8": "q8_0", "bf16": "bf16"}),
    Engine("llama.cpp", "llama_cpp_turn.py", {"int4": "q4_0", "int8": "q8_0", "bf16": "bf16"}),
    Engine("llama.cpp Q4_K", "llama_cpp_turn.py", {"int4": "q4_k"}),
    Engine("ik_llama.cpp", "ik_llama_turn.py", {"int4": "q4_0", "int8": "q8_0", "bf16": "bf16"}, batches_to=1),
    Engine("OpenVINO GenAI", "openvino_turn.py", {"int4": "q4_0", "int8": "q8_0", "bf16": "f16"}),
    Engine("ONNX Runtime GenAI", "onnxruntime_turn.py", {"int4": "ort"}),
    Engine("transformers", "transformers_turn.py", {"bf16": "hf"}, batches_to=16),
]


class Models:
    """The synthetic model in each format, written when it is first asked for."""

    def __init__(self, folder, preset, autoglm, python):
        self.folder, self.preset, self.autoglm, self.python = folder, preset, autoglm, python

    def path(self, kind):
        if kind == "ort":
            return self.onnxruntime()
        place = self.folder / (self.preset if kind == "hf" else f"{self.preset}-{kind}.gguf")
        if not place.exists():
            dtype = "bf16" if kind == "hf" else kind
            subprocess.run([self.autoglm, "synthetic", place, "--preset", self.preset, "--dtype", dtype], check=True,
                           stdout=subprocess.DEVNULL)
        return place

    def packed(self, kind, quantize):
        """What `autoglm pack` makes of it: a start that reads no other weights."""
        place = self.folder / f"{self.preset}-{kind}-{quantize}-packed"
        if not place.exists():
            subprocess.run([self.autoglm, "pack", self.path(kind), place, "--quantize", quantize], check=True,
                           stdout=subprocess.DEVNULL)
        return place

    def onnxruntime(self):
        place = self.folder / f"{self.preset}-ort-int4"
        if not place.exists():
            subprocess.run([self.python, "-m", "onnxruntime_genai.models.builder", "-m", self.path("hf"), "-o", place,
                            "-p", "int4", "-e", "cpu", "--extra_options", "int4_block_size=32",
                            "int4_accuracy_level=4"], check=True, capture_output=True)
        return place


def clean_environment():
    return {k: v for k, v in os.environ.items() if not k.startswith("AUTOGLM_") or k == "AUTOGLM_ISA"}


def autoglm_start(args, common):
    """Seconds from the start of a process to its end, one token made, with the model packed beforehand."""
    command = [args.autoglm, "generate", *common, "--temperature", "0", "-n", "1", "a"]
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=clean_environment())
    return time.perf_counter() - start


def autoglm_turn(args, path):
    """`autoglm bench` on a packed model, and the start of a fresh process to its first token."""
    longest = max(args.prompt_tokens + [d + args.generate_tokens + 1 for d in args.depth] + [1024]) + 64
    common = ["--model", path, "--threads", str(args.threads), "--max-model-len", str(longest),
              "--log-level", "warn"]
    command = [args.autoglm, "bench", "--json", *common, "--prompt-tokens", ",".join(map(str, args.prompt_tokens)),
               "--generate-tokens", str(args.generate_tokens), "--batch", ",".join(map(str, args.batch)),
               "--repetitions", "1"]
    if args.depth:
        command += ["--depth", ",".join(map(str, args.depth))]
    out = json.loads(subprocess.run(command, check=True, capture_output=True, text=True,
                                    env=clean_environment()).stdout)
    return {"tests": {t["test"]: t["tokens_per_second"]["median"] for t in out["tests"]},
            "roof": {t["test"]: t["roof"] for t in out["tests"]},
            "first_token_seconds": autoglm_start(args, common),
            "peak_memory_bytes": out["peak_memory_bytes"]}


def peer_turn(args, engine, path, python):
    batch = [b for b in args.batch if b <= engine.batches_to]
    command = [python, HERE / engine.script, path, "--threads", str(args.threads), "--generate-tokens",
               str(args.generate_tokens), "--prompt-tokens", *map(str, args.prompt_tokens), "--batch", *map(str, batch)]
    if args.depth:
        command += ["--depth", *map(str, args.depth)]
    environment = dict(os.environ, OMP_NUM_THREADS=str(args.threads))
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode != 0:
        raise RuntimeError(f"{engine.name}: {done.stderr.strip().splitlines()[-1:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])
