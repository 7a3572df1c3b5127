"""Structured output on the embedded model, over HTTP and from the command line: always what was asked for, the same
streamed and whole, alone and in company."""
import concurrent.futures
import json
import pathlib
import re
import tempfile
import unittest

from harness import Server, autoglm, main

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 12},
        "age": {"type": "integer", "minimum": 0, "maximum": 120},
        "tags": {"type": "array", "items": {"enum": ["red", "green", "blue"]}, "maxItems": 3},
        "position": {"type": ["object", "null"], "properties": {"x": {"type": "number"}, "y": {"type": "number"}},
                     "required": ["x", "y"], "additionalProperties": False},
    },
    "required": ["name", "age", "tags", "position"],
    "additionalProperties": False,
}
QUESTION = [{"role": "user", "content": "Who are you?"}]


def json_schema(schema):
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "s", "strict": True, "schema": schema}}}


def without_spaces(text):
    """JSON without white space between its tokens."""
    return re.sub(r'("(?:[^"\\]|\\.)*")|\s+', lambda m: m[1] or "", text)


class StructuredOutput(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server("--max-batch-size", "8").__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.server.__exit__(None, None, None)

    def ask(self, **fields):
        body = {"messages": QUESTION, "max_tokens": 400, "temperature": 1.5, **fields}
        status, answer = self.server.post("/v1/chat/completions", body)
        self.assertEqual(status, 200, answer)
        return answer["choices"][0]

    def stream(self, **fields):
        body = {"messages": QUESTION, "max_tokens": 400, "temperature": 1.5, "stream": True, **fields}
        events = self.server.stream("/v1/chat/completions", body)
        return "".join(c["delta"].get("content") or "" for e in events for c in e["choices"])

    def check(self, choice):
        self.assertEqual(choice["finish_reason"], "stop", choice)
        value = json.loads(choice["message"]["content"])
        self.assertEqual(list(value), list(SCHEMA["properties"]))
        self.assertLessEqual(len(value["name"]), 12)
        self.assertTrue(isinstance(value["age"], int) and 0 <= value["age"] <= 120, value)
        self.assertLessEqual(set(value["tags"]), {"red", "green", "blue"})
        self.assertLessEqual(len(value["tags"]), 3)
        if value["position"] is not None:
            self.assertEqual(list(value["position"]), ["x", "y"])

    def test_json_schema_always_holds_streamed_and_whole_alone_and_in_company(self):
        def one(seed):
            return self.ask(seed=seed, **json_schema(SCHEMA))

        seeds = range(12)
        alone = [one(seed) for seed in seeds]
        for choice in alone:
            self.check(choice)
        self.assertGreater(len({c["message"]["content"] for c in alone}), 1)
        self.assertEqual(self.stream(seed=3, **json_schema(SCHEMA)), alone[3]["message"]["content"])
        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            self.assertEqual(list(pool.map(one, seeds)), alone)

    def test_every_way_to_ask(self):
        for fields, pattern in [
            ({"guided_regex": "[0-9]{4}-[a-f]+z"}, "[0-9]{4}-[a-f]+z"),
            ({"guided_choice": ["yes", "no", "perhaps"]}, "yes|no|perhaps"),
            ({"guided_json": {"enum": [1, "two"]}}, '1|"two"'),
            ({"guided_grammar": 'root ::= "<" [ab]{1,5} ">"'}, "<[ab]{1,5}>"),
            ({"guided_grammar": 'start: "x"~2 DIGIT\n%import common.DIGIT'}, "xx[0-9]"),
            ({"structured_outputs": {"choice": ["left", "right"]}}, "left|right"),
            ({"structured_outputs": {"regex": "a{3}b?"}}, "a{3}b?"),
            ({"structured_outputs": {"json": {"type": "boolean"}}}, "true|false"),
            ({"structural_tag": {"type": "sequence", "elements": [
                {"type": "const_string", "value": "<n>"}, {"type": "regex", "pattern": "[0-9]{2}"},
                {"type": "const_string", "value": "</n>"}]}}, "<n>[0-9]{2}</n>"),
            ({"grammar": 'root ::= "ok" "!"*', "stop": ["!!"]}, "ok!?"),
        ]:
            choice = self.ask(seed=5, **fields)
            self.assertEqual(choice["finish_reason"], "stop", fields)
            self.assertTrue(re.fullmatch(pattern, choice["message"]["content"]), (fields, choice))
        status, answer = self.server.post("/v1/completions", {"prompt": "x", "max_tokens": 20, "guided_regex": "[a-c]{5}"})
        self.assertEqual(status, 200, answer)
        self.assertRegex(answer["choices"][0]["text"], "^[a-c]{5}$")
        status, answer = self.server.post("/infer", {"text": "x", "max_tokens": 20, "guided_choice": ["one"]})
        self.assertEqual(status, 200, answer)
        self.assertIn("one", json.dumps(answer))

    def test_several_answers_and_logprobs(self):
        body = {"messages": QUESTION, "n": 3, "seed": 1, "max_tokens": 300, "logprobs": True, "temperature": 1.5,
                **json_schema(SCHEMA)}
        status, answer = self.server.post("/v1/chat/completions", body)
        self.assertEqual(status, 200, answer)
        for choice in answer["choices"]:
            self.check(choice)
            # By bytes: a token may hold a part of a character.
            said = bytes(byte for token in choice["logprobs"]["content"] for byte in token["bytes"])
            self.assertEqual(said.decode(), choice["message"]["content"])
        plain = {k: v for k, v in body.items() if k != "logprobs"}
        status, again = self.server.post("/v1/chat/completions", plain)
        self.assertEqual([c["message"] for c in again["choices"]], [c["message"] for c in answer["choices"]])

    def test_what_is_wrong_is_said_with_the_field(self):
        for fields, param, text in [
            (json_schema({"type": "array", "uniqueItems": True}), "response_format", "uniqueItems"),
            ({"response_format": {"type": "xml"}}, "response_format.type", "json_schema"),
            ({"guided_regex": "(?=a)b"}, "guided_regex", "lookahead"),
            ({"guided_grammar": "root ::= missing"}, "guided_grammar", "missing"),
            ({"guided_choice": []}, "guided_choice", "list"),
            ({"guided_json": "{"}, "guided_json", "guided_json"),
            ({"guided_choice": ["a"], "guided_regex": "b"}, "guided_choice", "only one"),
        ]:
            status, answer = self.server.post("/v1/chat/completions", {"messages": QUESTION, **fields})
            self.assertEqual(status, 400, (fields, answer))
            self.assertEqual(answer["error"]["param"], param, answer)
            self.assertIn(text, answer["error"]["message"])

    def test_what_a_structural_tag_lacks_is_the_requests_fault(self):
        text = {"type": "any_text"}
        for lacks in [{}, {"type": 5}, {"type": "tag", "end": "e", "content": text}, {"type": "tag", "begin": "b", "content": text},
                      {"type": "tag", "begin": "b", "end": "e"}, {"type": "const_string"}, {"type": "regex"}, {"type": "grammar"},
                      {"type": "sequence"}, {"type": "or"}, {"type": "triggered_tags", "tags": []},
                      {"type": "tags_with_separator", "tags": []}, {"type": "tag", "begin": "b", "end": 5, "content": text}]:
            for fields in [{"structural_tag": lacks}, {"structured_outputs": {"structural_tag": lacks}},
                           {"response_format": {"type": "structural_tag", "format": lacks}}]:
                status, answer = self.server.post("/v1/chat/completions", {"messages": [{"role": "user", "content": "Hi"}],
                                                                           "max_tokens": 5, **fields})
                self.assertEqual(status, 400, (fields, answer))
                self.assertIsNotNone(answer["error"]["param"], (fields, answer))

    def test_json_does_not_drown_in_white_space(self):
        """In characters and in tokens at most half as long again as it must be, by a model that likes spaces."""
        def tokens(text):
            return len(self.server.post("/tokenize", {"prompt": text, "add_special_tokens": False})[1]["tokens"])

        lengths, counts = [0, 0], [0, 0]
        for seed in range(10):
            text = self.ask(seed=seed, **json_schema(SCHEMA))["message"]["content"]
            compact = without_spaces(text)
            self.assertEqual(json.loads(compact), json.loads(text))
            self.assertLessEqual(len(text), 1.5 * len(compact), text)
            lengths = [lengths[0] + len(text), lengths[1] + len(compact)]
            counts = [counts[0] + tokens(text), counts[1] + tokens(compact)]
        print("characters and tokens, to the compact ones:", lengths[0] / lengths[1], counts[0] / counts[1])
        self.assertLessEqual(counts[0], 1.5 * counts[1])

    def test_options_of_structured_outputs(self):
        def ask(**options):
            return self.ask(seed=4, structured_outputs={"json": SCHEMA, **options})["message"]["content"]

        for options in ({"disable_any_whitespace": True}, {"whitespace_pattern": ""}):
            text = ask(**options)
            self.assertEqual(text, without_spaces(text))
        text = self.ask(seed=4, guided_json=SCHEMA, guided_decoding_disable_any_whitespace=True)["message"]["content"]
        self.assertEqual(text, without_spaces(text))
        text = ask(whitespace_pattern="\\n\t")
        self.assertTrue(text.startswith('{\n\t"name"\n\t:\n\t"'), text)
        json.loads(text)
        ask(disable_fallback=True)
        text = self.ask(seed=4, structured_outputs={
            "json": {"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"]},
            "disable_additional_properties": True})["message"]["content"]
        self.assertEqual(list(json.loads(text)), ["a"])
        text = self.ask(seed=4, **json_schema(SCHEMA), structured_outputs={"disable_any_whitespace": True})
        self.assertEqual(text["message"]["content"], without_spaces(text["message"]["content"]))
        for options, param in [
            ({"json": {}, "disable_any_whitespaces": True}, "structured_outputs.disable_any_whitespaces"),
            ({"json": {}, "disable_any_whitespace": "yes"}, "structured_outputs.disable_any_whitespace"),
            ({"json": {}, "disable_fallback": 1}, "structured_outputs.disable_fallback"),
            ({"json": {}, "whitespace_pattern": 1}, "structured_outputs.whitespace_pattern"),
            ({"json": {}, "whitespace_pattern": "x*"}, "structured_outputs"),
            ({"json": {}, "whitespace_pattern": "("}, "structured_outputs"),
            ({"disable_any_whitespace": True}, "structured_outputs"),
        ]:
            status, answer = self.server.post("/v1/completions", {"prompt": "x", "structured_outputs": options})
            self.assertEqual((status, answer["error"]["param"]), (400, param), answer)

    def test_strings_of_bounded_length(self):
        """Each count of characters is a place of its own in the grammar."""
        for seed in range(20):
            for least, most in [(1, 2), (0, 1), (3, 7), (2, 30)]:
                status, answer = self.server.post("/v1/completions", {
                    "prompt": "hello", "max_tokens": 60, "temperature": 1.2, "seed": seed,
                    "guided_json": {"type": "string", "minLength": least, "maxLength": most}})
                self.assertEqual(status, 200, answer)
                self.assertTrue(least <= len(json.loads(answer["choices"][0]["text"])) <= most, answer)

    def test_metrics_count_grammars(self):
        for _ in range(2):
            self.ask(guided_regex="metrics [a-z]")
        text = self.server.request("GET", "/metrics")[2]
        values = {name: float(re.search(rf"^autoglm:{name}_total{{[^}}]*}} (\S+)", text, re.M)[1])
                  for name in ("grammars_compiled", "grammars_reused", "grammar_compile_seconds", "forced_tokens")}
        self.assertGreater(values["grammars_compiled"], 0)
        self.assertGreater(values["grammars_reused"], 0)
        self.assertGreater(values["grammar_compile_seconds"], 0)


class CommandLine(unittest.TestCase):
    def test_generate_with_a_schema_and_with_a_grammar(self):
        with tempfile.TemporaryDirectory() as folder:
            schema, grammar = pathlib.Path(folder, "s.json"), pathlib.Path(folder, "g.gbnf")
            schema.write_text(json.dumps({"type": "object", "properties": {"ok": {"type": "boolean"}},
                                          "required": ["ok"], "additionalProperties": False}))
            grammar.write_text('root ::= "a"{3} [bc]')
            done = autoglm("generate", "hello", "--json-schema", schema)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIsInstance(json.loads(done.stdout)["ok"], bool)
            done = autoglm("generate", "hello", "--grammar-file", grammar)
            self.assertRegex(done.stdout, "^aaa[bc]\n$")
            grammar.write_text("root ::= (")
            done = autoglm("generate", "hello", "--grammar-file", grammar)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("--grammar-file", done.stderr)


if __name__ == "__main__":
    main()
