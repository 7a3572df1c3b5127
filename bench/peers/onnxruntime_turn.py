"""One turn of ONNX Runtime GenAI on a folder that its model builder made (int4 in blocks of 32)."""
import time

import common

ARGS = common.turn_arguments(__doc__)

import onnxruntime_genai  # noqa: E402  (after the arguments: importing takes seconds)


def generator(model, length, batch):
    params = onnxruntime_genai.GeneratorParams(model)
    params.set_search_options(max_length=length, min_length=length, batch_size=batch, do_sample=False)
    return onnxruntime_genai.Generator(model, params)


def prefill(model, prompts, steps):
    """Seconds for the prompts to their first token, and the generator that goes on from there."""
    length = len(prompts[0]) + steps + 2
    run = generator(model, length, len(prompts))
    start = time.perf_counter()
    run.append_tokens(prompts if len(prompts) > 1 else prompts[0])
    run.generate_next_token()
    return time.perf_counter() - start, run


def main():
    start = time.perf_counter()
    config = onnxruntime_genai.Config(ARGS.model)
    model = onnxruntime_genai.Model(config)
    vocab_size = 32000
    prefill(model, [common.tokens(16, vocab_size)], 1)
    first = time.perf_counter() - start
    tests = {}
    for n in ARGS.prompt_tokens:
        tests[common.prefill_name(n)] = n / prefill(model, [common.tokens(n, vocab_size, n)], 1)[0]
    for depth, batch in [(0, b) for b in ARGS.batch] + [(d, 1) for d in ARGS.depth]:
        prompts = [common.tokens(max(depth, 1), vocab_size, i) for i in range(batch)]
        _, run = prefill(model, prompts, ARGS.generate_tokens)
        begin = time.perf_counter()
        for _ in range(ARGS.generate_tokens):
            run.generate_next_token()
        tests[common.decode_name(ARGS.generate_tokens, batch, depth)] = (
            batch * ARGS.generate_tokens / (time.perf_counter() - begin))
    common.report(tests, first)


if __name__ == "__main__":
    main()
