"""Tools and reasoning over HTTP on tiny-glm, which knows neither: a chat template opens its thoughts, and a budget
closes them."""
import pathlib
import tempfile
import unittest

from harness import Server, autoglm, main

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
