"""One turn of llama.cpp: loads a GGUF, measures prefill and decode once each, writes one JSON object.

A process of its own for each turn, like `autoglm bench`, so that neither side keeps the other's memory warm.
"""
import argparse
import ctypes
import json
import random
import time

import llama_cpp


class Session:
    """A model and a context through llama.cpp's C API; no Python work inside the timed loops but the calls."""

    def __init__(self, path, threads, context_tokens, sequences):
        llama_cpp.llama_backend_init()
        model_params = llama_cpp.llama_model_default_params()
        model_params.n_gpu_layers = 0
        self.model = llama_cpp.llama_model_load_from_file(path.encode(), model_params)
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = context_tokens
        params.n_batch = params.n_ubatch = 512
        params.n_threads = params.n_threads_batch = threads
        params.n_seq_max = sequences
        params.kv_unified = True  # one pool for all sequences, as autoglm has
        self.context = llama_cpp.llama_init_from_model(self.model, params)
        vocab = llama_cpp.llama_model_get_vocab(self.model)
        self.vocab_size = llama_cpp.llama_vocab_n_tokens(vocab)

    def clear(self):
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self.context), True)

    def prefill(self, tokens):
        """Seconds to process one prompt to its last logits."""
        self.clear()
        array = (llama_cpp.llama_token * len(tokens))(*tokens)
        start = time.perf_counter()
        for first in range(0, len(tokens), 512):
            part = ctypes.cast(ctypes.byref(array, first * 4), ctypes.POINTER(llama_cpp.llama_token))
            size = min(512, len(tokens) - first)
            if llama_cpp.llama_decode(self.context, llama_cpp.llama_batch_get_one(part, size)) != 0:
                raise RuntimeError("llama_decode failed")
        llama_cpp.llama_synchronize(self.context)
        return time.perf_counter() - start

    def decode(self, steps, sequences):
        """Seconds for `steps` tokens of each of `sequences`, after one token that does not count."""
        self.clear()
        batch = llama_cpp.llama_batch_init(sequences, 0, 1)
        start = 0.0
        for position in range(steps + 1):
            if position == 1:
                llama_cpp.llama_synchronize(self.context)
                start = time.perf_counter()
            batch.n_tokens = sequences
            for i in range(sequences):
                batch.token[i] = (position * 31 + i * 7) % self.vocab_size
                batch.pos[i] = position
                batch.n_seq_id[i] = 1
                batch.seq_id[i][0] = i
                batch.logits[i] = 1
            if llama_cpp.llama_decode(self.context, batch) != 0:
                raise RuntimeError("llama_decode failed")
        llama_cpp.llama_synchronize(self.context)
        seconds = time.perf_counter() - start
        llama_cpp.llama_batch_free(batch)
        return seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--prompt-tokens", type=int, default=512)
    parser.add_argument("--generate-tokens", type=int, default=64)
    parser.add_argument("--batch", type=int, nargs="*", default=[1])
    args = parser.parse_args()
    context = max(args.prompt_tokens, (args.generate_tokens + 1) * max(args.batch)) + 64
    session = Session(args.model, args.threads, context, max(args.batch))
    rng = random.Random(1)
    prompt = [rng.randrange(session.vocab_size) for _ in range(args.prompt_tokens)]
    session.prefill(prompt[:16])
    out = {f"prefill {args.prompt_tokens}": args.prompt_tokens / session.prefill(prompt)}
    for sequences in args.batch:
        seconds = session.decode(args.generate_tokens, sequences)
        out[f"decode {args.generate_tokens} x {sequences}"] = sequences * args.generate_tokens / seconds
    print(json.dumps(out))


if __name__ == "__main__":
    main()
