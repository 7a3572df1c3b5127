"""1,000 sentences (of this repository's documents) through all-MiniLM-L6-v2: `autoglm serve` over HTTP, sentence-transformers on
PyTorch, and ONNX Runtime, each with so many threads; the least of three runs each, in turns.

    python bench/embeddings/run.py build/release/autoglm MODEL_FOLDER [--threads 2] [--onnx model.onnx]

Needs torch and sentence-transformers; onnxruntime and tokenizers for --onnx (export: bench/embeddings/export.py). What is not there
is left out. autoglm sends vectors as JSON text in base64, which counts.
"""
import argparse
import glob
import http.client
import json
import pathlib
import random
import re
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BATCH = 32


def sentences():
    found = []
    for path in sorted(glob.glob(str(ROOT / "docs" / "**" / "*.md"), recursive=True)) + [str(ROOT / "README.md")]:
        body = re.sub(r"```.*?```", "", pathlib.Path(path).read_text(encoding="utf-8"), flags=re.S)
        for paragraph in re.split(r"\n\s*\n", body):
            paragraph = " ".join(paragraph.split())
            if not paragraph.startswith("|"):
                found += [s.strip() for s in re.split(r"(?<=[.!?])\s+", paragraph) if 15 < len(s) < 600]
    found = list(dict.fromkeys(found))
    random.Random(5).shuffle(found)
    return found[:1000]


class Served:
    def __init__(self, program, folder, threads, *options):
        self.process = subprocess.Popen([program, "serve", folder, "--port", "0", "--threads", str(threads), *options],
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.port = next(int(m[1]) for m in (re.search(r"127\.0\.0\.1:(\d+)/", line) for line in self.process.stdout) if m)

    def __call__(self, texts):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        body = {"input": texts, "truncate_prompt_tokens": -1, "encoding_format": "base64"}
        connection.request("POST", "/v1/embeddings", json.dumps(body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = json.loads(response.read())
        assert response.status == 200, answer
        return len(answer["data"])

    def close(self):
        self.process.terminate()
        self.process.wait()


def sentence_transformers(folder, threads):
    import torch
    from sentence_transformers import SentenceTransformer
    torch.set_num_threads(threads)
    model = SentenceTransformer(folder, device="cpu")
    return lambda texts: len(model.encode(texts, batch_size=BATCH))


def onnx_runtime(folder, path, threads):
    """As its users do: sorted by length, batches padded, the mean over what is no padding."""
    import numpy as np
    import onnxruntime
    from tokenizers import Tokenizer
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    tokenizer = Tokenizer.from_file(str(pathlib.Path(folder) / "tokenizer.json"))
    tokenizer.enable_truncation(256)
    tokenizer.enable_padding()

    def encode(texts):
        n = 0
        texts = sorted(texts, key=len)
        for i in range(0, len(texts), BATCH):
            encoded = tokenizer.encode_batch(texts[i:i + BATCH])
            ids, mask = (np.array([getattr(e, name) for e in encoded], dtype=np.int64) for name in ("ids", "attention_mask"))
            hidden = session.run(None, {"input_ids": ids, "attention_mask": mask})[0]
            mean = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)
            n += len(mean / np.linalg.norm(mean, axis=1, keepdims=True))
        return n
    return encode


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("folder")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--onnx")
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    texts = sentences()
    engines = {f"autoglm {q}": Served(arguments.program, arguments.folder, arguments.threads, "--quantize", q)
               for q in ("none", "int8")}
    try:
        try:
            engines["sentence-transformers"] = sentence_transformers(arguments.folder, arguments.threads)
        except ImportError as problem:
            print("left out:", problem)
        if arguments.onnx:
            engines["onnxruntime"] = onnx_runtime(arguments.folder, arguments.onnx, arguments.threads)
        least = {}
        for name, encode in engines.items():
            assert encode(texts[:64]) == 64  # warm
        for _ in range(arguments.runs):
            for name, encode in engines.items():
                begin = time.perf_counter()
                assert encode(texts) == len(texts)
                least[name] = min(least.get(name, 1e9), time.perf_counter() - begin)
        for name, seconds in least.items():
            print(f"{name:22} {seconds:6.2f} s, {len(texts) / seconds:7.1f} sentences/s")
    finally:
        for engine in engines.values():
            if isinstance(engine, Served):
                engine.close()


if __name__ == "__main__":
    main()
