"""Tools and reasoning over HTTP on tiny-glm, which knows neither: a chat template opens its thoughts, and a budget
closes them."""
import json
import pathlib
import tempfile
import unittest

from harness import Server, autoglm, joined_calls, main

# What a template of a thinking model has: it opens <think>, and knows </think>.
THINKING = ("[gMASK]<sop>{% for m in messages %}<|{{ m.role }}|>\n{{ m.content.split('</think>')[-1] }}{% endfor %}"
            "{% if add_generation_prompt %}<|assistant|>\n<think>{% endif %}")


class Reasoning(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = cls.enterClassContext(tempfile.TemporaryDirectory())
        template = pathlib.Path(folder) / "thinking.jinja"
        template.write_text(THINKING)
        cls.server = cls.enterClassContext(Server("--chat-template", template))

    body = {"messages": [{"role": "user", "content": "What is Open-AutoGLM?"}], "temperature": 0, "max_tokens": 60,
            "ignore_eos": True}

    def chat(self, **fields):
        status, answer = self.server.post("/v1/chat/completions", {**self.body, **fields})
        self.assertEqual(status, 200, answer)
        self.assertEqual(answer["usage"]["completion_tokens"], 60)
        return answer["choices"][0]["message"]

    def test_thoughts_without_end_are_all_reasoning(self):
        message = self.chat()
        self.assertTrue(message["reasoning_content"])
        self.assertEqual(message["content"], "")
        self.assertNotIn("reasoning_content", self.chat(include_reasoning=False))
        self.assertEqual(self.chat(reasoning_format="none")["content"].strip(), message["reasoning_content"])

    def test_a_budget_closes_the_thoughts(self):
        long, short = self.chat(), self.chat(thinking_token_budget=8)
        self.assertTrue(long["reasoning_content"].startswith(short["reasoning_content"]))
        self.assertLess(len(short["reasoning_content"]), len(long["reasoning_content"]))
        self.assertTrue(short["content"])
        self.assertEqual(self.chat(thinking_token_budget=8), short)
        none = self.chat(thinking_token_budget=0)
        self.assertNotIn("reasoning_content", none)
        self.assertTrue(none["content"])

    def test_streams_what_it_answers_whole(self):
        whole = self.chat(thinking_token_budget=8)
        events = self.server.stream("/v1/chat/completions",
                                    {**self.body, "thinking_token_budget": 8, "stream": True})
        deltas = [event["choices"][0]["delta"] for event in events]
        for key in ("reasoning_content", "content"):
            self.assertEqual("".join(delta.get(key) or "" for delta in deltas), whole[key])

    def test_a_form_holds_what_follows_the_thoughts(self):
        schema = {"type": "object", "properties": {"city": {"enum": ["Rome", "Oslo"]}, "days": {"type": "integer", "minimum": 0,
                                                                                                "maximum": 9}},
                  "required": ["city", "days"], "additionalProperties": False}
        fields = {**self.body, "temperature": 1.2, "thinking_token_budget": 12, "max_tokens": 200, "response_format": {
            "type": "json_schema", "json_schema": {"name": "trip", "schema": schema}}}
        for seed in range(6):
            status, answer = self.server.post("/v1/chat/completions", {**fields, "seed": seed})
            self.assertEqual(status, 200, answer)
            message = answer["choices"][0]["message"]
            self.assertEqual(answer["choices"][0]["finish_reason"], "stop")
            self.assertEqual(list(json.loads(message["content"])), ["city", "days"])
            self.assertTrue(message["reasoning_content"])
            events = self.server.stream("/v1/chat/completions", {**fields, "seed": seed, "stream": True})
            deltas = [event["choices"][0]["delta"] for event in events]
            for key in ("reasoning_content", "content"):
                self.assertEqual("".join(delta.get(key) or "" for delta in deltas), message[key])
            with_logprobs = {**fields, "seed": seed, "logprobs": True}  # which asks the model for every token
            _, asked = self.server.post("/v1/chat/completions", with_logprobs)
            self.assertEqual(asked["choices"][0]["message"], message)


WEATHER = {"type": "function", "function": {"name": "get_weather", "parameters": {
    "type": "object", "required": ["city", "days"], "properties": {
        "city": {"type": "string", "maxLength": 20}, "days": {"type": "integer", "minimum": 1, "maximum": 9},
        "unit": {"enum": ["C", "K"]}}}}}
CLOCK = {"type": "function", "function": {"name": "read_clock"}}
TOOLS = [WEATHER, CLOCK]
# The tags of GLM-4.5, of Hermes, ChatGLM3, ...: a parser that is named writes and reads them over any template.
FORMATS = ["glm4", "glm45", "hermes", "qwen3_coder", "chatglm3", "llama3_json", "mistral"]


class ToolChoice(unittest.TestCase):
    """tiny-glm knows no tools: whatever it calls rightly, it was held to."""

    def check(self, call):
        arguments = json.loads(call["arguments"])
        if call["name"] == "read_clock":
            self.assertEqual(arguments, {})
            return
        self.assertEqual(call["name"], "get_weather")
        self.assertLessEqual({"city", "days"}, set(arguments))
        self.assertLessEqual(set(arguments), {"city", "days", "unit"})
        self.assertIsInstance(arguments["city"], str)
        self.assertTrue(isinstance(arguments["days"], int) and 1 <= arguments["days"] <= 9, arguments)
        self.assertIn(arguments.get("unit", "C"), ["C", "K"])

    def calls(self, server, **fields):
        """Asks whole and streamed; both must be the same."""
        body = {"messages": [{"role": "user", "content": "What is the weather like?"}], "tools": TOOLS,
                "max_tokens": 600, "temperature": 1.2, **fields}
        status, answer = server.post("/v1/chat/completions", body)
        self.assertEqual(status, 200, answer)
        choice = answer["choices"][0]
        calls = [call["function"] for call in choice["message"].get("tool_calls", [])]
        content, streamed, reason = joined_calls(server.stream("/v1/chat/completions", {**body, "stream": True}))
        self.assertEqual((streamed, reason), (calls, choice["finish_reason"]))
        self.assertEqual(content, choice["message"]["content"] or "")
        return choice, calls

    def test_required_and_named_calls_come_in_every_format(self):
        for parser in FORMATS:
            with Server("--tool-call-parser", parser) as server:
                names = set()
                for seed in range(5):
                    with self.subTest(parser=parser, seed=seed):
                        choice, calls = self.calls(server, tool_choice="required", seed=seed, parallel_tool_calls=False)
                        self.assertEqual(choice["finish_reason"], "tool_calls", choice)
                        self.assertEqual(len(calls), 1, choice)
                        self.assertIsNone(choice["message"]["content"], choice)
                        self.check(calls[0])
                        names.add(calls[0]["name"])
                        for name in ("get_weather", "read_clock"):
                            named = {"type": "function", "function": {"name": name}}
                            choice, calls = self.calls(server, tool_choice=named, seed=seed, parallel_tool_calls=False)
                            self.assertEqual(choice["finish_reason"], "tool_calls", choice)
                            self.assertEqual([call["name"] for call in calls], [name])
                            self.check(calls[0])

    def test_several_calls_are_all_right(self):
        for parser in ("hermes", "glm45", "qwen3_coder", "llama3_json"):
            most = 0
            with Server("--tool-call-parser", parser) as server:
                for seed in range(8):
                    with self.subTest(parser=parser, seed=seed):
                        choice, calls = self.calls(server, tool_choice="required", seed=seed)
                        whole = calls if choice["finish_reason"] == "tool_calls" else calls[:-1]
                        most = max(most, len(whole))
                        for call in whole:
                            self.check(call)
            self.assertGreater(most, 1, parser)

    def test_thoughts_may_come_before_a_required_call(self):
        with Server("--chat-template", THINKING, "--tool-call-parser", "glm45") as server:
            body = {"messages": Reasoning.body["messages"], "tools": TOOLS, "tool_choice": "required", "max_tokens": 600,
                    "thinking_token_budget": 6, "parallel_tool_calls": False}
            status, answer = server.post("/v1/chat/completions", body)
            self.assertEqual(status, 200, answer)
            message = answer["choices"][0]["message"]
            self.assertTrue(message["reasoning_content"])
            self.assertIsNone(message["content"])
            self.check(message["tool_calls"][0]["function"])

    def test_an_answer_is_a_call_or_what_response_format_says(self):
        schema = {"type": "object", "properties": {"answer": {"type": "boolean"}}, "required": ["answer"],
                  "additionalProperties": False}
        strict = [{"type": "function", "function": {**tool["function"], "strict": True}} for tool in TOOLS]
        for parser, first in [("hermes", "<tool_call>"), ("glm4", "get"), ("llama3_json", "")]:
            with Server("--tool-call-parser", parser) as server:
                fields = {"tools": strict, "parallel_tool_calls": False, "response_format": {
                    "type": "json_schema", "json_schema": {"name": "yes", "schema": schema}}}
                seen = set()
                for seed in range(12):
                    with self.subTest(parser=parser, seed=seed):
                        choice, calls = self.calls(server, seed=seed, **fields)
                        self.assertEqual(choice["finish_reason"], "tool_calls" if calls else "stop", choice)
                        seen.add(bool(calls))
                        if calls:
                            self.assertIsNone(choice["message"]["content"])
                            self.check(calls[0])
                        else:
                            self.assertEqual(list(json.loads(choice["message"]["content"])), ["answer"])
                self.assertIn(False, seen)
                if first:  # this model does not call by itself: it likes the first token of a call now
                    ids = server.post("/tokenize", {"prompt": first, "add_special_tokens": False})[1]["tokens"]
                    choice, calls = self.calls(server, seed=1, logit_bias={ids[0]: 20}, **fields)
                    self.assertEqual(len(calls), 1, choice)
                    self.check(calls[0])

    def test_a_strict_tool_leaves_the_answer_free_otherwise(self):
        strict = {"type": "function", "function": {**WEATHER["function"], "strict": True}}
        with Server("--tool-call-parser", "hermes") as server:
            choice, calls = self.calls(server, tools=[strict], temperature=0, max_tokens=40)
            self.assertEqual(calls, [])
            self.assertTrue(choice["message"]["content"])

    def test_what_cannot_be_is_refused(self):
        loop = {"type": "function", "function": {"name": "f", "parameters": {
            "type": "object", "properties": {"a": {"type": "array", "uniqueItems": True}}}}}
        body = {"messages": [{"role": "user", "content": "Hi"}], "tools": TOOLS, "max_tokens": 5}
        with Server() as server:
            for fields, param, text in [
                ({"tool_choice": "required", "tools": []}, "tool_choice", "no tools"),
                ({"tool_choice": {"type": "function", "function": {"name": "h"}}}, "tool_choice", "no such tool"),
                ({"tool_choice": "required", "guided_regex": "a"}, "tool_choice", "guided_regex"),
                ({"tool_choice": "required", "tools": [loop]}, "tools", "uniqueItems"),
            ]:
                status, answer = server.post("/v1/chat/completions", {**body, **fields})
                self.assertEqual(status, 400, (fields, answer))
                self.assertEqual(answer["error"]["param"], param, answer)
                self.assertIn(text, answer["error"]["message"])
        with Server("--tool-call-parser", "none") as server:
            status, answer = server.post("/v1/chat/completions", {**body, "tool_choice": "required"})
            self.assertEqual((status, answer["error"]["param"]), (400, "tool_choice"))


class Drafts(unittest.TestCase):
    def test_change_nothing_in_thoughts_forms_and_calls(self):
        requests = [{"response_format": {"type": "json_object"}}, {"guided_regex": "(ab|cd){4,30}e"},
                    {"tools": TOOLS, "tool_choice": "required"}]
        answers = []
        for method in ("none", "ngram"):
            with Server("--chat-template", THINKING, "--tool-call-parser", "hermes", "--speculative-method", method) as server:
                answers.append([])
                for fields in requests:
                    for seed in range(4):
                        body = {**Reasoning.body, "temperature": 1.0, "max_tokens": 150, "thinking_token_budget": 20,
                                "seed": seed, **fields}
                        status, answer = server.post("/v1/chat/completions", body)
                        self.assertEqual(status, 200, answer)
                        choice = answer["choices"][0]
                        self.assertTrue(choice["message"]["reasoning_content"])
                        for call in choice["message"].get("tool_calls", []):
                            call["id"] = ""
                        answers[-1].append((choice, answer["usage"]["completion_tokens"]))
        self.assertEqual(answers[0], answers[1])


class Settings(unittest.TestCase):
    def test_an_unknown_parser_is_named_with_those_that_are_known(self):
        out = autoglm("serve", "--tool-call-parser", "nonsense", "--port", 0)
        self.assertEqual(out.returncode, 1, out.stdout)
        for word in ("tool_call_parser", "nonsense", "hermes", "glm45"):
            self.assertIn(word, out.stderr)

    def test_thoughts_can_be_left_in_the_content(self):
        with Server("--chat-template", THINKING, "--reasoning-parser", "none") as server:
            status, answer = server.post("/v1/chat/completions", {**Reasoning.body, "max_tokens": 5})
            self.assertEqual(status, 200, answer)
            self.assertNotIn("reasoning_content", answer["choices"][0]["message"])
            self.assertTrue(answer["choices"][0]["message"]["content"])


if __name__ == "__main__":
    main()
