"""OpenAI's own client against `autoglm serve`: chat, streams, structured answers, tools, completions, embeddings, errors."""
import json
import unittest

import openai
import pydantic

from client_harness import CITY, QUESTION, TINY, Server, main

TURNS = [{"role": "user", "content": QUESTION}]
TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": CITY}}


class Place(pydantic.BaseModel):
    city: str = pydantic.Field(max_length=8)
    days: int = pydantic.Field(ge=1, le=9)


class Answers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.running = Server("--model", TINY, "--max-model-len", "256", "--tool-call-parser", "hermes")
        server = cls.running.__enter__()
        cls.client = openai.OpenAI(base_url=f"http://127.0.0.1:{server.port}/v1", api_key="none", max_retries=0)

    @classmethod
    def tearDownClass(cls):
        cls.running.__exit__(None, None, None)

    def chat(self, **fields):
        return self.client.chat.completions.create(**{"model": "tiny-glm", "messages": TURNS, "temperature": 0,
                                                      "max_completion_tokens": 20, **fields})

    def test_chat_whole_and_streamed(self):
        whole = self.chat(n=2, logprobs=True, top_logprobs=2)
        self.assertEqual(len(whole.choices), 2)
        self.assertEqual(len(whole.choices[0].logprobs.content), 20)
        self.assertEqual(whole.usage.completion_tokens, 40)
        text, usage = "", None
        for chunk in self.chat(stream=True, stream_options={"include_usage": True}):
            text += "".join(choice.delta.content or "" for choice in chunk.choices)
            usage = chunk.usage or usage
        self.assertEqual(text, whole.choices[0].message.content)
        self.assertEqual(usage.completion_tokens, 20)

    def test_answers_of_a_form(self):
        parsed = self.client.chat.completions.parse(model="tiny-glm", messages=TURNS, response_format=Place, seed=1)
        self.assertIsInstance(parsed.choices[0].message.parsed, Place)

    def test_calls(self):
        choice = self.chat(tools=[TOOL], tool_choice="required", parallel_tool_calls=False, max_completion_tokens=200,
                           temperature=1, seed=3).choices[0]
        self.assertEqual(choice.finish_reason, "tool_calls")
        call = choice.message.tool_calls[0]
        self.assertEqual(list(json.loads(call.function.arguments)), ["city"])
        turns = TURNS + [choice.message, {"role": "tool", "tool_call_id": call.id, "content": "sunny"}]
        self.assertTrue(self.chat(messages=turns, tools=[TOOL], tool_choice="none").choices[0].message.content)

    def test_completions_embeddings_models(self):
        done = self.client.completions.create(model="tiny-glm", prompt=["a", "b"], max_tokens=3, echo=True, logprobs=1)
        self.assertEqual([choice.index for choice in done.choices], [0, 1])
        vectors = self.client.embeddings.create(model="tiny-glm", input=["a", "b"]).data
        self.assertEqual(len(vectors), 2)
        self.assertAlmostEqual(sum(x * x for x in vectors[0].embedding), 1, places=4)
        self.assertEqual([model.id for model in self.client.models.list()], ["tiny-glm"])

    def test_errors_have_their_classes(self):
        with self.assertRaises(openai.NotFoundError):
            self.chat(model="nobody")
        with self.assertRaises(openai.BadRequestError) as raised:
            self.chat(messages=[{"role": "user", "content": "word " * 2000}])
        self.assertEqual((raised.exception.code, raised.exception.param), ("context_length_exceeded", "messages"))
        with self.assertRaises(openai.BadRequestError) as raised:
            self.chat(max_completion_tokens=100_000)
        self.assertEqual((raised.exception.code, raised.exception.param),
                         ("context_length_exceeded", "max_completion_tokens"))
        self.assertTrue(raised.exception.request_id)


if __name__ == "__main__":
    main()
