"""What a user reads who holds it wrong: one line that names the thing, and a status that scripts can test."""
import json
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import unittest

from harness import AUTOGLM, TINY, Server, autoglm, environment, main


class Errors(unittest.TestCase):
    def fails(self, process, *words, status=1):
        self.assertEqual(process.returncode, status, process.stdout + process.stderr)
        lines = [line for line in process.stderr.strip().split("\n") if line.startswith("autoglm: ")]
        text = process.stderr if status == 2 else lines[-1]
        for word in words:
            self.assertIn(str(word), text)

    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))

    def broken(self, name, change):
        """A copy of tiny-glm with one file changed."""
        model = self.folder / "model"
        shutil.copytree(TINY, model)
        path = model / name
        path.write_bytes(change(path.read_bytes()))
        return model

    def test_unknown_command_and_flag(self):
        self.fails(autoglm(), "no command", "generate", status=2)
        self.fails(autoglm("sreve"), "sreve: unknown command", "perhaps serve", "tokenize", status=2)
        self.fails(autoglm("nosuch", "--port", 80), "nosuch: unknown command", "serve, chat", status=2)
        self.fails(autoglm("serve", "--prot", 80), "--prot: unknown flag of serve", "perhaps --port", status=2)
        self.fails(autoglm("info", "--jsn=1"), "--jsn: unknown flag of info", "perhaps --json", status=2)
        self.fails(autoglm("quantize"), "input is required", "autoglm quantize --help", status=2)
        self.fails(autoglm("--port", 80), "autoglm serve --port", status=2)
        self.fails(autoglm("--port", 80, "serve"), "autoglm serve --port", status=2)
        self.fails(autoglm("generate", "two", "words"), "words: generate takes no further word", status=2)
        self.fails(autoglm("generate", "x", "--temperature", "warm"), "warm", status=2)
        self.fails(autoglm("serve", "--port"), "--port: nothing stands behind it", status=2)

    def test_a_value_given_twice(self):
        for line in (("serve", "--model", "a", "--model", "b"), ("generate", "x", "-n", 1, "--max-tokens", 2),
                     ("chat", "--config", "a", "--config", "b"), ("tokenize", "--text", "a", "--text", "b"),
                     ("bench", "--threads", 1, "--threads", 2), ("pack", "a", "b", "--threads", 1, "--threads", 2),
                     ("bench", "serve", "--seed", 1, "--seed", 2), ("quantize", "a", "b", "--bits", 4, "--bits", 4),
                     ("synthetic", "a", "--seed", 1, "--seed", 2), ("perplexity", "--window", 8, "--window", 9)):
            with self.subTest(line=line):
                self.fails(autoglm(*line), ": given more than once (expected one value)", status=2)

    def test_flags_of_other_servers_name_ours(self):
        for line, words in (
                ("serve -c 4096", ("-c: unknown flag of serve", "--max-model-len")),
                ("serve --ctx-size=4096", ("--max-model-len",)),
                ("serve -ngl 99", ("-ngl: unknown flag", "--device")),
                ("generate x -ngl 99", ("-ngl: unknown flag", "--device")),
                ("generate x -np 4", ("-np: unknown flag", "--max-batch-size")),
                ("generate x -md draft.gguf", ("-md: unknown flag", "--speculative-model")),
                ("serve --n-gpu-layers 99", ("--device",)),
                ("serve --api-keys x", ("--api-key",)),
                ("serve --ssl-keyfile x", ("proxy",)),
                ("serve --tensor-parallel-size 2", ("one machine",)),
                ("generate x --n-predict 5", ("--max-tokens",)),
                ("serve --n-predict 5", ("--max-tokens", "max_tokens of a request")),
                ("serve -n 5", ("-n: unknown flag of serve", "a flag of autoglm generate")),
                ("chat --port 80", ("a flag of autoglm serve",)),
                ("generate -p hello", ("autoglm generate \"...\"",)),
                ("chat -t 4", ("--threads",)),
                ("chat --max-num-seqs 4", ("--max-batch-size",)),
                ("serve --gpu-memory-utilization 0.9", ("--kv-cache-memory",)),
                ("info --ctx-size 9", ("--max-model-len of autoglm serve",))):
            with self.subTest(line=line):
                self.fails(autoglm(*line.split()), *words, status=2)

    def test_help_is_a_word_too(self):
        for words in ((), ("serve",), ("bench", "serve")):
            by_flag, by_word = autoglm(*words, "--help"), autoglm("help", *words)
            self.assertEqual((by_word.returncode, by_word.stdout), (0, by_flag.stdout))

    def test_a_text_where_tokenize_takes_a_model(self):
        self.fails(autoglm("tokenize", "Hello"), "a text goes behind --text")
        self.fails(autoglm("tokenize", "tiny-glm", "Hello"), "a text behind --text", status=2)
        by_flag, by_input = autoglm("tokenize", "--text", "Hello"), autoglm("tokenize", stdin="Hello")
        self.assertEqual((by_flag.returncode, by_flag.stdout), (0, by_input.stdout))
        self.assertEqual(autoglm("tokenize", "-d", "--text", "1 2").stdout, autoglm("tokenize", "-d", stdin="1 2").stdout)

    def test_info_tells_damaged_files_from_those_not_supported(self):
        for name, change, word in (("config.json", lambda b: b[:50], "damaged"),
                                   ("tokenizer.json", lambda b: b[:1000], "damaged"),
                                   ("model.safetensors", lambda b: b[:-100], "damaged"),
                                   ("model.safetensors", lambda b: b"\xff" * 8 + b[8:], "damaged"),
                                   ("config.json", lambda b: b.replace(b"Glm4For", b"FooFor"), "not supported")):
            with self.subTest(name=name, word=word):
                self.fails(autoglm("info", self.broken(name, change)), word + ": ", self.folder / "model")
                shutil.rmtree(self.folder / "model")
        file = self.folder / "a.gguf"
        for data in (b"GGUF\x03\0\0\0", b"no model"):
            file.write_bytes(data)
            self.fails(autoglm("info", file), "damaged: ")

    def test_no_such_model(self):
        self.fails(autoglm("generate", "x", "--model", "/nowhere/model"), "/nowhere/model")

    def test_speculation_without_its_model_and_with_a_wrong_one(self):
        self.fails(autoglm("generate", "x", "--speculative-method", "draft_model"), "speculative_model")
        self.fails(autoglm("generate", "x", "--speculative-model", TINY), "speculative_method",
                   "draft_model")
        self.fails(autoglm("generate", "x", "--speculative-method", "ngram", "--prompt-lookup-min", 5),
                   "prompt_lookup_min", "prompt_lookup_max")
        draft = self.folder / "draft"
        made = autoglm("synthetic", draft, "--preset", "tiny")
        self.assertEqual(made.returncode, 0, made.stderr)
        self.fails(autoglm("generate", "x", "--speculative-method", "draft_model",
                           "--speculative-model", draft), draft, "token ", "vocabulary")

    def test_a_hub_id_that_no_cache_holds_lists_the_places_searched(self):
        env = environment(HF_HOME=str(self.folder))
        self.fails(autoglm("generate", "x", "--model", "org/name", env=env), "org/name", self.folder)
        self.fails(autoglm("generate", "x", "--model", "org/name", "--offline", "false", env=env), "org/name",
                   self.folder, "nothing is ever downloaded")

    def test_a_token_that_only_the_tokenizer_knows_is_told_with_the_checkpoint(self):
        def more(data):
            tokenizer = json.loads(data)
            tokenizer["added_tokens"].append({"id": 5000, "content": "<|extra|>", "special": True})
            return json.dumps(tokenizer).encode()
        model = self.broken("tokenizer.json", more)
        out = autoglm("generate", "--raw", "a <|extra|>", "--model", model)
        self.fails(out, "4095", "5000")
        self.assertIn(f"{model}: the tokenizer has ids up to 5000, the model up to 4095", out.stderr)

    def test_an_unknown_architecture_lists_the_known_ones(self):
        model = self.broken("config.json", lambda b: b.replace(b"Glm4ForCausalLM", b"FooForCausalLM"))
        self.fails(autoglm("generate", "x", "--model", model), "FooForCausalLM", "Glm4ForCausalLM",
                   "LlamaForCausalLM")

    def test_broken_files_are_named(self):
        for name, change in (("config.json", lambda b: b[:50]),
                             ("tokenizer.json", lambda b: b[:1000]),
                             ("model.safetensors", lambda b: b[:1000]),
                             ("model.safetensors", lambda b: b[:-100]),
                             ("model.safetensors", lambda b: b"\xff" * 8 + b[8:])):
            with self.subTest(name=name):
                self.fails(autoglm("generate", "x", "--model", self.broken(name, change)), name)
                shutil.rmtree(self.folder / "model")

    def test_a_configuration_that_lies_names_the_tensor_and_both_shapes(self):
        def wider(data):
            config = json.loads(data)
            config["intermediate_size"] += 32
            return json.dumps(config).encode()
        self.fails(autoglm("generate", "x", "--model", self.broken("config.json", wider)), "mlp")

    def test_wrong_settings(self):
        config = self.folder / "config.yaml"
        config.write_text("quantise: int8\n")
        self.fails(autoglm("serve", "--config", config), "quantise", "quantize")
        self.fails(autoglm("serve", env=environment(AUTOGLM_PROT="80")), "prot", "port")
        self.fails(autoglm("serve", "--config", self.folder / "none.yaml"), "none.yaml")
        self.fails(autoglm("serve", "--quantize", "int6"), "int6", "int4")
        self.fails(autoglm("serve", "--port", 0, env=environment(AUTOGLM_ISA="avx1024")), "avx1024")

    def test_a_port_in_use_is_named(self):
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = other.getsockname()[1]
            self.fails(autoglm("serve", "--port", port), port)

    def test_too_little_memory_is_said_with_what_would_fit(self):
        self.fails(autoglm("generate", "x", "--kv-cache-memory", "1KiB"), "kv")
        self.fails(autoglm("generate", "x", "--kv-cache-memory", "100TiB"), "memory")

    @unittest.skipIf(os.getuid() == 0, "root may read everything")
    def test_a_file_without_permission_is_named(self):
        model = self.broken("config.json", lambda b: b)
        (model / "config.json").chmod(0)
        self.fails(autoglm("generate", "x", "--model", model), "config.json", "ermission")

    def test_a_full_disk_is_said(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("no /dev/full here")
        self.fails(autoglm("synthetic", "/dev/full/model.gguf"), "/dev/full")

    def test_output_that_is_lost_is_a_failure(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("no /dev/full here")
        chat = json.dumps({"messages": [{"role": "user", "content": "Hi"}]})
        for line, stdin in (("info", ""), ("info --json", ""), ("graph", ""), ("tokenize", "Hi"),
                            ("template", chat), ("generate -n 2 Hi", ""), ("generate --json -n 2 Hi", ""),
                            ("serve --print-config", ""), ("serve --help", ""), ("--version", "")):
            with self.subTest(line=line), open("/dev/full", "wb") as full:
                done = subprocess.run([AUTOGLM, *line.split()], input=stdin, stdout=full, text=True,
                                      stderr=subprocess.PIPE, env=environment(), timeout=60, check=False)
                self.assertEqual(done.returncode, 1, done.stderr)
                self.assertIn("cannot write", done.stderr)

    def test_an_error_that_nobody_can_read_has_its_status_all_the_same(self):
        for line, status in (("serve --prot 80", 2), ("sreve", 2), ("info /nowhere", 1),
                             ("serve --model /nowhere", 1)):
            with self.subTest(line=line):
                reader, writer = os.pipe()
                os.close(reader)
                done = subprocess.run([AUTOGLM, *line.split()], stdout=writer, stderr=writer,
                                      env=environment(), timeout=60, check=False)
                os.close(writer)
                self.assertEqual(done.returncode, status)

    def test_an_answer_that_nobody_reads_ends(self):
        with subprocess.Popen([AUTOGLM, "generate", "--ignore-eos", "-n", "900", "Hi"], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, env=environment()) as process:
            process.stdout.read(1)
            process.stdout.close()
            self.assertEqual(process.wait(timeout=60), 1)
            self.assertNotIn("check failed", process.stderr.read())

    def test_prompts_that_cannot_be(self):
        self.fails(autoglm("generate", "--ids", "99999999"), "99999999")
        self.fails(autoglm("generate", "--ids", "one"), "one")
        self.fails(autoglm("generate", "x", "--top-p", 3), "top_p")
        latin1 = subprocess.run([AUTOGLM, "generate"], input="caf\u00e9".encode("latin-1"), capture_output=True,
                                env=environment(), timeout=60, check=False)
        self.assertEqual(latin1.returncode, 1)
        self.assertIn(b"prompt: text is not UTF-8", latin1.stderr)


class ServerErrors(unittest.TestCase):
    def test_wrong_requests_get_openai_errors(self):
        hi = {"messages": [{"role": "user", "content": "hi"}]}
        with Server() as server:
            for path, body, status, word in (
                    ("/v1/chat/completions", "{", 400, "JSON"),
                    ("/v1/chat/completions", {"messages": "x"}, 400, "messages"),
                    ("/v1/chat/completions", {"messages": [], "model": "tiny-glm"}, 400, "messages"),
                    ("/v1/chat/completions", {"messages": [{"role": "user", "content": [
                        {"type": "image_url", "image_url": {"url": "data:,"}}]}]}, 400, "messages[0].content[0]"),
                    ("/v1/chat/completions", {"messages": [{"role": "assistant", "tool_calls": [
                        {"function": {"name": "f", "arguments": "f("}}]}]}, 400, "arguments"),
                    ("/v1/chat/completions", {**hi, "documents": [3]}, 400, "documents[0]"),
                    ("/v1/chat/completions", {**hi, "documents": 3}, 400, "documents"),
                    ("/v1/chat/completions", {**hi, "tools": [3]}, 400, "tools[0]"),
                    ("/v1/chat/completions", {**hi, "chat_template_kwargs": 3}, 400, "chat_template_kwargs"),
                    ("/v1/chat/completions", {**hi, "chat_template_kwargs": {"x": [0] * 1_000_001}}, 400,
                     "chat request is too large"),
                    ("/v1/completions", {"prompt": "x", "temperature": "hot"}, 400, "temperature"),
                    ("/v1/completions", {"prompt": "x", "model": "gpt-4"}, 404, "gpt-4"),
                    ("/v1/completions", {"prompt": "x", "max_tokens": 10**9}, 400, "1000000000"),
                    ("/nowhere", {}, 404, "/nowhere")):
                with self.subTest(path=path, body=body):
                    code, answer = server.post(path, body)
                    self.assertEqual(code, status, answer)
                    self.assertIn(word, answer["error"]["message"] + str(answer["error"]["param"]))
                    if "messages" in body and "messages" not in word:
                        self.assertNotIn("chat template refuses", answer["error"]["message"])
            self.assertEqual(server.request("GET", "/v1/completions")[0], 405)
        self.assertEqual(server.status, 0)

    def test_a_text_that_is_too_much_for_the_tokenizer_is_named_by_its_field(self):
        with tempfile.TemporaryDirectory() as folder:
            model = pathlib.Path(folder) / "model"
            shutil.copytree(TINY, model)
            tokenizer = json.loads((model / "tokenizer.json").read_text())
            tokenizer["normalizer"] = {"type": "Replace", "pattern": {"Regex": "x*x*[yz]"}, "content": ""}
            (model / "tokenizer.json").write_text(json.dumps(tokenizer))
            text = "x" * 20000
            plan = {"type": "content", "content": text}
            with Server("--model", model) as server:
                for path, body, param in (
                        ("/tokenize", {"content": text}, "content"),
                        ("/tokenize", {"prompt": text}, "prompt"),
                        ("/tokenize", {"messages": [{"role": "user", "content": text}]}, "messages"),
                        ("/v1/completions", {"prompt": text}, "prompt"),
                        ("/v1/completions", {"prompt": "a", "prediction": plan}, "prediction"),
                        ("/v1/chat/completions", {"messages": [{"role": "user", "content": text}]}, "messages"),
                        ("/v1/embeddings", {"input": text}, "input"),
                        ("/infer", {"prompt": text}, "prompt"),
                        ("/infer", {"text": text}, "text")):
                    with self.subTest(path=path, param=param):
                        status, answer = server.post(path, body)
                        self.assertEqual((status, answer["error"]["param"]), (400, param), answer)


if __name__ == "__main__":
    main()
