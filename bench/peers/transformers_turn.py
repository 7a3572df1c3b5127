"""One turn of transformers on PyTorch, in bf16, on a Hugging Face directory."""
import time

import common

ARGS = common.turn_arguments(__doc__)

import torch  # noqa: E402  (after the arguments: importing takes seconds)
import transformers  # noqa: E402


@torch.inference_mode()
def forward(model, ids, cache):
    return model(input_ids=torch.tensor(ids), past_key_values=cache, use_cache=True, logits_to_keep=1).past_key_values


def prefill(model, ids):
    """Seconds for one prompt, and its cache."""
    start = time.perf_counter()
    cache = None
    for first in range(0, len(ids[0]), 512):
        cache = forward(model, [row[first:first + 512] for row in ids], cache)
    return time.perf_counter() - start, cache


def main():
    torch.set_num_threads(ARGS.threads)
    start = time.perf_counter()
    model = transformers.AutoModelForCausalLM.from_pretrained(ARGS.model, dtype=torch.bfloat16).eval()
    vocab_size = model.config.vocab_size
    prefill(model, [common.tokens(16, vocab_size)])
    first = time.perf_counter() - start
    tests = {}
    for n in ARGS.prompt_tokens:
        tests[common.prefill_name(n)] = n / prefill(model, [common.tokens(n, vocab_size, n)])[0]
    for depth, batch in [(0, b) for b in ARGS.batch] + [(d, 1) for d in ARGS.depth]:
        _, cache = prefill(model, [common.tokens(max(depth, 1), vocab_size, i) for i in range(batch)])
        begin = time.perf_counter()
        for step in range(ARGS.generate_tokens):
            cache = forward(model, [[10 + (step * 31 + i * 7) % 1000] for i in range(batch)], cache)
        tests[common.decode_name(ARGS.generate_tokens, batch, depth)] = (
            batch * ARGS.generate_tokens / (time.perf_counter() - begin))
    common.report(tests, first)


if __name__ == "__main__":
    main()
