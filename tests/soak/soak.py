"""Hostile clients and good ones on one real server, for as long as asked; what the good ones are answered does not change.

    python3 tests/soak/soak.py AUTOGLM [--seconds N] [--seed N] [--work FOLDER]

Fails when the server ends, an answer differs by a byte from the one given alone, a request stays without an answer, a status
comes that is not documented, or memory is not back to what it was after the warm-up. The last requests then lie in
FOLDER/last-requests.jsonl, the server's log beside them. The seed decides what each hostile client sends, not when.
"""
import argparse
import collections
import json
import pathlib
import random
import re
import subprocess
import sys
import threading
import time
import traceback

import good
import hostile
from wire import Answer, Closed, Hang, Journal, Wire, http_request

import harness  # of the end-to-end tests; hostile.py knows where they are

N_GOOD, N_HOSTILE = 3, 4  # clients; each asks one thing at a time
HEALTH_SECONDS = 0.05
QUIET_SECONDS = 60  # for all work to end, at most
IDLE_SECONDS = 6  # after which the server has given free memory back
MEMORY_GROWTH = 1.10
MEMORY_SECONDS = 300  # a shorter run says what it holds, and no more: its warm-up has not met every kind of request
WARM_UP_SECONDS = 10, 60  # a quarter of the time, within these
# Few pages of keys and values, so that answers give theirs up; a memory of grammars that is full, and limits that are
# reached, in a minute of this.
SERVE = ["--tool-call-parser", "hermes", "--speculative-method", "ngram", "--kv-cache-memory", "24MiB", "--grammar-cache-memory", "8MiB",
         "--max-queue", "300",
         "--read-timeout-ms", "4000", "--write-timeout-ms", "4000", "--drain-timeout-ms", "2000"]
# docs/http-api.md, "Errors": what the server may say of itself. 500 is always a fault.
DOCUMENTED = {501: b"transfer coding", 505: b"HTTP/1",
              503: re.compile(b"deadline_exceeded|too many connections|too many large requests|no memory left")}


class Soak:
    def __init__(self, server, seed, work):
        self.server, self.seed, self.work = server, seed, work
        self.journal = Journal()
        self.wire = Wire(server.port, self.journal)
        self.stop = threading.Event()
        self.failures = []
        self.expected = {}
        self.good_seconds = []
        self.retried = collections.Counter()

    def fail(self, what):
        self.failures.append(what)
        print(f"FAILED: {what}", flush=True)
        self.stop.set()
        if len(self.failures) == 1 and self.server.process.poll() is None:
            (self.work / "metrics.txt").write_text(self.server.request("GET", "/metrics")[2])

    def guarded(self, work, *arguments):
        """What a thread does; whatever it meets ends the run."""
        try:
            work(*arguments)
        except Exception:  # pylint: disable=broad-except
            self.fail(traceback.format_exc())

    def ask_good(self, name):
        request = good.REQUESTS[name]
        begin = time.monotonic()
        while True:
            answer = self.wire.ask(f"good: {name}", http_request(*request, [("X-Tenant", "good")]), request[0])
            if answer.status not in (429, 503) or time.monotonic() - begin > QUIET_SECONDS:
                break
            self.retried[name, answer.status] += 1
            time.sleep(0.2)
        self.good_seconds.append((time.monotonic() - begin, name))
        return good.comparable(request, answer)

    def good_client(self, number):
        rng = random.Random(f"{self.seed} good {number}")
        while not self.stop.is_set():
            name = rng.choice(sorted(good.REQUESTS))
            answer = self.ask_good(name)
            if answer != self.expected[name]:
                self.fail(f"good: {name}: answered\n{answer}\nwhere it was alone\n{self.expected[name]}")

    def hostile_client(self, number):
        rng = random.Random(f"{self.seed} hostile {number}")
        weights = [often for _, often in hostile.KINDS.values()]
        while not self.stop.is_set():
            (function, _), = rng.choices(list(hostile.KINDS.values()), weights)
            self.hostile(function, rng)

    def hostile(self, function, rng):
        function(rng, Judging(self))

    def judge(self, kind, answer):
        if answer.status < 500:
            return
        said = DOCUMENTED.get(answer.status)
        if said is None or not re.search(said, answer.body):
            self.fail(f"{kind}: {answer.status} {answer.body[:2000]!r}")

    def health_client(self, seconds):
        """Asks on one connection without pause, as a supervisor would, and keeps the times."""
        data = http_request("GET", "/health")
        with self.wire.connect() as client:
            while not self.stop.is_set():
                begin = time.monotonic()
                client.sendall(data)
                got = client.recv(4096)
                seconds.append(time.monotonic() - begin)
                if b" 200 " not in got:
                    self.fail(f"/health: {got!r}")
                time.sleep(0.01)

    def run_clients(self, seconds, clients):
        """Until the time is over, something fails, or the server ends."""
        self.stop = threading.Event()
        threads = [threading.Thread(target=self.guarded, args=client, daemon=True) for client in clients]
        for thread in threads:
            thread.start()
        until = time.monotonic() + seconds
        next_word = time.monotonic() + 30
        while not self.stop.wait(0.2) and time.monotonic() < until:
            if self.server.process.poll() is not None:
                self.fail(f"the server has ended with status {self.server.process.returncode}")
            if time.monotonic() > next_word:
                next_word += 30
                print(f"  {until - time.monotonic():.0f} s to go: {sum(self.journal.outcomes.values())} requests, "
                      f"{self.resident_mib():.0f} MiB", flush=True)
        self.stop.set()
        for thread in threads:
            thread.join(QUIET_SECONDS + 10)
            if thread.is_alive():
                self.fail(f"a client still waits {QUIET_SECONDS + 10} s after the end")

    def resident_mib(self):
        status = pathlib.Path(f"/proc/{self.server.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024

    def metric(self, name):
        text = self.server.request("GET", "/metrics")[2]
        return sum(float(line.split()[-1]) for line in text.split("\n") if line.startswith(name))

    def quiet(self):
        """Waits until nothing runs and nothing waits."""
        until = time.monotonic() + QUIET_SECONDS
        while self.metric("vllm:num_requests_running{") + self.metric("vllm:num_requests_waiting{") > 0:
            if time.monotonic() > until:
                self.fail(f"work goes on {QUIET_SECONDS} s after the last client has left")
                return
            time.sleep(0.2)

    def quiet_memory_mib(self):
        """Of a server that has had nothing to do for a while."""
        self.quiet()
        time.sleep(IDLE_SECONDS)
        resident, grammars = self.resident_mib(), self.metric("autoglm:grammar_cache_bytes{") / 2**20
        print(f"memory: {resident:.1f} MiB, of which {grammars:.1f} MiB are grammars", flush=True)
        return resident

    def memory_is_back(self, before, seconds):
        now = self.quiet_memory_mib()
        if now > before * MEMORY_GROWTH and seconds >= MEMORY_SECONDS:
            self.fail(f"memory has grown from {before:.1f} to {now:.1f} MiB")

    def run(self, seconds):
        idle, busy = [], []
        self.run_clients(1, [(self.health_client, idle)])
        for name in good.REQUESTS:
            self.expected[name] = self.ask_good(name)
            if self.ask_good(name) != self.expected[name]:
                self.fail(f"good: {name}: two answers differ though nothing else is asked")
        self.warm_up(seconds)
        before = self.quiet_memory_mib()
        self.good_seconds.clear()
        if not self.failures:
            self.run_clients(seconds, [(self.health_client, busy), *((self.good_client, i) for i in range(N_GOOD)),
                                       *((self.hostile_client, i) for i in range(N_HOSTILE))])
        if self.server.process.poll() is None:
            if not self.failures:
                self.memory_is_back(before, seconds)
            if faults := self.metric("autoglm:internal_errors_total"):
                self.fail(f"{faults:.0f} internal errors")
        self.report(idle, busy)

    def fill_pages(self):
        """Every page of the pool once: memory that the system gives when it is first written to."""
        tokens, prompts, length = self.metric("autoglm:kv_pool_tokens{"), 16, 500
        for turn in range(int(1.2 * tokens / (prompts * length)) + 1):
            body = {"prompt": [[turn + 3, n + 3, *((i * 7 + n) % 250 + 3 for i in range(length - 2))] for n in range(prompts)],
                    "max_tokens": 1}
            self.wire.ask("filling", http_request("POST", "/v1/completions", body), "POST")

    def warm_up(self, seconds):
        """Every kind of hostile work once, then all clients together for a part of the time: caches are full by then."""
        rng = random.Random(f"{self.seed} warm-up")
        self.fill_pages()
        for function, _ in hostile.KINDS.values():
            self.guarded(self.hostile, function, rng)
        least, most = WARM_UP_SECONDS
        self.run_clients(min(most, max(least, seconds / 4)),
                         [*((self.good_client, f"warm-up {i}") for i in range(N_GOOD)),
                          *((self.hostile_client, f"warm-up {i}") for i in range(N_HOSTILE))])

    def report(self, idle, busy):
        by_kind = collections.defaultdict(dict)
        for (kind, outcome), n in sorted(self.journal.outcomes.items()):
            by_kind[kind.split(":")[0]][outcome] = by_kind[kind.split(":")[0]].get(outcome, 0) + n
        for kind, outcomes in sorted(by_kind.items()):
            print(f"{kind:24}" + "  ".join(f"{outcome}: {n}" for outcome, n in sorted(outcomes.items())))
        if self.retried:
            print("good, asked again:", dict(self.retried))
        slowest = sorted(self.good_seconds)[-5:]
        print("slowest good answers: " + ", ".join(f"{name} {seconds:.1f} s" for seconds, name in reversed(slowest)))
        good_times = [seconds for seconds, _ in self.good_seconds]
        for name, times in (("good answers", good_times), ("/health", busy), ("/health, idle", idle)):
            if times:
                times.sort()
                print(f"{name}: {len(times)}, median {1e3 * times[len(times) // 2]:.1f} ms, 99 % within "
                      f"{1e3 * times[int(len(times) * 0.99)]:.1f} ms, at most {1e3 * times[-1]:.1f} ms")
        if busy and idle:
            bound = HEALTH_SECONDS + idle[int(len(idle) * 0.99)]
            print(f"/health within {1e3 * bound:.1f} ms: {100 * sum(t <= bound for t in busy) / len(busy):.2f} %")


class Judging(Wire):
    """A wire whose answers' statuses are looked at."""

    def __init__(self, soak):
        super().__init__(soak.server.port, soak.journal)
        self.soak = soak

    def ask(self, kind, data, method="POST"):
        answer = super().ask(kind, data, method)
        self.soak.judge(kind, answer)
        return answer


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("autoglm")
    parser.add_argument("--seconds", type=float, default=1800)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--work", default=harness.ROOT / "build" / "soak", type=pathlib.Path)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    sys.setswitchinterval(0.001)  # /health is timed by this process too
    try:
        with harness.Server(*SERVE, log=options.work / "server.log") as server:
            soak = Soak(server, options.seed, options.work)
            soak.run(options.seconds)
        if server.status != 0:
            soak.fail(f"the server ended with status {server.status}")
    except subprocess.TimeoutExpired:
        soak.fail("the server does not end on SIGTERM")
        server.process.kill()
    if soak.failures:
        soak.journal.write(options.work / "last-requests.jsonl")
        (options.work / "failures.txt").write_text("\n\n".join(soak.failures))
        print(f"{len(soak.failures)} failures; what was sent last: {options.work}/last-requests.jsonl")
        sys.exit(1)
    print("nothing failed")


if __name__ == "__main__":
    main()
