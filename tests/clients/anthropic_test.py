"""Anthropic's own client against `autoglm serve`: messages, streams, tools, thoughts, counting, errors."""
import pathlib
import tempfile
import unittest

import anthropic

from client_harness import CITY, QUESTION, THINKING, TINY, Server, main

GREEDY = {"temperature": 0}  # which later clients know no more
TOOL = {"name": "get_weather", "description": "The weather of a city.", "input_schema": CITY}


def client_of(server, **options):
    return anthropic.Anthropic(base_url=f"http://127.0.0.1:{server.port}", api_key="none", max_retries=0, **options)


class Messages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.running = Server("--model", TINY, "--max-model-len", "256")
        cls.client = client_of(cls.running.__enter__())

    @classmethod
    def tearDownClass(cls):
        cls.running.__exit__(None, None, None)

    def create(self, **fields):
        fields = {"model": "tiny-glm", "max_tokens": 12, "messages": [{"role": "user", "content": QUESTION}],
                  "extra_body": GREEDY, **fields}
        return self.client.messages.create(**fields)

    def test_a_message(self):
        message = self.create()
        self.assertTrue(message.id.startswith("msg_"))
        self.assertEqual(message.role, "assistant")
        self.assertEqual(message.content[0].type, "text")
        self.assertGreater(len(message.content[0].text), 0)
        self.assertEqual(message.stop_reason, "max_tokens")
        self.assertEqual(message.usage.output_tokens, 12)
        self.assertGreater(message.usage.input_tokens + message.usage.cache_read_input_tokens, 0)

    def test_a_stream_is_the_same_message(self):
        whole = self.create(max_tokens=40)
        names = []
        with self.client.messages.stream(model="tiny-glm", max_tokens=40, extra_body=GREEDY,
                                         messages=[{"role": "user", "content": QUESTION}]) as stream:
            for event in stream:
                names.append(event.type)
            streamed = stream.get_final_message()
        self.assertEqual(streamed.content[0].text, whole.content[0].text)
        self.assertEqual(streamed.stop_reason, whole.stop_reason)
        self.assertEqual(streamed.usage.output_tokens, whole.usage.output_tokens)
        self.assertEqual([names[0], names[-1]], ["message_start", "message_stop"])

    def test_blocks_system_and_stop_sequences(self):
        text = self.create(max_tokens=30).content[0].text
        stop = text[5:9]
        message = self.create(max_tokens=30, stop_sequences=[stop],
                              messages=[{"role": "user", "content": [
                                  {"type": "text", "text": QUESTION,
                                   "cache_control": {"type": "ephemeral"}}]}])
        self.assertEqual(message.stop_reason, "stop_sequence")
        self.assertEqual(message.stop_sequence, stop)
        self.assertEqual(message.content[0].text, text[:text.index(stop)])
        with_system = self.create(system=[{"type": "text", "text": "Be brief."}])
        self.assertGreater(with_system.usage.input_tokens, 0)

    def test_an_answer_goes_on_with_the_turn_that_was_begun(self):
        turns = [{"role": "user", "content": QUESTION}]
        text = self.create(messages=turns, max_tokens=20).content[0].text
        begun = " ".join(text.split()[:4])
        more = self.create(messages=turns + [{"role": "assistant", "content": begun}], max_tokens=20)
        self.assertTrue((begun + more.content[0].text).startswith(text[:len(begun) + 8]), (begun, more.content[0].text, text))

    def test_counting(self):
        turns = [{"role": "user", "content": QUESTION}]
        counted = self.client.messages.count_tokens(model="tiny-glm", messages=turns)
        usage = self.create(messages=turns).usage
        self.assertEqual(counted.input_tokens, usage.input_tokens + usage.cache_read_input_tokens)

    def test_a_limit_above_the_context_is_cut(self):
        message = self.create(max_tokens=20_000)
        self.assertIn(message.stop_reason, ("end_turn", "model_context_window_exceeded"))

    def test_models(self):
        listed = self.client.models.list()
        self.assertEqual([model.id for model in listed.data], ["tiny-glm"])

    def test_errors_have_their_classes(self):
        with self.assertRaises(anthropic.NotFoundError):
            self.create(model="nobody")
        with self.assertRaisesRegex(anthropic.BadRequestError, "prompt is too long: [0-9]+ tokens > 256 maximum"):
            self.create(messages=[{"role": "user", "content": "word " * 2000}])
        for fields, named in [({"stop_sequences": [""]}, "stop_sequences"), ({"extra_body": {"temperature": 1000}}, "temperature"),
                              ({"messages": []}, "messages"),
                              ({"messages": [{"role": "user", "content": [{"type": "image", "source": {
                                  "type": "base64", "media_type": "image/png", "data": "AAAA"}}]}]},
                               r"messages\[0\].content\[0\]"),
                              ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, r"tools\[0\].type")]:
            with self.assertRaisesRegex(anthropic.BadRequestError, named) as raised:
                self.create(**fields)
            self.assertEqual(raised.exception.body["error"]["type"], "invalid_request_error")
            self.assertTrue(raised.exception.request_id)


class ToolsAndThoughts(unittest.TestCase):
    def test_a_call_and_its_result(self):
        with Server("--model", TINY, "--tool-call-parser", "hermes") as server:
            client = client_of(server)
            turns = [{"role": "user", "content": "The weather in Rome?"}]
            asked = {"model": "tiny-glm", "max_tokens": 300, "tools": [TOOL], "extra_body": {"seed": 3},
                     "tool_choice": {"type": "tool", "name": "get_weather", "disable_parallel_tool_use": True}}
            message = client.messages.create(messages=turns, **asked)
            self.assertEqual(message.stop_reason, "tool_use")
            call = next(block for block in message.content if block.type == "tool_use")
            self.assertEqual(call.name, "get_weather")
            self.assertIsInstance(call.input["city"], str)
            with client.messages.stream(messages=turns, **asked) as stream:
                streamed = stream.get_final_message()
            self.assertEqual([block.input for block in streamed.content if block.type == "tool_use"], [call.input])
            turns += [{"role": "assistant", "content": message.content},
                      {"role": "user", "content": [
                          {"type": "tool_result", "tool_use_id": call.id, "content": "sunny"},
                          {"type": "text", "text": "And tomorrow?"}]}]
            again = client.messages.create(messages=turns, model="tiny-glm", max_tokens=5, tools=[TOOL],
                                           tool_choice={"type": "none"})
            self.assertGreater(again.usage.output_tokens, 0)

    def test_thoughts_are_blocks_of_their_own(self):
        with tempfile.TemporaryDirectory() as folder:
            template = pathlib.Path(folder) / "thinking.jinja"
            template.write_text(THINKING)
            with Server("--model", TINY, "--chat-template", template) as server:
                client = client_of(server)
                fields = {"model": "tiny-glm", "max_tokens": 60, "extra_body": GREEDY,
                          "messages": [{"role": "user", "content": QUESTION}],
                          "thinking": {"type": "enabled", "budget_tokens": 8}}
                message = client.messages.create(**fields)
                self.assertEqual([block.type for block in message.content], ["thinking", "text"])
                self.assertTrue(message.content[0].signature)
                with client.messages.stream(**fields) as stream:
                    streamed = stream.get_final_message()
                self.assertEqual(streamed.content[0].thinking, message.content[0].thinking)
                self.assertEqual(streamed.content[1].text, message.content[1].text)
                again = client.messages.create(**{**fields, "messages": fields["messages"] + [
                    {"role": "assistant", "content": message.content}, {"role": "user", "content": "Go on"}]})
                self.assertGreater(again.usage.output_tokens, 0)


if __name__ == "__main__":
    main()
