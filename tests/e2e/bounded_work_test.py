"""No request stops or ends the server: while one asks for as much as is allowed, others are answered.

The server is a real one with the embedded model; times are those of /health, asked again and again meanwhile.
"""
import http.client
import json
import os
import pathlib
import resource
import signal
import socket
import subprocess
import threading
import time
import unittest

import harness
from harness import Server, autoglm, environment

IDS = [1 + i % 200 for i in range(780)]


class Health:
    """Asks /health without pause, on a thread of its own, for as long as the block runs."""

    def __init__(self, server):
        self.server, self.seconds, self.stop, self.failed = server, [], threading.Event(), []

    def __enter__(self):
        self.thread = threading.Thread(target=self.run)
        self.thread.start()
        return self

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        while not self.stop.is_set():
            begin = time.monotonic()
            try:
                connection.request("GET", "/health")
                response = connection.getresponse()
                response.read()
                if response.status != 200:
                    self.failed.append(response.status)
            except OSError as problem:
                self.failed.append(problem)
                return
            self.seconds.append(time.monotonic() - begin)
            time.sleep(0.002)

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()

    def share_within(self, limit):
        return sum(s <= limit for s in self.seconds) / max(1, len(self.seconds))


def post(server, path, body, timeout=240):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=timeout)
    try:
        connection.request("POST", path, body if isinstance(body, bytes) else json.dumps(body),
                           {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def resident_mib(server):
    for line in pathlib.Path(f"/proc/{server.process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) // 1024
    return 0


def abandon(server, path, body):
    """Sends a request and leaves."""
    client = socket.create_connection(("127.0.0.1", server.port))
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    client.sendall(b"POST " + path.encode() + b" HTTP/1.1\r\nHost: localhost\r\nContent-Length: " +
                   str(len(data)).encode() + b"\r\n\r\n" + data)
    return client


class OthersAreAnswered(unittest.TestCase):
    def check(self, path, body, expected=200):
        data = json.dumps(body).encode()  # before: this interpreter runs one thread at a time
        with Server() as server:
            post(server, "/v1/completions", {"prompt": "a", "max_tokens": 1})
            with Health(server) as health:
                status, answer = post(server, path, data)
            self.assertEqual(status, expected, answer[:300])
            self.assertFalse(health.failed)
            # On a machine that does nothing else 99 of 100 are answered within 50 ms; a machine that is busy
            # with other work has pauses of its own, but none of seconds.
            self.assertGreater(health.share_within(0.05 if idle_machine() else 0.5), 0.99, sorted(health.seconds)[-5:])
            self.assertLess(max(health.seconds), 2)
            return answer

    def test_while_all_prompts_are_scored(self):
        answer = self.check("/v1/completions", {"prompt": [IDS] * 256, "max_tokens": 1, "prompt_logprobs": 20})
        choices = json.loads(answer)["choices"]
        self.assertEqual(len(choices), 256)
        self.assertEqual(len(choices[255]["prompt_logprobs"]), 780)

    def test_while_prompts_are_echoed_with_scores(self):
        self.check("/v1/completions", {"prompt": [IDS] * 64, "max_tokens": 1, "echo": True, "logprobs": 20})

    def test_while_scores_are_streamed(self):
        self.check("/v1/completions", {"prompt": [IDS] * 64, "max_tokens": 1, "prompt_logprobs": 20, "stream": True})

    def test_while_a_long_text_is_tokenized(self):
        self.check("/tokenize", {"content": "ab c" * 250_000, "with_pieces": True})

    def test_while_a_list_of_ids_is_read(self):
        self.check("/v1/completions", {"prompt": [1] * 4_000_000}, expected=400)


def idle_machine():
    return os.getloadavg()[0] < (os.cpu_count() or 1)


class MemoryIsBounded(unittest.TestCase):
    def test_a_request_takes_a_small_multiple_of_its_body(self):
        text = "ab c" * 100_000
        prompts = ["a"] * 256
        bodies = [("/v1/completions", {"prompt": prompts, "max_tokens": 1,
                                       "prediction": {"type": "content", "content": text}}),
                  ("/v1/completions", {"prompt": prompts, "max_tokens": 1,
                                       "guided_json": {"type": "string", "description": text * 4}}),
                  ("/v1/completions", {"prompt": prompts, "max_tokens": 1, "user": text}),
                  ("/v1/completions", {"prompt": prompts, "max_tokens": 1, "stop": text}),
                  ("/v1/chat/completions", {"messages": [{"role": "user", "content": "a"}], "n": 128, "max_tokens": 1,
                                            "tools": [{"type": "function", "function": {
                                                "name": f"tool_{i}", "description": "d" * 400,
                                                "parameters": {"type": "object"}}} for i in range(1000)]}),
                  ("/tokenize", {"content": text * 2, "with_pieces": True})]
        with Server() as server:
            post(server, "/v1/completions", {"prompt": "a", "max_tokens": 1})
            for path, body in bodies:
                before = resident_mib(server)
                most = [before]
                done = threading.Event()

                def watch():
                    while not done.wait(0.02):
                        most[0] = max(most[0], resident_mib(server))

                watcher = threading.Thread(target=watch)
                watcher.start()
                status, _ = post(server, path, body)
                done.set()
                watcher.join()
                size = len(json.dumps(body)) / 2**20
                self.assertIn(status, (200, 400, 429))
                self.assertLess(most[0] - before, 60 + 64 * size, f"{path} {list(body)}: {size:.1f} MiB")

    def test_the_server_outlives_its_memory(self):
        with Server("--max-queue", "1000") as server:
            post(server, "/v1/completions", {"prompt": "a", "max_tokens": 1})
            used = 0
            for line in pathlib.Path(f"/proc/{server.process.pid}/status").read_text().splitlines():
                if line.startswith("VmSize"):
                    used = int(line.split()[1]) * 1024
            resource.prlimit(server.process.pid, resource.RLIMIT_AS, (used + (48 << 20), resource.RLIM_INFINITY))
            bodies = [json.dumps({"prompt": [1] * 5_000_000}).encode(),
                      json.dumps({"prompt": [IDS] * 200, "max_tokens": 1, "prompt_logprobs": 20}).encode(),
                      json.dumps({"content": "ab c" * 250_000, "with_pieces": True}).encode(),
                      json.dumps({"messages": [{"role": "user", "content": "x" * 9_000_000}]}).encode()]
            paths = ["/v1/completions", "/v1/completions", "/tokenize", "/v1/chat/completions"]

            def send(i):
                try:
                    post(server, paths[i % 4], bodies[i % 4])
                except (OSError, http.client.HTTPException):
                    pass  # a connection may be given up

            threads = [threading.Thread(target=send, args=(i,)) for i in range(24)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertIsNone(server.process.poll(), "the server has ended")
            self.assertEqual(post(server, "/v1/completions", {"prompt": "a", "max_tokens": 2})[0], 200)
        self.assertEqual(server.status, 0)


class WorkEndsWithItsClient(unittest.TestCase):
    def test_what_was_abandoned_holds_nobody_up(self):
        text = json.dumps({"content": "ab c" * 250_000, "with_pieces": True}).encode()
        inputs = {"input": [IDS] * 500}
        with Server() as server:
            clients = [abandon(server, "/tokenize", text) for _ in range(40)]
            clients += [abandon(server, "/v1/embeddings", inputs) for _ in range(4)]
            for client in clients:
                client.close()
            begin = time.monotonic()
            self.assertEqual(post(server, "/tokenize", {"content": "a"})[0], 200)
            self.assertEqual(post(server, "/v1/embeddings", {"input": "a"})[0], 200)
            self.assertLess(time.monotonic() - begin, 20)

    def test_sigterm_keeps_to_its_limit(self):
        for path, body in (("/v1/embeddings", {"input": [IDS] * 2000}),
                           ("/v1/completions", {"prompt": [IDS] * 250, "max_tokens": 200, "ignore_eos": True}),
                           ("/tokenize", {"content": "ab c" * 250_000, "with_pieces": True})):
            with Server("--drain-timeout-ms", "300") as server:
                clients = [abandon(server, path, body) for _ in range(3)]
                time.sleep(0.5)
                begin = time.monotonic()
                server.process.send_signal(signal.SIGTERM)
                server.process.wait(timeout=60)
                self.assertLess(time.monotonic() - begin, 8, path)
                for client in clients:
                    client.close()

    def test_a_second_signal_ends_it_at_once(self):
        with Server("--drain-timeout-ms", "60000") as server:
            client = abandon(server, "/v1/embeddings", {"input": [IDS] * 2000})
            time.sleep(0.5)
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.3)
            self.assertIsNone(server.process.poll())
            begin = time.monotonic()
            server.process.send_signal(signal.SIGTERM)
            self.assertEqual(server.process.wait(timeout=60), 128 + signal.SIGTERM)
            self.assertLess(time.monotonic() - begin, 3)
            client.close()


class Start(unittest.TestCase):
    def test_a_port_in_use_is_told_before_the_model_is_looked_at(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            done = autoglm("serve", "--port", taken.getsockname()[1], "--model", "/nowhere/at/all")
            self.assertEqual(done.returncode, 1)
            self.assertIn("cannot listen", done.stderr)

    def test_an_empty_host_is_refused(self):
        for done in (autoglm("serve", "--host", ""), autoglm("serve", env=environment(AUTOGLM_HOST=""))):
            self.assertEqual(done.returncode, 1)
            self.assertIn("host", done.stderr)

    def test_variables_of_a_kubernetes_service_are_passed_over(self):
        env = environment(AUTOGLM_PORT="tcp://10.0.0.1:8000", AUTOGLM_SERVICE_HOST="10.0.0.1",
                          AUTOGLM_PORT_8000_TCP_ADDR="10.0.0.1", AUTOGLM_GATEWAY_SERVICE_PORT="80")
        done = autoglm("serve", "--print-config", env=env)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("port: 8000", done.stdout)

    def test_the_model_may_stand_without_a_flag(self):
        done = autoglm("serve", harness.TINY, "--print-config")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(f"model_name_or_path: {harness.TINY}", done.stdout)
        done = autoglm("serve", harness.TINY, "--model", "other", "--print-config")
        self.assertEqual(done.returncode, 1)


class ErrorsTellNoPath(unittest.TestCase):
    def test_no_error_names_where_the_model_lies(self):
        chat = {"messages": [{"role": "user", "content": "Hi"}]}
        requests = [("/detokenize", {"tokens": [10**9]}), ("/detokenize", {"tokens": [-1]}), ("/detokenize", {}),
                    ("/tokenize", {"content": "x" * 9_000_000}), ("/v1/completions", {"prompt": [10**6]}),
                    ("/v1/completions", {"prompt": "a", "guided_regex": "("}),
                    ("/v1/completions", {"prompt": "a", "guided_grammar": "x"}),
                    ("/v1/completions", {"prompt": "a", "guided_json": {"type": "nothing"}}),
                    ("/v1/completions", {"prompt": "a", "model": "../../etc/passwd"}),
                    ("/v1/completions", {"prompt": "x " * 100_000}),
                    ("/v1/chat/completions", {"messages": [{"role": "\u0000", "content": "a"}]}),
                    ("/v1/chat/completions", {**chat, "tools": [{"type": "function", "function": {"name": "f"}}],
                                              "tool_choice": "required"}),
                    ("/v1/chat/completions", {**chat, "chat_template_kwargs": {"messages": 3}}),
                    ("/apply-template", {"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]},
                                                      {"role": "user", "content": "b"}], "tools": [{"function": {"name": "x"}}]}),
                    ("/v1/embeddings", {"input": [10**6]}), ("/v1/embeddings", {"input": [[]]})]
        with Server() as server:
            for path, body in requests:
                status, answer = post(server, path, body)
                text = answer.decode()
                for secret in (str(harness.ROOT), harness.TINY, "models/tiny-glm", "tokenizer.json"):
                    self.assertNotIn(secret, text, f"{path} {str(body)[:80]}: {status}")


if __name__ == "__main__":
    harness.main()
