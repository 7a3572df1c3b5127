"""One turn of ik_llama.cpp on a GGUF file, through its own benchmark: weights are repacked while they are loaded (-rtr 1).

It has no Python package: AUTOGLM_IK_LLAMA names the folder with its llama-bench, built for this machine
(cmake -DGGML_NATIVE=ON).
"""
import json
import os
import pathlib
import resource
import subprocess
import sys
import time

import common

ARGS = common.turn_arguments(__doc__)
FOLDER = os.environ.get("AUTOGLM_IK_LLAMA")
if not FOLDER:
    sys.exit("AUTOGLM_IK_LLAMA is not set: the folder with llama-bench")


def run(program, *arguments):
    command = [pathlib.Path(FOLDER) / program, "-m", ARGS.model, "-t", str(ARGS.threads), *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def llama_bench(*arguments):
    return json.loads(run("llama-bench", "-rtr", 1, "-r", 1, "-o", "json", *arguments))


def main():
    steps = ARGS.generate_tokens
    start = time.perf_counter()
    llama_bench("-p", 16, "-n", 0, "-w", 0)
    first = time.perf_counter() - start
    tests = {}
    for n in ARGS.prompt_tokens:
        tests[common.prefill_name(n)] = llama_bench("-p", n, "-n", 0)[0]["avg_ts"]
    for batch in ARGS.batch:  # 1: its benchmark of several sequences is no measure of what its server reaches
        tests[common.decode_name(steps, batch)] = llama_bench("-p", 0, "-n", steps)[0]["avg_ts"]
    for depth in ARGS.depth:
        found = llama_bench("-p", 0, "-n", 0, "-gp", f"{depth},{steps}")
        tests[common.decode_name(steps, 1, depth)] = found[0]["avg_ts"]
    common.report(tests, first, resource.RUSAGE_CHILDREN)


if __name__ == "__main__":
    main()
