"""The load generator as a program, against the program's own server."""
import html.parser
import http.server
import json
import pathlib
import tempfile
import threading
import unittest

from harness import Server, autoglm, environment, main


class BenchServe(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server("--max-batch-size", "8"))
        cls.url = f"http://127.0.0.1:{cls.server.port}"

    def bench(self, *arguments):
        out = autoglm("bench", "serve", self.url, "--json", "--ignore-eos", *arguments)
        self.assertEqual(out.returncode, 0, out.stderr)
        self.assertEqual(out.stderr, "")
        return json.loads(out.stdout)

    def test_a_closed_loop_is_measured_to_the_token(self):
        found = self.bench("--max-concurrency", 4, "--num-prompts", 12, "--random-input-len", 40,
                           "--random-output-len", 8, "--goodput", "e2el:600000", "--save-detailed")
        self.assertEqual((found["completed"], found["failed"]), (12, 0), found["errors"])
        self.assertEqual(found["prompt_form"], "token_ids")
        self.assertEqual(found["tokens_counted_by"], "usage")
        self.assertEqual(found["total_input_tokens"], 12 * 40)
        self.assertEqual(found["total_output_tokens"], 12 * 8)
        self.assertEqual(found["max_concurrent_requests"], 4)
        self.assertAlmostEqual(found["request_goodput"], found["request_throughput"])
        self.assertAlmostEqual(found["output_throughput"], 96 / found["duration"])
        self.assertLessEqual(found["p50_ttft_ms"], found["p90_ttft_ms"])
        self.assertEqual(len(found["requests"]), 12)
        metrics = self.server.request("GET", "/metrics")[2]
        self.assertIn('vllm:request_success_total', metrics)

    def test_conversations_carry_answers_and_grow(self):
        found = self.bench("--turns", 3, "--num-prompts", 2, "--random-input-len", 20, "--random-output-len", 6,
                           "--save-detailed")
        self.assertEqual((found["completed"], found["failed"]), (6, 0), found["errors"])
        for conversation in (0, 1):
            inputs = [r["input_tokens"] for r in found["requests"] if r["conversation"] == conversation]
            self.assertEqual(inputs, sorted(inputs))
            self.assertGreater(inputs[2], inputs[0] + 30)

    def test_words_come_near_to_the_length_asked_for(self):
        found = self.bench("--prompts", "text", "--num-prompts", 8, "--random-input-len", 100,
                           "--random-output-len", 2)
        self.assertEqual(found["prompt_form"], "text")
        self.assertLess(abs(found["total_input_tokens"] / 8 - 100), 15)

    def test_an_open_loop_with_a_duration_ends(self):
        found = self.bench("--request-rate", 40, "--duration", 0.5, "--random-input-len", "uniform:5:20",
                           "--random-output-len", "lognormal:4:0.5:10")
        self.assertGreater(found["completed"], 5)
        self.assertEqual(found["request_rate"], 40)

    def test_the_page_is_whole_and_loads_nothing(self):
        with tempfile.TemporaryDirectory() as folder:
            page = pathlib.Path(folder) / "page.html"
            out = autoglm("bench", "serve", self.url, self.url, "--num-prompts", 4, "--random-output-len", 4,
                          "--html", page)
            self.assertEqual(out.returncode, 0, out.stderr)
            self.assertEqual(out.stdout.count("time to first token"), 2)
            text = page.read_text()
        tags = []
        parser = html.parser.HTMLParser()
        parser.handle_starttag = lambda tag, attributes: tags.append((tag, dict(attributes)))
        parser.feed(text)
        self.assertEqual(sum(tag == "svg" for tag, _ in tags), 6)
        for tag, attributes in tags:
            self.assertNotIn(tag, ("script", "link", "img", "iframe"))
            self.assertFalse({"src", "href"} & attributes.keys())

    def test_what_cannot_be_measured_is_said_in_a_line(self):
        for arguments, words in (
                (["http://127.0.0.1:1"], ["http://127.0.0.1:1", "no connection"]),
                (["https://127.0.0.1"], ["https is not offered"]),
                ([self.url, "--random-input-len", "x"], ["--random-input-len", '"x"']),
                ([self.url, "--goodput", "itl:5"], ["--goodput", "ttft"]),
                ([self.url, "--model", "other"], ["other"]),
                ([self.url, "--extra-body", "{"], ["--extra-body"])):
            out = autoglm("bench", "serve", *arguments, "--num-prompts", 2)
            self.assertEqual(out.returncode, 1, out.stdout)
            for word in words:
                self.assertIn(word, out.stderr)
        wrong = autoglm("bench", "serve", self.url, "--num-promts", 2)
        self.assertEqual(wrong.returncode, 2)
        self.assertIn("perhaps --num-prompts", wrong.stderr)


class Keys(unittest.TestCase):
    def test_a_key_comes_from_a_file_or_the_environment_and_no_flag_takes_it(self):
        seen = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                seen.append(self.headers.get("Authorization"))
                self.send_error(500)

            do_POST = do_GET

            def log_message(self, *_):
                pass

        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server, \
                tempfile.TemporaryDirectory() as folder:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            url = f"http://127.0.0.1:{server.server_port}"
            key = pathlib.Path(folder) / "key"
            key.write_bytes(b"\xef\xbb\xbfof-a-file\r\n")
            autoglm("bench", "serve", url, "--num-prompts", 1, "--api-key-file", key)
            autoglm("bench", "serve", url, "--num-prompts", 1, env=environment(OPENAI_API_KEY="of-a-variable"))
            server.shutdown()
        self.assertIn("Bearer of-a-file", seen)
        self.assertIn("Bearer of-a-variable", seen)
        self.assertEqual(autoglm("bench", "serve", "http://127.0.0.1:1", "--api-key", "x").returncode, 2)


if __name__ == "__main__":
    main()
