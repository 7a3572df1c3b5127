"""One turn of OpenVINO GenAI on a GGUF file (Q4_0, Q8_0 or F16), through its continuous batching pipeline."""
import time

import common

ARGS = common.turn_arguments(__doc__)

import numpy  # noqa: E402  (after the arguments: importing takes seconds)
import openvino  # noqa: E402
import openvino_genai  # noqa: E402


def config(steps):
    generation = openvino_genai.GenerationConfig()
    generation.max_new_tokens = steps
    generation.ignore_eos = True
    generation.do_sample = False
    return generation


def run(pipeline, prompts, steps):
    """Seconds until all of `prompts` have `steps` tokens."""
    inputs = [openvino.Tensor(numpy.array([p], dtype=numpy.int64)) for p in prompts]
    start = time.perf_counter()
    pipeline.generate(inputs, [config(steps)] * len(prompts))
    return time.perf_counter() - start


def main():
    start = time.perf_counter()
    scheduler = openvino_genai.SchedulerConfig()
    scheduler.cache_size = 2
    scheduler.enable_prefix_caching = False
    scheduler.max_num_batched_tokens = 512
    scheduler.max_num_seqs = max(ARGS.batch)
    pipeline = openvino_genai.ContinuousBatchingPipeline(
        ARGS.model, scheduler, "CPU", {"INFERENCE_NUM_THREADS": ARGS.threads})
    vocab_size = 32000
    run(pipeline, [common.tokens(16, vocab_size)], 1)
    first = time.perf_counter() - start
    tests = {}
    for n in ARGS.prompt_tokens:
        tests[common.prefill_name(n)] = n / run(pipeline, [common.tokens(n, vocab_size, n)], 1)
    for depth, batch in [(0, b) for b in ARGS.batch] + [(d, 1) for d in ARGS.depth]:
        prompts = [common.tokens(max(depth, 1), vocab_size, i) for i in range(batch)]
        # The same prompts with one token: what is left is decoding.
        before = run(pipeline, prompts, 1)
        after = run(pipeline, prompts, ARGS.generate_tokens + 1)
        tests[common.decode_name(ARGS.generate_tokens, batch, depth)] = (
            batch * ARGS.generate_tokens / max(after - before, 1e-9))
    common.report(tests, first)


if __name__ == "__main__":
    main()
