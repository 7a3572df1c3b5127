"""What rounding may cost on a trained model: two windows of a text through SmolLM2-135M-Instruct, as its GGUF file stores
it and by every format made here, against its f32 weights. Bounds are about a half more than was measured
(docs/performance.md); the whole table is made by bench/quality/run.py.

    tests/reference/quality/check.py build/release/autoglm TEXT FOLDER
"""
import json
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "bench" / "quality"))
import smollm2  # noqa: E402

PROGRAM, TEXT, FOLDER = sys.argv[1:4]
WINDOWS = ["--file", TEXT, "--windows", "2", "--window", "512"]

# (model, --quantize) -> most KL divergence.
BOUNDS = {
    ("stored", "none"): 0.0015,
    ("stored", "int8"): 0.0015,
    ("f32", "int8"): 0.0015,  # on the file's grid: held as its codes
    ("f32", "int4"): 0.0015,
    ("moved", "int8"): 0.0065,
    ("moved", "int4"): 0.4,
}


def perplexity(model, *options):
    done = subprocess.run([PROGRAM, "perplexity", "--model", model, *WINDOWS, "--json", *options], capture_output=True,
                          text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def main():
    folder = pathlib.Path(FOLDER)
    folder.mkdir(parents=True, exist_ok=True)
    models = {"stored": smollm2.stored(), "f32": smollm2.write_f32(folder / "f32.gguf"),
              "moved": smollm2.write_f32(folder / "moved.gguf", off_grid=True)}
    logits = folder / "logits"
    failed = 0
    for base, names in (("f32", ("stored", "f32")), ("moved", ("moved",))):
        perplexity(models[base], "--save-logits", logits)
        for (name, quantize), most in BOUNDS.items():
            if name not in names:
                continue
            found = perplexity(models[name], "--quantize", quantize, "--base-logits", logits)
            change = found["perplexity"] / found["base_perplexity"] - 1
            good = found["kl_mean"] <= most and (most > 0.01 or abs(change) <= 0.01)
            failed += not good
            print(f"{name:8} {quantize:6} perplexity {change * 100:+.3f} %, KL {found['kl_mean']:.6f} (most {most})"
                  f"{'' if good else '  TOO MUCH'}")
    logits.unlink()
    sys.exit(failed)


main()
