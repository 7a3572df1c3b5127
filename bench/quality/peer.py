"""llama.cpp's predictions of a text, by a GGUF file that it quantizes first, compared with saved logits of
`autoglm perplexity --save-logits`. Writes one JSON object."""
import argparse
import ctypes
import json
import subprocess
import tempfile

import numpy as np

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--program", required=True)
parser.add_argument("--model", required=True)
parser.add_argument("--type", type=int, required=True, help="llama_ftype")
parser.add_argument("--text", required=True)
parser.add_argument("--windows", type=int, required=True)
parser.add_argument("--window", type=int, required=True)
parser.add_argument("--logits", required=True)
ARGS = parser.parse_args()

import llama_cpp  # noqa: E402  (after the arguments: importing takes seconds)


def quantized(folder):
    path = f"{folder}/quantized.gguf"
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = ARGS.type
    if llama_cpp.llama_model_quantize(ARGS.model.encode(), path.encode(), ctypes.byref(params)) != 0:
        raise SystemExit("llama_model_quantize failed")
    return path


def open_model(path):
    llama_cpp.llama_backend_init()
    params = llama_cpp.llama_model_default_params()
    params.n_gpu_layers = 0
    model = llama_cpp.llama_model_load_from_file(path.encode(), params)
    params = llama_cpp.llama_context_default_params()
    params.n_ctx = params.n_batch = params.n_ubatch = ARGS.window
    return llama_cpp.llama_init_from_model(model, params)


def predict(context, ids, vocab_size):
    llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(context), True)
    batch = llama_cpp.llama_batch_init(len(ids), 0, 1)
    batch.n_tokens = len(ids)
    for i, token in enumerate(ids):
        batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.logits[i] = int(token), i, 1, 1
        batch.seq_id[i][0] = 0
    if llama_cpp.llama_decode(context, batch) != 0:
        raise SystemExit("llama_decode failed")
    logits = np.ctypeslib.as_array(llama_cpp.llama_get_logits(context), shape=(len(ids), vocab_size)).copy()
    llama_cpp.llama_batch_free(batch)
    return logits


def log_softmax(logits):
    logits = logits - logits.max(-1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


def main():
    with open(ARGS.text) as text:
        done = subprocess.run([ARGS.program, "tokenize", ARGS.model, "--json", "--no-special"], stdin=text, check=True,
                              capture_output=True, text=True)
    ids = np.array(json.loads(done.stdout)["ids"])
    before, after, divergence, same = [], [], [], []
    with open(ARGS.logits, "rb") as saved, tempfile.TemporaryDirectory() as folder:
        vocab_size = int(saved.readline().split()[-1])
        context = open_model(quantized(folder))
        for first in range(0, ARGS.windows * ARGS.window, ARGS.window):
            window = ids[first:first + ARGS.window]
            reference = np.frombuffer(saved.read(4 * len(window) * vocab_size), np.float32).reshape(len(window), -1)
            reference = log_softmax(reference)[:-1]
            found = log_softmax(predict(context, window, vocab_size))[:-1]
            rows = np.arange(len(window) - 1)
            before.append(reference[rows, window[1:]])
            after.append(found[rows, window[1:]])
            divergence.append((np.exp(reference) * (reference - found)).sum(-1))
            same.append(reference.argmax(-1) == found.argmax(-1))
    before, after, divergence, same = map(np.concatenate, (before, after, divergence, same))
    print(json.dumps({"perplexity": float(np.exp(-after.mean())), "base_perplexity": float(np.exp(-before.mean())),
                      "kl_mean": float(divergence.mean()), "kl_99": float(np.percentile(divergence, 99)),
                      "same_top1": float(same.mean())}))


main()
