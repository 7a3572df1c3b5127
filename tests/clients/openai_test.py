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

    def respond(self, **fields):
        return self.client.responses.create(**{"model": "tiny-glm", "input": QUESTION, "temperature": 0,
                                               "max_output_tokens": 20, **fields})

    def test_responses(self):
        whole = self.respond(include=["message.output_text.logprobs"], top_logprobs=2)
        self.assertEqual((whole.status, whole.incomplete_details.reason), ("incomplete", "max_output_tokens"))
        self.assertEqual(whole.output_text, self.chat().choices[0].message.content)
        self.assertEqual(len(whole.output[0].content[0].logprobs), 20)
        self.assertEqual(whole.usage.output_tokens, 20)
        with self.client.responses.stream(model="tiny-glm", input=QUESTION, temperature=0, max_output_tokens=60) as stream:
            types = [event.type for event in stream]
            final = stream.get_final_response()
        self.assertEqual((types[0], types[-1]), ("response.created", "response.completed"))
        self.assertTrue(final.output_text.startswith(whole.output_text))
        counted = self.client.responses.input_tokens.count(model="tiny-glm", input=QUESTION)
        self.assertEqual(counted.input_tokens, whole.usage.input_tokens)

    def test_a_conversation_of_responses(self):
        first = self.respond()
        second = self.respond(input="And why?", previous_response_id=first.id)
        self.assertEqual(second.previous_response_id, first.id)
        self.assertGreater(second.usage.input_tokens, first.usage.input_tokens + 20)
        self.assertEqual(self.client.responses.retrieve(first.id).output_text, first.output_text)
        items = self.client.responses.input_items.list(second.id).data
        self.assertEqual([item.role for item in items], ["user", "assistant", "user"])
        self.client.responses.delete(first.id)
        with self.assertRaises(openai.NotFoundError):
            self.client.responses.retrieve(first.id)
        with self.assertRaises(openai.BadRequestError) as raised:
            self.respond(previous_response_id=first.id)
        self.assertEqual(raised.exception.param, "previous_response_id")

    def test_responses_of_a_form_and_with_calls(self):
        parsed = self.client.responses.parse(model="tiny-glm", input=QUESTION, text_format=Place,
                                             extra_body={"seed": 1})
        self.assertIsInstance(parsed.output_parsed, Place)
        tool = {"type": "function", "name": "get_weather", "parameters": CITY, "strict": True}
        asked = self.respond(tools=[tool], tool_choice="required", parallel_tool_calls=False, max_output_tokens=200,
                             temperature=1, extra_body={"seed": 3})
        call = next(item for item in asked.output if item.type == "function_call")
        self.assertEqual(list(json.loads(call.arguments)), ["city"])
        result = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
        answer = self.respond(input=[result], previous_response_id=asked.id, tools=[tool], tool_choice="none")
        self.assertTrue(answer.output_text)

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
