"""Libraries that stand on the clients of OpenAI, Anthropic and Ollama, against `autoglm serve`: that they answer, and that
their own classes know a conversation that is too long."""
import os
import unittest

os.environ.update(LITELLM_LOCAL_MODEL_COST_MAP="True", OPENAI_AGENTS_DISABLE_TRACING="1")

import agents  # noqa: E402  (after what they read when they are imported)
import langchain_anthropic  # noqa: E402
import langchain_ollama  # noqa: E402
import langchain_openai  # noqa: E402
import litellm  # noqa: E402
import openai  # noqa: E402
import pydantic  # noqa: E402
from pydantic_ai import Agent  # noqa: E402
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel  # noqa: E402
from pydantic_ai.providers.openai import OpenAIProvider  # noqa: E402

from client_harness import QUESTION, TINY, Server, main  # noqa: E402

TOO_LONG = "word " * 4000
BEGINNING = "Open-AutoGLM is a C++ program"


class Place(pydantic.BaseModel):
    city: str = pydantic.Field(max_length=8)
    days: int = pydantic.Field(ge=1, le=9)


def get_weather(city: str) -> str:
    """The weather of a city."""
    return f"sunny in {city}"


class Libraries(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.running = Server("--model", TINY, "--max-model-len", "512", "--tool-call-parser", "hermes")
        cls.base = f"http://127.0.0.1:{cls.running.__enter__().port}"
        cls.v1 = cls.base + "/v1"

    @classmethod
    def tearDownClass(cls):
        cls.running.__exit__(None, None, None)

    def test_litellm(self):
        for model, base in [("openai", self.v1), ("anthropic", self.base), ("ollama_chat", self.base)]:
            with self.subTest(model):
                fields = {"model": f"{model}/tiny-glm", "api_base": base, "api_key": "none", "max_tokens": 40,
                          "temperature": 0, "messages": [{"role": "user", "content": QUESTION}]}
                self.assertIn(BEGINNING, litellm.completion(**fields).choices[0].message.content)
                chunks = litellm.completion(**fields, stream=True)
                self.assertIn(BEGINNING, "".join(chunk.choices[0].delta.content or "" for chunk in chunks))
                if model != "ollama_chat":
                    with self.assertRaises(litellm.ContextWindowExceededError):
                        litellm.completion(**{**fields, "messages": [{"role": "user", "content": TOO_LONG}]})
        answer = litellm.responses(model="openai/tiny-glm", api_base=self.v1, api_key="none", input=QUESTION,
                                   temperature=0, max_output_tokens=40)
        self.assertIn(BEGINNING, answer.output[0].content[0].text)
        self.assertEqual(len(litellm.embedding(model="openai/tiny-glm", api_base=self.v1, api_key="none",
                                               input=["a"]).data), 1)

    def langchain_models(self, **fields):
        common = {"model": "tiny-glm", "api_key": "none", "max_tokens": 300, **fields}
        yield langchain_openai.ChatOpenAI(base_url=self.v1, **common)
        yield langchain_openai.ChatOpenAI(base_url=self.v1, use_responses_api=True, **common)
        yield langchain_anthropic.ChatAnthropic(base_url=self.base, **common)
        yield langchain_ollama.ChatOllama(base_url=self.base, model="tiny-glm", num_predict=300)

    def test_langchain(self):
        for model in self.langchain_models():
            with self.subTest(type(model).__name__):
                self.assertIn(BEGINNING, str(model.invoke(QUESTION).content))
                self.assertIn("AutoGLM", "".join(str(chunk.content) for chunk in model.stream(QUESTION)))
                self.assertIsInstance(model.with_structured_output(Place).invoke(QUESTION), Place)
                if not isinstance(model, langchain_ollama.ChatOllama):  # whose API cannot demand a call
                    calls = model.bind_tools([get_weather], tool_choice="any").invoke(QUESTION).tool_calls
                    self.assertEqual(calls[0]["name"], "get_weather")
        for model, overflow in [(next(self.langchain_models()), "OpenAIContextOverflowError"),
                                (list(self.langchain_models())[2], "AnthropicContextOverflowError")]:
            with self.assertRaises(Exception) as raised:
                model.invoke(TOO_LONG)
            self.assertEqual(type(raised.exception).__name__, overflow)

    def test_pydantic_ai(self):
        provider = OpenAIProvider(base_url=self.v1, api_key="none")
        for kind in (OpenAIChatModel, OpenAIResponsesModel):
            with self.subTest(kind.__name__):
                model = kind("tiny-glm", provider=provider)
                self.assertIn(BEGINNING, Agent(model).run_sync(QUESTION).output)
        structured = Agent(OpenAIChatModel("tiny-glm", provider=provider), output_type=Place,
                           model_settings={"max_tokens": 300})
        self.assertIsInstance(structured.run_sync(QUESTION).output, Place)

    def test_openai_agents(self):
        client = openai.AsyncOpenAI(base_url=self.v1, api_key="none")
        for kind in (agents.OpenAIResponsesModel, agents.OpenAIChatCompletionsModel):
            with self.subTest(kind.__name__):
                agent = agents.Agent(name="a", instructions="Be brief.", model=kind(model="tiny-glm", openai_client=client))
                self.assertTrue(agents.Runner.run_sync(agent, QUESTION).final_output)
                answer = agents.Runner.run_sync(agent.clone(output_type=Place), QUESTION).final_output
                self.assertIsInstance(answer, Place)


if __name__ == "__main__":
    main()
