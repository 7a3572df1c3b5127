"""Every command on real models: what it prints, that scripts can read it, that the answers are right."""
import json
import pathlib
import subprocess
import tempfile
import time
import unittest

from harness import AUTOGLM, NEEDS_STORIES, ROOT, TINY, autoglm, environment, main, shared_data


class Generate(unittest.TestCase):
    @NEEDS_STORIES
    def test_stories260k_continues_the_empty_prompt_as_expected(self):
        folder = pathlib.Path(shared_data("weights/stories260K"))
        expected = json.loads((folder / "expected_greedy.json").read_text())["greedy_ids"]
        out = autoglm("generate", "--model", folder / "hf", "--temperature", 0, "-n", 64, "--json")
        self.assertEqual(out.returncode, 0, out.stderr)
        self.assertEqual(json.loads(out.stdout)["ids"], expected)
        # The same by ids: the empty prompt is the beginning-of-sequence token.
        out = autoglm("generate", "--ids", "1", "--model", folder / "hf", "--temperature", 0, "-n", 64)
        self.assertEqual([int(i) for i in out.stdout.split()], expected)

    def test_tiny_glm_answers_as_transformers_does(self):
        cases = json.loads((ROOT / "tests/data/tiny_glm_answers.json").read_text())
        for case in cases:
            prompt = " ".join(map(str, case["prompt_ids"]))
            out = autoglm("generate", "--ids", prompt, "--temperature", 0, "-n", len(case["answer_ids"]),
                          "--kv-cache-dtype", "f32")
            self.assertEqual(out.returncode, 0, out.stderr)
            self.assertEqual([int(i) for i in out.stdout.split()], case["answer_ids"], case)

    def test_a_seed_makes_sampling_repeatable(self):
        arguments = ("generate", "Hello", "--temperature", 1.5, "-n", 24, "--seed")
        first, again = autoglm(*arguments, 7), autoglm(*arguments, 7)
        self.assertEqual(first.stdout, again.stdout)
        others = {autoglm(*arguments, seed).stdout for seed in (8, 9, 10)}
        self.assertTrue(others - {first.stdout})

    def test_minus_one_is_no_seed_and_no_limit(self):
        wish = ("generate", "Tell me a story", "--temperature", 2)
        first, second = (autoglm(*wish, "-n", 12, "--seed", -1).stdout for _ in range(2))
        self.assertNotEqual(first, second)
        plain = autoglm("generate", "Hi", "--temperature", 0)
        endless = autoglm("generate", "Hi", "--temperature", 0, "-n", -1)
        self.assertEqual((endless.returncode, endless.stdout), (0, plain.stdout), endless.stderr)
        refused = autoglm("generate", "Hi", "-n", -3)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("max_tokens", refused.stderr)

    def test_text_comes_from_standard_input_too(self):
        by_argument = autoglm("generate", "Hello", "--temperature", 0, "-n", 16)
        by_input = autoglm("generate", "--temperature", 0, "-n", 16, stdin="Hello")
        self.assertEqual(by_argument.stdout, by_input.stdout)
        self.assertTrue(by_argument.stdout.strip())

    def test_the_first_token_comes_soon_after_the_start(self):
        # Not a benchmark: it shows the figure, and fails only when starting has become another kind of thing.
        start = time.monotonic()
        out = autoglm("generate", "Hello", "--temperature", 0, "-n", 1)
        seconds = time.monotonic() - start
        print(f"first token of the embedded model after {seconds:.3f} s")
        self.assertEqual(out.returncode, 0, out.stderr)
        self.assertLess(seconds, 30)



class Perplexity(unittest.TestCase):
    TEXT = ROOT / "tests/data/tiny_glm_heldout.txt"

    def measure(self, *arguments):
        out = autoglm("perplexity", "--model", TINY, "--file", self.TEXT, "--window", 128, "--windows", 2, "--json",
                      *arguments)
        self.assertEqual(out.returncode, 0, out.stderr)
        return json.loads(out.stdout)

    def test_tells_what_rounding_costs_against_a_model_or_saved_predictions(self):
        with tempfile.TemporaryDirectory() as folder:
            logits = pathlib.Path(folder) / "logits"
            whole = self.measure("--save-logits", logits)
            self.assertNotIn("kl_mean", whole)
            self.assertEqual(self.measure("--base-logits", logits)["kl_mean"], 0)
            by_model = self.measure("--quantize", "int4", "--base", TINY)
            by_file = self.measure("--quantize", "int4", "--base-logits", logits)
            self.assertEqual(by_model, by_file)
            self.assertEqual(by_model["base_perplexity"], whole["perplexity"])
            self.assertTrue(0.0005 < by_model["kl_mean"] < 0.05, by_model)
            self.assertEqual(by_model["tokens"], 2 * 127)

            logits.write_bytes(logits.read_bytes()[:-1])
            for broken, words in ((logits, ("cut off", "256 rows", "255 rows")),
                                  (self.TEXT, ("another text", "autoglm logits f32 256 4096")),
                                  (folder + "/none", ("cannot be read",))):
                out = autoglm("perplexity", "--model", TINY, "--file", self.TEXT, "--window", 128, "--windows", 2,
                              "--base-logits", broken)
                self.assertEqual(out.returncode, 1)
                for word in (*words, str(broken)):
                    self.assertIn(word, out.stderr)

    def test_refuses_what_cannot_be(self):
        for text, window, word in ((self.TEXT, 2048, "at most 1024"), (self.TEXT, 1, "--window"),
                                   ("/dev/null", 128, "regular file"), ("/none", 128, "/none")):
            out = autoglm("perplexity", "--model", TINY, "--file", text, "--window", window)
            self.assertNotEqual(out.returncode, 0, word)
            self.assertIn(word, out.stderr)


class Chat(unittest.TestCase):
    def test_lines_in_answers_out(self):
        out = autoglm("chat", "--temperature", 0, stdin="Hello\n/clear\nHello\n/exit\nnever reached\n")
        self.assertEqual(out.returncode, 0, out.stderr)
        answers = out.stdout.strip().split("\n")
        self.assertEqual(answers[0], answers[-1])  # after /clear the same question has the same answer

    def test_a_line_that_is_no_text_is_named(self):
        out = subprocess.run([AUTOGLM, "chat"], input=b"a\xffb\n", capture_output=True, env=environment(), check=False)
        self.assertEqual(out.returncode, 1)
        self.assertIn(b"message: text is not UTF-8", out.stderr)


class Info(unittest.TestCase):
    def test_says_what_a_checkpoint_is(self):
        out = autoglm("info", TINY)
        self.assertEqual(out.returncode, 0, out.stderr)
        self.assertIn("Glm4ForCausalLM", out.stdout)
        as_json = json.loads(autoglm("info", TINY, "--json").stdout)
        self.assertEqual(as_json["architecture"], "Glm4ForCausalLM")
        self.assertGreater(as_json["parameters"], 1_000_000)


class Graph(unittest.TestCase):
    def test_prints_the_program_and_its_drawing(self):
        out = autoglm("graph", TINY)
        self.assertEqual(out.returncode, 0, out.stderr)
        for word in ("attention", "rms_norm", "arena"):
            self.assertIn(word, out.stdout)
        self.assertTrue(autoglm("graph", TINY, "--dot").stdout.startswith("digraph"))

    def test_prints_the_program_for_scripts(self):
        program = json.loads(autoglm("graph", TINY, "--json", "--quantize", "int8").stdout)
        values = program["values"]
        self.assertLess(program["arena_bytes"], program["arena_bytes_without_reuse"])
        self.assertEqual(sorted(program["outputs"]), ["hidden", "logits"])
        logits = values[program["outputs"]["logits"]]
        self.assertEqual((logits["op"], logits["columns"]), ("linear", 4096))
        self.assertIn(["swiglu"], [value["fused"] for value in values])
        for i, value in enumerate(values):
            self.assertTrue(all(j < i for j in value["inputs"]))
            self.assertLess(value["offset_bytes"], program["arena_bytes"])
        unfused = json.loads(autoglm("graph", TINY, "--json", "--unfused").stdout)
        self.assertGreater(unfused["kernel_calls"], program["kernel_calls"])


class Tokenize(unittest.TestCase):
    def test_text_to_ids_and_back(self):
        text = "Hello, 世界! <|user|> 🙂 end"
        ids = json.loads(autoglm("tokenize", TINY, "--json", stdin=text).stdout)["ids"]
        back = autoglm("tokenize", TINY, "--decode", stdin=json.dumps(ids))
        self.assertEqual(back.stdout, text + "\n")

    @unittest.skipUnless(shared_data("tokenizers/ggml-vocab"), "conformance data not found")
    def test_a_gguf_that_holds_only_a_tokenizer_will_do(self):
        vocab = shared_data("tokenizers/ggml-vocab/ggml-vocab-gpt-2.gguf")
        out = autoglm("tokenize", vocab, "--json", stdin="Hello world")
        self.assertEqual(json.loads(out.stdout)["ids"], [15496, 995], out.stderr)


class Template(unittest.TestCase):
    def test_standard_input_may_begin_with_a_byte_order_mark_and_have_line_ends_of_windows(self):
        chat = json.dumps({"messages": [{"role": "user", "content": "Hi"}]}, indent=1)
        for command, text in ((["template"], chat), (["tokenize", "--decode"], "72\n73\n")):
            plain = autoglm(*command, stdin=text)
            marked = autoglm(*command, stdin="\ufeff" + text.replace("\n", "\r\n"))
            self.assertEqual(plain.returncode, 0, plain.stderr)
            self.assertEqual((marked.returncode, marked.stdout), (0, plain.stdout), marked.stderr)

    def test_a_conversation_becomes_a_prompt(self):
        context = {"messages": [{"role": "user", "content": "Hi"}], "add_generation_prompt": True}
        out = autoglm("template", TINY, stdin=json.dumps(context))
        self.assertEqual(out.returncode, 0, out.stderr)
        self.assertIn("<|user|>\nHi<|assistant|>", out.stdout)


class Bench(unittest.TestCase):
    def test_measures_and_writes_json(self):
        out = autoglm("bench", "--json", "--prompt-tokens", 16, "--generate-tokens", 4, "--batch", "1,2",
                      "--depth", 40, "--repetitions", 2)
        self.assertEqual(out.returncode, 0, out.stderr)
        tests = json.loads(out.stdout)["tests"]
        self.assertEqual([t["test"] for t in tests], ["prefill 16", "decode 4 x 1", "decode 4 x 2",
                                                     "decode 4 x 1 at depth 40"])
        self.assertTrue(all(t["tokens_per_second"]["median"] > 0 for t in tests))
        self.assertTrue(all(t["roof"]["share"] > 0 and t["roof"]["limit"] for t in tests))

    def test_measures_the_machine_alone(self):
        out = autoglm("bench", "--roof", "--json")
        self.assertEqual(out.returncode, 0, out.stderr)
        roof = json.loads(out.stdout)
        self.assertEqual([i["name"] for i in roof["instruction_sets"]], ["generic", "avx2", "avx512", "amx"])
        self.assertEqual(sum(i["state"] == "used" for i in roof["instruction_sets"]), 1)
        # Reading from a cache is not slower than reading from memory, whatever the machine.
        alone = [r["bytes_per_second"] for r in roof["read"] if r["threads"] == 1]
        self.assertGreater(max(alone[:2]), alone[-1])
        self.assertTrue(all(c["operations_per_second"] > 0 for c in roof["compute"]))

    def test_says_why_a_lesser_instruction_set_is_used(self):
        out = autoglm("bench", "--roof", env=environment(AUTOGLM_ISA="generic"))
        self.assertEqual(out.returncode, 0, out.stderr)
        self.assertRegex(out.stdout, r"generic +used")


class Help(unittest.TestCase):
    def test_every_command_explains_itself(self):
        top = autoglm("--help")
        self.assertEqual(top.returncode, 0)
        for command in ("serve", "chat", "generate", "info", "graph", "tokenize", "template", "bench",
                        "synthetic"):
            self.assertIn(command, top.stdout)
            self.assertEqual(autoglm(command, "--help").returncode, 0)

    def test_help_names_the_words_a_setting_takes_and_only_settings_of_its_command(self):
        chat, serve = autoglm("chat", "--help").stdout, autoglm("serve", "--help").stdout
        for text in (chat, serve):
            self.assertIn("none|int8|int5|int4|int4-g64|int4-g128|int3|int3-g64|int2|int2-g64", text)
        self.assertIn("--port", serve)
        self.assertNotIn("--port", chat)
        out = autoglm("chat", "--port", "80")
        self.assertEqual(out.returncode, 2)


class Names(unittest.TestCase):
    def test_every_command_knows_the_model_that_comes_with_the_program(self):
        for command in (("info", "--json"), ("graph",), ("tokenize", "--json"), ("template", "--json")):
            stdin = '{"messages":[{"role":"user","content":"Hi"}]}'
            by_path = autoglm(command[0], TINY, *command[1:], stdin=stdin)
            self.assertEqual(by_path.returncode, 0, by_path.stderr)
            for name in ((), ("tiny-glm",)):
                out = autoglm(command[0], *name, *command[1:], stdin=stdin)
                self.assertEqual(out.stdout, by_path.stdout, command)

    def test_a_chat_template_is_a_file_or_its_text(self):
        text = "{% for m in messages %}{{ m.content }}?{% endfor %}"
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "template.jinja"
            file.write_text(text)
            arguments = ("generate", "Hello", "--temperature", 0, "-n", 4, "--json", "--chat-template")
            by_file, by_text = autoglm(*arguments, file), autoglm(*arguments, text)
            self.assertEqual(by_file.returncode, 0, by_file.stderr)
            self.assertEqual(json.loads(by_file.stdout)["prompt_ids"], json.loads(by_text.stdout)["prompt_ids"])
            missing = autoglm(*arguments, file.with_name("no.jinja"))
            self.assertEqual(missing.returncode, 1)
            self.assertIn("no.jinja", missing.stderr)


if __name__ == "__main__":
    main()
