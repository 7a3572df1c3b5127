"""Small templates that exercise the language itself, and the context that they are rendered with."""

from filters import FILTERS
from syntax import REFUSED, STATEMENTS, SYNTAX
from values import VALUES

__all__ = ["CONTEXT", "EXPRESSIONS", "REFUSED", "STATEMENTS"]

CONTEXT = {
    "s": "Hello, Wörld! 你好 ß",
    "e": "",
    "sp": "  a b\tc\n",
    "lines": "one\ntwo\r\n\nthree\x0bfour",
    "n": 7,
    "m": -3,
    "z": 0,
    "f": 2.5,
    "big": 1e16,
    "small": 1e-7,
    "t": True,
    "no": False,
    "nil": None,
    "l": [3, 1, 2],
    "words": ["b", "A", "c", "a"],
    "mixed": [1, "a", None, 2.0, True, [1], {"k": 1}],
    "d": {"b": 1, "A": 2, "items": 3, "x y": "q", "n": None},
    "users": [
        {"name": "Bob", "age": 30, "tags": ["x"], "on": True},
        {"name": "alice", "age": 25, "tags": [], "on": False, "mail": "a@b"},
        {"name": "Carl", "age": 30, "tags": ["y", "z"], "on": True, "mail": None},
    ],
    "nested": {"a": {"b": [{"c": "deep"}]}},
    "el": [],
    "ed": {},
    "html": "<b>&'\"</b>",
}

EXPRESSIONS = VALUES + FILTERS + SYNTAX
