"""Shared by the tests with clients that others have made: the server of the end-to-end tests."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))

from harness import Server, TINY, main  # noqa: E402, F401

# What a template of a thinking model has: it opens <think>, and knows </think>.
THINKING = ("[gMASK]<sop>{% for m in messages %}<|{{ m.role }}|>\n{{ m.content.split('</think>')[-1] }}{% endfor %}"
            "{% if add_generation_prompt %}<|assistant|>\n<think>{% endif %}")
QUESTION = "What is Open-AutoGLM?"
# No answer of tiny-glm calls a tool by itself: it is held to.
CITY = {"type": "object", "properties": {"city": {"type": "string", "maxLength": 8}}, "required": ["city"],
        "additionalProperties": False}
