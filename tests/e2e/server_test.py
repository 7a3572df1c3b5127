"""The server over real sockets on real models: the same answers as the command line, streamed and whole."""
import json
import pathlib
import socket
import tempfile
import threading
import unittest

from harness import NEEDS_STORIES, TINY, Server, autoglm, main, shared_data


class Stories(unittest.TestCase):
    @NEEDS_STORIES
    def test_continues_the_empty_prompt_as_expected(self):
        folder = pathlib.Path(shared_data("weights/stories260K"))
        expected = json.loads((folder / "expected_greedy.json").read_text())["greedy_ids"]
        body = {"prompt": "", "max_tokens": 64, "temperature": 0, "return_token_ids": True}
        with Server("--model", folder / "hf") as server:
            status, answer = server.post("/v1/completions", body)
            self.assertEqual(status, 200, answer)
            self.assertEqual(answer["choices"][0]["token_ids"], expected)
            streamed = server.stream("/v1/completions", {**body, "stream": True})
            ids = [i for event in streamed for c in event["choices"] for i in c.get("token_ids") or []]
            self.assertEqual(ids, expected)
            text = "".join(c["text"] for event in streamed for c in event["choices"])
            self.assertEqual(text, answer["choices"][0]["text"])


class Speculation(unittest.TestCase):
    def test_drafts_are_seen_in_the_metrics_and_not_in_the_answer(self):
        body = {"prompt": "one two three one two three one two", "max_tokens": 40, "seed": 3, "ignore_eos": True}
        with Server("--speculative-method", "ngram", "--speculative-adaptive", "false") as server:
            def answer(**fields):
                status, answer = server.post("/v1/completions", {**body, **fields})
                self.assertEqual(status, 200, answer)
                return answer["choices"][0]["text"], answer["usage"]

            plain, usage = answer(num_speculative_tokens=0)
            self.assertNotIn("completion_tokens_details", usage)
            name = "vllm:spec_decode_num_draft_tokens_total"
            drafted = [line for line in server.request("GET", "/metrics")[2].split("\n")
                       if line.startswith(name)]
            self.assertEqual([line.split()[-1] for line in drafted], ["0"])
            self.assertEqual(answer()[0], plain)
            text, usage = answer(prediction={"type": "content", "content": plain})
            self.assertEqual(text, plain)
            self.assertGreater(usage["completion_tokens_details"]["accepted_prediction_tokens"], 10)
            self.assertNotIn(drafted[0], server.request("GET", "/metrics")[2])


class PrefixCache(unittest.TestCase):
    BODY = {"prompt": "A text of more than thirty-two tokens. " * 8, "max_tokens": 40, "temperature": 0,
            "ignore_eos": True}

    def answer(self, server, **fields):
        status, answer = server.post("/v1/completions", {**self.BODY, **fields})
        self.assertEqual(status, 200, answer)
        usage = answer["usage"]
        return answer["choices"][0]["text"], usage["prompt_tokens_details"]["cached_tokens"], usage["prompt_tokens"]

    def test_what_was_asked_before_is_found_by_those_who_may(self):
        with Server() as server, Server("--enable-prefix-caching", "false") as plain:
            text, cached, length = self.answer(server)
            self.assertEqual(cached, 0)
            self.assertGreater(length, 33)
            self.assertEqual(self.answer(server), (text, (length - 1) // 32 * 32, length))
            self.assertEqual(self.answer(server, cache_salt="mine"), (text, 0, length))
            self.assertEqual(self.answer(server, user="ada"), (text, 0, length))
            self.assertEqual(self.answer(plain), (text, 0, length))
            self.assertEqual(self.answer(plain), (text, 0, length))
            hits = f"vllm:prefix_cache_hits_total{{engine=\"0\",model_name=\"tiny-glm\"}} {(length - 1) // 32 * 32}"
            self.assertIn(hits, server.request("GET", "/metrics")[2])

    def test_a_conversation_goes_on_after_a_restart(self):
        with tempfile.TemporaryDirectory() as folder:
            spill = ("--kv-cache-spill-path", f"{folder}/kv", "--kv-cache-spill-size", "64MiB")
            with Server(*spill) as server:
                text, cached, length = self.answer(server)
                self.assertEqual(cached, 0)
                longer = self.BODY["prompt"] + text + " And then?"
                expected, _, _ = self.answer(server, prompt=longer, cache_salt="not found here")
            self.assertEqual(server.status, 0)
            with Server(*spill) as server:
                again, cached, _ = self.answer(server, prompt=longer)
                self.assertEqual(again, expected)
                self.assertGreaterEqual(cached, length)
            refused = autoglm("serve", "--port", "0", "--quantize", "int8", *spill)
            self.assertEqual(refused.returncode, 1, refused.stderr)
            self.assertIn("holds KV pages of another model or program", refused.stderr)

    def test_a_file_too_small_for_one_page_is_refused(self):
        with tempfile.TemporaryDirectory() as folder:
            one_page = autoglm("serve", "--port", "0", "--kv-cache-spill-path", f"{folder}/kv",
                               "--kv-cache-spill-size", "1")
            self.assertEqual(one_page.returncode, 1)
            self.assertIn("kv_cache_spill_size", one_page.stderr)
            self.assertIn("at least", one_page.stderr)


class Deadlines(unittest.TestCase):
    def test_what_cannot_be_ready_in_time_is_refused_at_once_or_ended(self):
        body = {"prompt": "Once upon a time", "max_tokens": 400, "ignore_eos": True}
        with Server() as server:
            status, answer = server.post("/v1/completions", {**body, "timeout_ms": 1})
            self.assertEqual((status, answer["error"]["code"]), (503, "deadline_exceeded"), answer)
            status, _ = server.post("/v1/completions", {**body, "timeout_ms": 60_000})
            self.assertEqual(status, 200)
            status, headers, answer = server.request("POST", "/v1/completions", {**body, "timeout_ms": 1})
            self.assertEqual((status, answer["error"]["code"]), (429, "deadline_unreachable"), answer)
            self.assertGreaterEqual(int(headers["Retry-After"]), 1)
            status, answer = server.post("/v1/completions", {**body, "timeout_ms": 0})
            self.assertEqual((status, answer["error"]["param"]), (400, "timeout_ms"))


class TinyGlm(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server("--max-batch-size", "8"))

    def chat(self, **fields):
        body = {"messages": [{"role": "user", "content": "What is Open-AutoGLM?"}], "temperature": 0,
                "max_tokens": 40, **fields}
        return self.server.post("/v1/chat/completions", body)

    def test_chat_streams_what_it_answers_whole(self):
        status, whole = self.chat()
        self.assertEqual(status, 200, whole)
        text = whole["choices"][0]["message"]["content"]
        self.assertTrue(text.strip())
        events = self.server.stream("/v1/chat/completions", {
            "messages": [{"role": "user", "content": "What is Open-AutoGLM?"}], "temperature": 0,
            "max_tokens": 40, "stream": True, "stream_options": {"include_usage": True}})
        self.assertEqual(events[0]["choices"][0]["delta"]["role"], "assistant")
        streamed = "".join(c["delta"].get("content") or "" for e in events for c in e["choices"])
        self.assertEqual(streamed, text)
        self.assertEqual(events[-1]["choices"], [])
        self.assertEqual(events[-1]["usage"], whole["usage"])

    def test_the_command_line_gives_the_same_answer(self):
        _, whole = self.chat()
        out = autoglm("generate", "What is Open-AutoGLM?", "--temperature", 0, "-n", 40)
        self.assertEqual(out.stdout, whole["choices"][0]["message"]["content"] + "\n")

    def test_infer_answers_too(self):
        status, answer = self.server.post("/infer", {"text": "Hello", "max_tokens": 8, "temperature": 0})
        self.assertEqual(status, 200, answer)

    def test_many_at_once_get_what_each_gets_alone(self):
        alone = self.chat(seed=1, temperature=0.8)[1]["choices"][0]["message"]["content"]
        answers = [None] * 12

        def ask(i):
            answers[i] = self.chat(seed=1, temperature=0.8)[1]["choices"][0]["message"]["content"]

        threads = [threading.Thread(target=ask, args=(i,)) for i in range(len(answers))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(set(answers), {alone})

    def test_tokenize_and_detokenize_are_inverse(self):
        _, tokens = self.server.post("/tokenize", {"prompt": "Hello, 世界", "add_special_tokens": False})
        _, text = self.server.post("/detokenize", {"tokens": tokens["tokens"]})
        self.assertEqual(text["prompt"], "Hello, 世界")

    def test_health_models_metrics_and_the_page(self):
        self.assertEqual(self.server.request("GET", "/health")[0], 200)
        self.assertEqual(self.server.request("GET", "/ready")[0], 200)
        self.assertEqual(self.server.request("GET", "/v1/models")[2]["data"][0]["id"], "tiny-glm")
        self.chat()
        metrics = self.server.request("GET", "/metrics")[2]
        for name in ("vllm:generation_tokens_total", "vllm:time_to_first_token_seconds_bucket",
                     "vllm:num_requests_running", "vllm:e2e_request_latency_seconds_count"):
            self.assertIn(name, metrics)
        status, headers, page = self.server.request("GET", "/")
        self.assertEqual(status, 200)
        self.assertIn("<html", page)
        self.assertIn("Content-Security-Policy", headers)

    def test_embeddings_have_length_one(self):
        status, answer = self.server.post("/v1/embeddings", {"input": "Hello", "model": "tiny-glm"})
        self.assertEqual(status, 200, answer)
        vector = answer["data"][0]["embedding"]
        self.assertAlmostEqual(sum(x * x for x in vector), 1, places=3)


class Stop(unittest.TestCase):
    def test_sigterm_lets_running_answers_end(self):
        results = []

        def ask(server):
            body = {"prompt": "Hello", "max_tokens": 200, "temperature": 0, "ignore_eos": True}
            results.append(server.post("/v1/completions", body))

        with Server() as server:
            thread = threading.Thread(target=ask, args=(server,))
            thread.start()
            while True:  # until the answer runs
                if "vllm:num_requests_running{" in (text := server.request("GET", "/metrics")[2]):
                    line = next(x for x in text.split("\n") if x.startswith("vllm:num_requests_running{"))
                    if float(line.split()[-1]) > 0 or not thread.is_alive():
                        break
        thread.join()
        self.assertEqual(server.status, 0)
        status, answer = results[0]
        self.assertEqual(status, 200, answer)
        self.assertEqual(answer["usage"]["completion_tokens"], 200)

    def test_sigterm_right_after_the_greeting_ends_cleanly(self):
        for _ in range(5):
            with Server() as server:
                pass
            self.assertEqual(server.status, 0)


class HalfClosed(unittest.TestCase):
    def test_a_client_that_has_finished_sending_gets_its_answer(self):
        body = json.dumps({"prompt": "Hello", "max_tokens": 100, "temperature": 0, "ignore_eos": True})
        with Server() as server, socket.create_connection(("127.0.0.1", server.port), timeout=60) as client:
            client.sendall(f"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n{body}"
                           .encode())
            client.shutdown(socket.SHUT_WR)
            answer = b""
            while piece := client.recv(65536):
                answer += piece
        self.assertIn(b"HTTP/1.1 200 OK", answer)
        self.assertIn(b'"completion_tokens":100', answer)


if __name__ == "__main__":
    main()
