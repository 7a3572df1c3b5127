"""Ollama's own client against `autoglm serve`: chat, generate, streams, tools, thoughts, formats, lists, errors."""
import json
import pathlib
import tempfile
import unittest

import ollama

from client_harness import CITY, QUESTION, THINKING, TINY, Server, main

TURNS = [{"role": "user", "content": QUESTION}]
TOOL = {"type": "function", "function": {"name": "get_weather", "description": "The weather.", "parameters": CITY}}


def client_of(server):
    return ollama.Client(host=f"http://127.0.0.1:{server.port}")


class Answers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.running = Server("--model", TINY, "--max-model-len", "256")
        cls.client = client_of(cls.running.__enter__())

    @classmethod
    def tearDownClass(cls):
        cls.running.__exit__(None, None, None)

    def test_chat(self):
        for name in ("tiny-glm", "tiny-glm:latest"):
            answer = self.client.chat(model=name, messages=TURNS, options={"temperature": 0, "num_predict": 12})
            self.assertEqual(answer.model, name)
            self.assertEqual(answer.message.role, "assistant")
            self.assertTrue(answer.message.content)
            self.assertTrue(answer.done)
            self.assertEqual(answer.done_reason, "length")
            self.assertEqual(answer.eval_count, 12)
            self.assertGreater(answer.prompt_eval_count, 0)
            self.assertGreater(answer.total_duration, 0)

    def test_a_stream_is_the_same_answer(self):
        options = {"temperature": 0, "num_predict": 40}
        whole = self.client.chat(model="tiny-glm", messages=TURNS, options=options)
        pieces = list(self.client.chat(model="tiny-glm", messages=TURNS, options=options, stream=True))
        self.assertEqual("".join(piece.message.content for piece in pieces), whole.message.content)
        self.assertEqual([piece.done for piece in pieces], [False] * (len(pieces) - 1) + [True])
        self.assertEqual(pieces[-1].done_reason, whole.done_reason)
        self.assertEqual(pieces[-1].eval_count, whole.eval_count)
        self.assertGreater(len(pieces), 3)

    def test_generate(self):
        options = {"temperature": 0, "num_predict": 20}
        answer = self.client.generate(model="tiny-glm", prompt=QUESTION, options=options)
        chat = self.client.chat(model="tiny-glm", messages=TURNS, options=options)
        self.assertEqual(answer.response, chat.message.content)
        pieces = self.client.generate(model="tiny-glm", prompt=QUESTION, options=options, stream=True)
        self.assertEqual("".join(piece.response for piece in pieces), answer.response)
        raw = self.client.generate(model="tiny-glm", prompt="The", raw=True, options=options)
        self.assertEqual(raw.eval_count, 20)
        self.assertNotEqual(raw.response, answer.response)
        briefly = self.client.generate(model="tiny-glm", prompt=QUESTION, system="Be brief.", options=options)
        self.assertTrue(briefly.response)

    def test_what_is_asked_of_an_answer(self):
        options = {"temperature": 1.2, "seed": 5, "num_predict": 200}
        answer = self.client.chat(model="tiny-glm", messages=TURNS, options=options, format=CITY)
        self.assertEqual(list(json.loads(answer.message.content)), ["city"])
        text = self.client.chat(model="tiny-glm", messages=TURNS, options={"temperature": 0}).message.content
        cut = self.client.chat(model="tiny-glm", messages=TURNS, options={"temperature": 0, "stop": [text[5:9]]})
        self.assertEqual(cut.message.content, text[:text.index(text[5:9])])
        self.assertEqual(cut.done_reason, "stop")
        long = self.client.chat(model="tiny-glm", messages=TURNS, options={"temperature": 0, "num_predict": 100_000})
        self.assertIn(long.done_reason, ("stop", "length"))

    def test_an_empty_request_only_loads(self):
        self.assertEqual(self.client.generate(model="tiny-glm").done_reason, "load")
        self.assertEqual(self.client.chat(model="tiny-glm", messages=[]).done_reason, "load")

    def test_lists(self):
        self.assertEqual([one.model for one in self.client.list().models], ["tiny-glm:latest"])
        running = self.client.ps().models[0]
        self.assertEqual((running.model, running.context_length), ("tiny-glm:latest", 256))
        shown = self.client.show("tiny-glm")
        self.assertIn("completion", shown.capabilities)
        name = shown.modelinfo["general.architecture"]
        self.assertEqual(shown.modelinfo[f"{name}.context_length"], 256)

    def test_errors_have_words_and_a_status(self):
        for call, status, words in [
                (lambda: self.client.chat(model="nobody", messages=TURNS), 404, "no such model"),
                (lambda: list(self.client.chat(model="nobody", messages=TURNS, stream=True)), 404, "no such model"),
                (lambda: self.client.show("nobody"), 404, "no such model"),
                (lambda: self.client.pull("tiny-glm"), 404, "/api/pull"),
                (lambda: self.client.chat(model="tiny-glm", messages=TURNS, options={"temperature": 1000}), 400,
                 "options.temperature"),
                (lambda: self.client.chat(model="tiny-glm", messages=TURNS, options={"num_predict": 0}), 400,
                 "options.num_predict"),
                (lambda: self.client.chat(model="tiny-glm", messages=TURNS, options={"mirostat": 2}), 400,
                 "options.mirostat"),
                (lambda: self.client.generate(model="tiny-glm", prompt="a", suffix="b"), 400, "suffix"),
                (lambda: self.client.chat(model="tiny-glm", messages=[{"role": "user", "content": "a " * 3000}]), 400,
                 "maximum context length")]:
            with self.assertRaises(ollama.ResponseError) as raised:
                call()
            self.assertEqual(raised.exception.status_code, status, raised.exception.error)
            self.assertIn(words, raised.exception.error)


class ToolsAndThoughts(unittest.TestCase):
    def test_calls(self):
        with Server("--model", TINY, "--tool-call-parser", "hermes") as server:
            client = client_of(server)
            # Nothing in Ollama's request demands a call, so a conversation with one is what can be sent.
            turns = TURNS + [
                {"role": "assistant", "content": "", "tool_calls": [
                    {"function": {"name": "get_weather", "arguments": {"city": "Rome"}}}]},
                {"role": "tool", "content": "sunny", "tool_name": "get_weather"}]
            for stream in (False, True):
                answer = client.chat(model="tiny-glm", messages=turns, tools=[TOOL], stream=stream,
                                     options={"num_predict": 5})
                answer = list(answer)[-1] if stream else answer
                self.assertEqual(answer.eval_count, 5)

    def test_thoughts(self):
        with tempfile.TemporaryDirectory() as folder:
            template = pathlib.Path(folder) / "thinking.jinja"
            template.write_text(THINKING)
            with Server("--model", TINY, "--chat-template", template) as server:
                client = client_of(server)
                answer = client.chat(model="tiny-glm", messages=TURNS, think=True,
                                     options={"temperature": 0, "num_predict": 20})
                self.assertTrue(answer.message.thinking)
                self.assertFalse(answer.message.content)
                self.assertIn("thinking", client.show("tiny-glm").capabilities)


if __name__ == "__main__":
    main()
