"""What every turn of every engine measures, and how it says so: one JSON object on the last line.

A turn is a process of its own, so that no engine keeps another's memory warm. It loads a model, measures each
test once, and tells its peak memory and the seconds from the start of loading to the first token.
"""
import argparse
import json
import random
import resource


def turn_arguments(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("model")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--prompt-tokens", type=int, nargs="*", default=[512])
    parser.add_argument("--generate-tokens", type=int, default=64)
    parser.add_argument("--batch", type=int, nargs="*", default=[1])
    parser.add_argument("--depth", type=int, nargs="*", default=[], help="decode one sequence after so many tokens")
    return parser.parse_args()


def tokens(n, vocab_size, seed=1):
    """Random ids: they cost what text costs, and no cache has seen them."""
    rng = random.Random(seed)
    return [rng.randrange(10, vocab_size - 10) for _ in range(n)]


def prefill_name(n):
    return f"prefill {n}"


def decode_name(steps, batch, depth=0):
    return f"decode {steps} x {batch}" + (f" at depth {depth}" if depth else "")


def report(tests, first_token_seconds, whose=resource.RUSAGE_SELF):
    peak = resource.getrusage(whose).ru_maxrss * 1024
    print(json.dumps({"tests": tests, "first_token_seconds": first_token_seconds, "peak_memory_bytes": peak}))
