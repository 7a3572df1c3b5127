"""One turn of llama.cpp on a GGUF file, through its C API."""
import ctypes
import time

import common

ARGS = common.turn_arguments(__doc__)

import llama_cpp  # noqa: E402  (after the arguments: importing takes seconds)


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

    def feed(self, ids):
        array = (llama_cpp.llama_token * len(ids))(*ids)
        for first in range(0, len(ids), 512):
            part = ctypes.cast(ctypes.byref(array, first * 4), ctypes.POINTER(llama_cpp.llama_token))
            size = min(512, len(ids) - first)
            if llama_cpp.llama_decode(self.context, llama_cpp.llama_batch_get_one(part, size)) != 0:
                raise RuntimeError("llama_decode failed")
        llama_cpp.llama_synchronize(self.context)

    def prefill(self, ids):
        """Seconds to process one prompt to its last logits."""
        self.clear()
        start = time.perf_counter()
        self.feed(ids)
        return time.perf_counter() - start

    def decode(self, steps, sequences, depth=0):
        """Seconds for `steps` tokens of each of `sequences`, after one token (or `depth`) that does not count."""
        self.clear()
        if depth:
            self.feed(common.tokens(depth, self.vocab_size, depth))
        batch = llama_cpp.llama_batch_init(sequences, 0, 1)
        start = 0.0
        for step in range(steps + 1):
            if step == 1:
                llama_cpp.llama_synchronize(self.context)
                start = time.perf_counter()
            batch.n_tokens = sequences
            for i in range(sequences):
                batch.token[i] = (step * 31 + i * 7) % self.vocab_size
                batch.pos[i] = depth + step
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
    start = time.perf_counter()
    steps = ARGS.generate_tokens
    context = max(ARGS.prompt_tokens + [d + steps + 1 for d in ARGS.depth] + [(steps + 1) * max(ARGS.batch)]) + 64
    session = Session(ARGS.model, ARGS.threads, context, max(ARGS.batch))
    session.prefill(common.tokens(16, session.vocab_size))
    first = time.perf_counter() - start
    tests = {}
    for n in ARGS.prompt_tokens:
        tests[common.prefill_name(n)] = n / session.prefill(common.tokens(n, session.vocab_size, n))
    for depth, batch in [(0, b) for b in ARGS.batch] + [(d, 1) for d in ARGS.depth]:
        tests[common.decode_name(steps, batch, depth)] = batch * steps / session.decode(steps, batch, depth)
    common.report(tests, first)


if __name__ == "__main__":
    main()
