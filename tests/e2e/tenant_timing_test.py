"""Whether a tenant can tell from how long an answer takes, or from what it says, that another tenant has asked the same.

Prompts that A has asked and prompts that nobody has, in turn: B's times for the two must not tell them apart, A's own must (else
this measures nothing). Times are compared with each other by their ranks (Mann and Whitney's test); none is asserted.
"""
import math
import pathlib
import random
import tempfile
import time
import unittest

from harness import Server, autoglm, main

N_PROBES = 30
PROMPT_TOKENS = 900
# Of chance alone: once in ten thousand runs.
SURE = 1e-4


def p_of_difference(first, second):
    """Two-sided p of Mann and Whitney's U by the normal approximation."""
    ranked = sorted([(value, 0) for value in first] + [(value, 1) for value in second])
    n, m = len(first), len(second)
    u = sum(rank for rank, (_, side) in enumerate(ranked, 1) if side == 0) - n * (n + 1) / 2
    return math.erfc(abs(u - n * m / 2) / math.sqrt(n * m * (n + m + 1) / 12) / math.sqrt(2))


class Timing(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.state = pathlib.Path(folder.name) / "state"
        self.keys = {}
        for tenant in ("a", "b"):
            done = autoglm("key", "create", "--name", tenant, "--tenant", tenant, "--state-dir", self.state)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.keys[tenant] = done.stdout.strip()

    def ask(self, server, tenant, prompt):
        """(seconds, cached tokens)."""
        begin = time.perf_counter()
        status, _, answer = server.request("POST", "/v1/completions", {"prompt": prompt, "max_tokens": 1, "ignore_eos": True},
                                           {"Authorization": f"Bearer {self.keys[tenant]}"})
        seconds = time.perf_counter() - begin
        self.assertEqual(status, 200, answer)
        return seconds, answer["usage"]["prompt_tokens_details"]["cached_tokens"]

    def test_another_tenants_prompts_cannot_be_told_from_new_ones(self):
        draw = random.Random(4)
        prompts = [[draw.randrange(300, 4000) for _ in range(PROMPT_TOKENS)] for _ in range(4 * N_PROBES)]
        theirs, new = prompts[:N_PROBES], iter(prompts[N_PROBES:])
        with Server("--state-dir", self.state, "--kv-cache-memory", "1GiB") as server:
            for prompt in theirs:
                self.ask(server, "a", prompt)
            times = {(tenant, kind): [] for tenant in "ab" for kind in ("theirs", "new")}
            # B first: its own asking would make the prompts known to it.
            for tenant in "ba":
                for prompt in theirs:
                    for kind, asked in (("theirs", prompt), ("new", next(new))):
                        seconds, cached = self.ask(server, tenant, asked)
                        times[tenant, kind].append(seconds)
                        self.assertEqual(cached > 0, (tenant, kind) == ("a", "theirs"))
        self.assertLess(p_of_difference(times["a", "theirs"], times["a", "new"]), SURE, "nothing is measured")
        self.assertGreater(p_of_difference(times["b", "theirs"], times["b", "new"]), SURE)


if __name__ == "__main__":
    main()
